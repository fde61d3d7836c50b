"""Download one file: checked by sha256, resumed where it broke off, moved into place when whole."""

import errno
import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from trilemma.errors import NoSpaceError, OfflineError
from trilemma.places import Say, quiet

Progress = Callable[[int, int], None]  # (bytes done, bytes in all)

ATTEMPTS = 3  # connections that break off; the next one goes on from there
SECONDS = 30.0  # without a byte
CHUNK = 1 << 18  # bytes
DISK = (  # what stands in the way of writing
    *(errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS),
    *(errno.ENOTDIR, errno.EEXIST, errno.EISDIR),
)


def download(
    what: str,
    url: str,
    target: Path,
    *,
    size: int,
    sha256: str,
    instead: str,
    say: Say = quiet,
    progress: Progress | None = None,
) -> Path:
    """Fetch url to target and give target. Proxies are those of the environment.

    what: begins the line that `say` gets, and errors. size: bytes. instead: what to do without a
    network; ends the errors. OfflineError: it cannot be had, or is another file. NoSpaceError.
    """
    say(f"{what}: downloading {size / 1e6:.1f} MB from {url} to {target}")
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch_with_patience(url, part, size=size, progress=progress)
        found = hashlib.sha256(part.read_bytes()).hexdigest()
        if found != sha256:
            part.unlink()
            raise OfflineError(
                f"{what}: {url} gave another file (sha256 {found[:12]}..., must be "
                f"{sha256[:12]}...); {instead}"
            )
        part.replace(target)
    except (OSError, http.client.HTTPException) as error:  # URLError and TimeoutError are OSErrors
        if getattr(error, "errno", None) in DISK:
            raise NoSpaceError(
                f"{target.parent}: cannot be written ({error}); free {size / 1e6:.0f} MB or "
                "set TRILEMMA_CACHE to another folder"
            ) from error
        reason = _reason(error)
        raise OfflineError(f"{what}: {url} cannot be reached ({reason}); {instead}") from error
    return target


def _fetch_with_patience(url: str, part: Path, *, size: int, progress: Progress | None) -> None:
    """Fetch until the part has `size` bytes, over at most ATTEMPTS connections."""
    for attempt in range(ATTEMPTS):
        try:
            _fetch(url, part, size=size, progress=progress)
        except (http.client.IncompleteRead, TimeoutError, ConnectionError):
            if attempt == ATTEMPTS - 1:
                raise
        if _length(part) >= size:
            return
    raise http.client.IncompleteRead(b"", size - _length(part))


def _fetch(url: str, part: Path, *, size: int, progress: Progress | None) -> None:
    """Add to the part what it lacks; start again where the server cannot begin in the middle."""
    have = _length(part)
    if have >= size:  # a leftover of another file
        part.unlink()
        have = 0
    headers = {"User-Agent": "trilemma"} | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=SECONDS) as response:
        goes_on = response.status == 206
        have = have if goes_on else 0
        with part.open("ab" if goes_on else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                if progress is not None:
                    progress(have, size)


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) or type(error).__name__
