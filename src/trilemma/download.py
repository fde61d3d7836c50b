"""Download one file: resumed where it broke off, checked, moved into place when whole."""

import hashlib
import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from trilemma.atomic import REASONS, put, refused
from trilemma.errors import NoSpaceError, OfflineError
from trilemma.places import Say, quiet

Progress = Callable[[int, int], None]  # bytes done, bytes in all (0: the server does not say)

ATTEMPTS = 3  # connections that break off; the next one goes on from there
SECONDS = 30.0  # without a byte
CHUNK = 1 << 18  # bytes
LARGEST = 1 << 30  # bytes, of a file whose length is not known beforehand
LONG = 20e6  # bytes; from here on the progress of a file is worth some lines
HASHES: Mapping[int, tuple[str, Callable[[], Any]]] = {  # by the digits of a checksum
    32: ("md5", partial(hashlib.md5, usedforsecurity=False)),
    64: ("sha256", hashlib.sha256),
}


class AnotherFileError(Exception):
    """A server gave something, but not the file."""


def download(
    what: str,
    urls: Sequence[str],
    target: Path,
    *,
    checksum: str,
    instead: str,
    size: int = 0,
    say: Say = quiet,
    progress: Progress | None = None,
) -> Path:
    """Fetch target from the first of the urls that has it. Proxies are those of the environment.

    what: begins the lines that `say` gets, and errors. checksum: md5 or sha256, in hexadecimal.
    instead: what to do without a network; ends the errors. size: bytes; 0: as the server says.
    progress: None says a line at every tenth of a long file. OfflineError: it cannot be had, or is
    another file. NoSpaceError: it cannot be written.
    """
    part = target.with_name(target.name + ".part")
    reasons: dict[str, list[str]] = {}  # why not -> the hosts
    for url in urls:
        say(f"{what}: downloading {f'{size / 1e6:.1f} MB ' if size else ''}from {url} to {target}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _fetch_with_patience(url, part, size=size, progress=progress or _Lines(what, say))
            _check(part, checksum)
            put(part, target)
        except AnotherFileError as error:
            part.unlink()
            why = f"gave another file ({error})"
        except (OSError, http.client.HTTPException) as error:  # URLError, TimeoutError are OSErrors
            if isinstance(error, OSError) and error.errno in REASONS:
                raise NoSpaceError(f"{refused(target, error)} by TRILEMMA_CACHE=FOLDER") from error
            why = f"cannot be reached ({_reason(error)})"
        else:
            return target
        reasons.setdefault(why, []).append(urllib.parse.urlsplit(url).netloc)
    told = [f"{' and '.join(dict.fromkeys(hosts))} {why}" for why, hosts in reasons.items()]
    raise OfflineError(f"{what}: {'; '.join(told)}; {instead}")


class _Lines:
    """Say how far a long file is, at every tenth of it."""

    def __init__(self, what: str, say: Say) -> None:
        self.what, self.say, self.tenths = what, say, 0

    def __call__(self, done: int, total: int) -> None:
        tenths = 10 * done // total if total >= LONG else 0
        if tenths > self.tenths:
            self.tenths = tenths
            self.say(f"{self.what}: {done / 1e6:.0f} of {total / 1e6:.0f} MB")


def _check(part: Path, checksum: str) -> None:
    name, start = HASHES[len(checksum)]
    with part.open("rb") as file:
        found = hashlib.file_digest(file, start).hexdigest()
    if found != checksum:
        raise AnotherFileError(f"{name} {found[:12]}..., must be {checksum[:12]}...")


def _fetch_with_patience(url: str, part: Path, *, size: int, progress: Progress) -> None:
    """Fetch until the part is whole, over at most ATTEMPTS connections."""
    total = size
    for attempt in range(ATTEMPTS):
        try:
            total = _fetch(url, part, size=size, progress=progress)
        except (http.client.IncompleteRead, TimeoutError, ConnectionError):
            if attempt == ATTEMPTS - 1:
                raise
            continue
        if _length(part) >= total:
            return
    raise http.client.IncompleteRead(b"", total - _length(part))


def _fetch(url: str, part: Path, *, size: int, progress: Progress) -> int:
    """Add to the part what it lacks; start again where the server cannot begin in the middle.

    Give the bytes in all, 0 where nobody knows.
    """
    have = _length(part)
    if 0 < size <= have:  # a leftover of another file
        part.unlink()
        have = 0
    headers = {"User-Agent": "trilemma"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=SECONDS
        )
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
            raise
        part.unlink()  # a whole file that was not moved, or more than one
        return _fetch(url, part, size=size, progress=progress)
    with response:
        goes_on = response.status == http.HTTPStatus.PARTIAL_CONTENT
        have = have if goes_on else 0
        total = size or have + int(response.headers.get("Content-Length") or -have)
        with part.open("ab" if goes_on else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                progress(have, total)
                if have > (size or LARGEST):
                    raise AnotherFileError(f"more than {size or LARGEST:,} bytes")
    return total


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    if isinstance(error, urllib.error.URLError):
        inner = error.reason
        return inner if isinstance(inner, str) else _reason(inner)
    known = error.strerror if isinstance(error, OSError) else ""
    return known or str(error) or type(error).__name__
