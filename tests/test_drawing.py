"""What `sample` says, and what it refuses before it draws."""

from pathlib import Path

import pytest

from trilemma import drawing
from trilemma.errors import RunError


def test_a_folder_of_another_draw_is_not_added_to(tmp_path: Path) -> None:
    """The same draw again is: it writes the same files."""
    out = tmp_path / "images"
    for _ in range(2):
        drawing.sample(["bundle:digits-gan"], n=3, seed=7, out=out, kind="folder")
    assert sorted(path.name for path in out.iterdir()) == [f"{i:06d}.png" for i in (7, 8, 9)]
    (out / ".DS_Store").write_bytes(b"")  # no image
    drawing.sample(["bundle:digits-gan"], n=3, seed=7, out=out, kind="folder")
    for seeds, named in ((8, "000007.png, not"), (20, "000007.png and 2 more, not")):
        with pytest.raises(RunError, match=rf"images holds {named} of this draw; name a new"):
            drawing.sample(["bundle:digits-gan"], n=2, seed=seeds, out=out, kind="folder")


def test_steps_of_a_gan_are_said_to_do_nothing(tmp_path: Path) -> None:
    heard: list[str] = []
    for steps in (0, 5):
        drawing.sample(
            ["bundle:digits-gan"], n=1, out=tmp_path / "a.png", steps=steps, say=heard.append
        )
    told = [line for line in heard if "do nothing" in line]
    assert told == ["digits-gan: a GAN; --sampler, --steps and --guidance do nothing to it"]
