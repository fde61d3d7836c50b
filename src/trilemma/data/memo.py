"""What was computed from a file, remembered until the file's size or date changes."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trilemma.atomic import write_bytes
from trilemma.errors import NoSpaceError
from trilemma.places import cache_folder


class Memo:
    """JSON values by file, for the files of one folder; kept in the cache."""

    def __init__(self, folder: Path, purpose: str) -> None:
        """purpose: what is remembered; values of different purposes do not mix."""
        key = hashlib.sha256(f"{purpose}\n{folder.resolve()}".encode()).hexdigest()[:32]
        self.store = cache_folder() / "memo" / f"{key}.json"
        self.values: dict[str, list[Any]] = {}
        self.changed = False
        try:
            self.values = json.loads(self.store.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # the first time, or cut by a full disk
            self.changed = True

    def get(self, file: Path, make: Callable[[], Any]) -> Any:
        """Give what `make` gave for this file when it last had this size and date."""
        state = file.stat()
        known = self.values.get(str(file))
        if known is not None and known[:2] == [state.st_size, state.st_mtime_ns]:
            return known[2]
        value = make()
        self.values[str(file)] = [state.st_size, state.st_mtime_ns, value]
        self.changed = True
        return value

    def save(self) -> None:
        """Write what is new; a full disk costs only the next run's time."""
        if self.changed:
            try:
                write_bytes(self.store, json.dumps(self.values).encode())
            except NoSpaceError:
                return
        self.changed = False
