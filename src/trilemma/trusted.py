"""Which code of a user's own this process may run: import paths that were typed, or all by --trust.

A recipe or a bundle may name code (my_module:Net), and importing it runs it. So nothing is imported
but what was allowed here: by `train` the paths that were typed behind it, by --trust all, in Python
what `trilemma.trust` names. The list belongs to the process, as Python's loaded modules do: what
has run once cannot be taken back.
"""

from trilemma.errors import RecipeError

_ALLOWED: set[str] = set()  # import paths, or ALL
ALL = "*"


def allow(*paths: str) -> None:
    """Let these import paths be imported from now on; ALL: every one."""
    _ALLOWED.update(paths)


def refuse_unknown(field: str, path: str) -> None:
    """Refuse an import path that nobody allowed: RecipeError."""
    if not _ALLOWED & {path, ALL}:
        raise RecipeError(
            f"{field} is '{path}', code that a file names and nobody typed, so it is not run; if "
            f"you trust it: --trust (in Python: trilemma.trust('{path}'))"
        )
