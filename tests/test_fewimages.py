"""Small sets of images: what is said of them, and at which sizes."""

from pathlib import Path

import pytest

import tiny
from trilemma.cli.arguments import parse_train
from trilemma.cli.main import main
from trilemma.data.fewimages import ADAPTIVE, MORE, long_enough, of_few
from trilemma.data.health import health
from trilemma.recipe.checking import check


@pytest.mark.parametrize(
    ("images", "words", "lines"),
    [
        (20, "20 images are very few", 4),
        (299, "299 images are very few", 4),
        (300, "300 images are few", 4),
        (999, "999 images are few", 4),
        (1000, "1,000 images are not many", 3),
        (4999, "4,999 images are not many", 3),
    ],
)
def test_what_is_said_at_each_size(images: int, words: str, lines: int) -> None:
    said = of_few(images, folder=True)
    assert said[0].startswith(words)
    assert len(said) == lines
    assert of_few(images, folder=False) == said[:1]


def test_nothing_is_said_of_many() -> None:
    assert of_few(5000, folder=True) == ()
    assert long_enough(5000, 3.0) == ()


def test_how_often_is_a_whole_number() -> None:
    assert "every image about 1,235 times" in long_enough(300, 1234.5678)[0]


@pytest.mark.parametrize("advice", [ADAPTIVE, MORE])
def test_the_options_that_are_named_can_be_typed_and_trained(advice: str) -> None:
    options = advice[advice.index("--") :].replace("RUN", "digits-gan").split()
    check(parse_train(["folder-gan", "--data.root", "photos", *options]).recipe)


def test_a_folder_is_told_and_a_set_with_a_preset_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny.hostile(tmp_path / "photos")
    found = health(str(folder), size=(16, 16))
    assert found.advice[0].startswith("60 images are very few")
    assert any("--from RUN" in line for line in found.advice)
    assert not any("--from RUN" in line for line in health("digits").advice)
    words = ["data", str(folder), "--out", "", "--preset", "tiny-gan", "--size", "16x16"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "small set:   it sees every image about" in printed
