"""Small sets of images: what is said of them, and at which sizes."""

from pathlib import Path

import pytest

import tiny
from trilemma.cli.arguments import parse_train
from trilemma.cli.main import main
from trilemma.data.fewimages import ADAPTIVE, MORE, held_out, long_enough, of_few
from trilemma.data.health import health
from trilemma.data.named import read_digits
from trilemma.images import write_png
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


@pytest.mark.parametrize(
    ("count", "images", "words"),
    [
        (
            2,
            20,
            "cannot be scored or compared (that takes 3); hold out more with --data.held-out 0.5",
        ),
        (3, 30, "scores are not shown (that takes 10), and copies not told; hold out more with --"),
        (1, 8, "(that takes 3); hold out more with --data.held-out 0.38"),
        (1, 4, "cannot be scored or compared (that takes 3); add images"),
        (19, 190, "too few to tell copies, and for narrow errors; hold out more with --data.held"),
        (20, 200, ""),
    ],
)
def test_too_few_that_are_held_out_say_what_would_do(count: int, images: int, words: str) -> None:
    names = [str(number) for number in range(images)]
    said = held_out(count, names, names, own_split=False)
    assert words in said and bool(words) == bool(said)
    if words:
        assert held_out(count, names, names, own_split=True).endswith("; add test images")


def test_what_would_do_does_beside_files_that_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Broken files are split before they are found out; data and train say the same share."""
    folder, pictures = tmp_path / "photos", read_digits(Path(), "train")[0]
    folder.mkdir()
    for number in range(12):
        write_png(folder / f"{number}.png", pictures[number])
    for number in range(6):
        (folder / f"broken-{number}.png").write_bytes(b"no picture")
    (said,) = (line for line in health(str(folder), size=(16, 16)).advice if "held out" in line)
    words = ["train", "tiny-gan", "--data.source", "folder", "--data.root", str(folder)]
    words += ["--data.size", "16x16", "--data.channels", "1"]
    words += ["--train.images", "16", "--batch-size", "4", "--watch.extractor", "pixels"]
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    assert said in capsys.readouterr().err
    share = said.split()[-1]
    assert float(share) == 0.23  # 3 of 18 were 0.17, and only two of those can be used
    assert main([*words, "--data.held-out", share, "--out", str(tmp_path / "two")]) == 0
    assert "cannot be scored" not in capsys.readouterr().err


def test_a_training_says_so_before_the_wait_and_compare_what_would_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, picture in enumerate(read_digits(Path(), "train")[0][:20]):
        write_png(folder / f"{number}.png", picture)
    run = str(tmp_path / "run")
    options = [
        "--data.source",
        "folder",
        "--data.root",
        str(folder),
        "--data.size",
        "28x28",
        "--data.channels",
        "1",
    ]
    lengths = ["--train.images", "64", "--train.batch-size", "8", "--watch.n", "3"]
    assert main(["train", "tiny-gan", *options, *lengths, "--out", run]) == 0
    heard = capsys.readouterr().err
    begun = "2 of them are held out: the run cannot be scored or compared (that takes 3)"
    assert begun in heard and heard.index(begun) < heard.index("finished")
    for verb in ("compare", "evaluate"):
        assert main([verb, run, "--device", "cpu"]) == 2
        assert (
            "2 images are held out; scores take 3: hold the run against" in capsys.readouterr().err
        )
