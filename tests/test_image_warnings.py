"""Pillow warns of what we handle; the user's filters stay as they are."""

import io
import struct
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from trilemma.errors import DataError
from trilemma.images import decode
from trilemma.imagewarnings import without_warnings


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def with_a_damaged_date() -> bytes:
    """Give a JPEG whose EXIF says that its date lies beyond the end of the file."""
    row = struct.pack(">HHII", 0x0132, 2, 4096, 9999)  # DateTime, text, length, place
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + row + bytes(4)
    return encoded(Image.new("L", (9, 5), 77), "JPEG", exif=exif)


def test_pillows_warnings_are_off_while_we_decode_and_no_longer() -> None:
    """Decoding in threads; the process has its own filters again, in its order."""
    photo = with_a_damaged_date()
    with pytest.warns(UserWarning), Image.open(io.BytesIO(photo)) as image:
        image.getexif()
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        pictures = list(pool.map(lambda _: decode(photo, channels=1).pixels, range(64)))
    assert all(abs(int(pixels.mean()) - 77) <= 1 for pixels in pictures)
    assert warnings.filters == before
    with pytest.raises(DataError):
        decode(b"nothing", channels=1)
    assert warnings.filters == before


class UsersWarning(Warning):
    pass


def test_a_users_own_filter_stays() -> None:
    """One that was there, and one that came while a picture was decoded."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
        before = list(warnings.filters)
        with without_warnings():
            warnings.simplefilter("ignore", UsersWarning)
            decode(with_a_damaged_date(), channels=1)
        assert list(warnings.filters)[1:] == before
        assert warnings.filters[0][:3] == ("ignore", None, UsersWarning)


def test_a_large_picture_is_read_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow warns above its limit, and refuses above twice the limit."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert decode(encoded(Image.new("L", (15, 10), 3)), channels=1).pixels.shape == (10, 15, 1)
    with pytest.raises(DataError, match="too large"):
        decode(encoded(Image.new("L", (15, 15), 3)), channels=1)
