"""Downloads of the named sets: checked by md5, complete or absent."""

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path

from trilemma.errors import OfflineError
from trilemma.images import write_bytes
from trilemma.places import Say, quiet

SECONDS = 20  # of silence after which a mirror is given up


def download(
    name: str,
    mirrors: Sequence[str],
    md5: Mapping[str, str],
    store: Path,
    *,
    say: Say = quiet,
) -> None:
    """Fetch the files of a set that `store` lacks from the first mirror that has them.

    md5: file -> checksum. `TRILEMMA_MIRROR` names another base address: its files are at
    BASE/NAME/FILE. Proxies are taken from the environment. OfflineError: no mirror gave the file.
    """
    if own := os.environ.get("TRILEMMA_MIRROR"):
        mirrors = (f"{own.rstrip('/')}/{name}/",)
    for file, checksum in md5.items():
        if not (store / file).is_file():
            say(f"{name}: fetching {file}")
            write_bytes(store / file, _fetch(name, file, checksum, mirrors, store))


def _fetch(name: str, file: str, checksum: str, mirrors: Sequence[str], store: Path) -> bytes:
    reasons = []
    for mirror in mirrors:
        try:
            with urllib.request.urlopen(mirror + file, timeout=SECONDS) as answer:
                content: bytes = answer.read()
        except (OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            reasons.append(f"{mirror}: {reason}")
            continue
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found == checksum:
            return content
        reasons.append(f"{mirror}: md5 {found}, not {checksum}")
    raise OfflineError(
        f"{name} is not on this machine and {file} cannot be fetched ({'; '.join(reasons)}); "
        f"put its files into {store}, or into a folder named by --data.root or TRILEMMA_DATA"
    )
