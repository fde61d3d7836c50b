"""The contact sheet as a file: it takes the place of an older one, and of nothing else."""

from pathlib import Path

from PIL import Image, UnidentifiedImageError

from trilemma.data.values import Pixels
from trilemma.errors import DataError
from trilemma.images import write_png

MARK = "Trilemma contact sheet"  # the picture's own note of the program that made it


def check_free(path: Path) -> None:
    """Refuse, before anything is looked at, to write over a file that is no contact sheet of ours.

    DataError: there is one.
    """
    if path.exists() and not ours(path):
        raise DataError(
            f"{path} is there and is no contact sheet of ours; give another --out FILE, or "
            "--out '' for none"
        )


def ours(path: Path) -> bool:
    """Is this file a contact sheet that we wrote?"""
    try:
        with Image.open(path) as picture:
            return picture.info.get("Software") == MARK
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError):
        return False


def write_sheet(path: Path, sheet: Pixels) -> None:
    """Write a contact sheet, in the place of an older one. DataError as in `check_free`."""
    check_free(path)
    write_png(path, sheet, software=MARK)
