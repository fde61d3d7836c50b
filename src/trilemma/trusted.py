"""Which code of a user's own this process may run: import paths that were typed, or all by --trust.

A recipe or a bundle may name code (my_module:Net), and importing it runs it. So nothing is imported
but what was allowed here: by `train` the paths that were typed behind it, by --trust all, in Python
what `trilemma.trust` names. The list belongs to the process, as Python's loaded modules do: what
has run once cannot be taken back.
"""

from trilemma.errors import RecipeError

_ALLOWED: dict[str, set[str]] = {}  # import path, or ALL: sha256 of what was found as it was typed
ALL = "*"


def allow(*paths: str) -> None:
    """Let these import paths be imported from now on; ALL: every one."""
    for path in paths:
        _ALLOWED.setdefault(path, set())


def refuse_unknown(field: str, path: str) -> None:
    """Refuse an import path that nobody allowed: RecipeError."""
    if not _ALLOWED.keys() & {path, ALL}:
        raise RecipeError(
            f"{field} is '{path}', code that a file names and nobody typed, so it is not run; if "
            f"you trust it: --trust (in Python: trilemma.trust('{path}'))"
        )


def refuse_other(field: str, path: str, digest: str, *, recorded: bool) -> None:
    """Refuse code that a file records under a name that was typed for other code: RecipeError.

    A name alone says little: somebody else's run may have a file of the same name beside it.
    """
    if ALL in _ALLOWED:
        return
    known = _ALLOWED[path]
    if not recorded or not known:
        known.add(digest)
    if digest not in known:
        raise RecipeError(
            f"{field} is '{path}', other code than what was run under this name (sha256 "
            f"{digest[:12]}, not {min(known)[:12]}); if you trust it: --trust (in Python: "
            f"trilemma.trust())"
        )
