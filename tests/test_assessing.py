"""Any images against any images: what arguments mean, one size, columns, floors."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from handmade import RECIPE, make_run, noise, seeded, write_folder
from tiny import DIFFUSION
from trilemma import extracting, heeding, runs
from trilemma.assessing import assess, assessed, heeded, see
from trilemma.data.values import Source
from trilemma.errors import DataError, RunError, TrilemmaError
from trilemma.evaluation import read_scores
from trilemma.families.family import DrawOptions
from trilemma.features import cache
from trilemma.sampling import drawn, load_generator
from trilemma.scorefile import keep, merged
from trilemma.scores import Column, Heeded, Score, Scores, Shares
from trilemma.scoring import quality, refer
from trilemma.sides import How, Listing, joint_shape, side_of

CPU = torch.device("cpu")


class Heard(list[str]):
    """Lines that were said."""

    def __call__(self, line: str) -> None:
        self.append(line)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own, where the runs lie in runs/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRILEMMA_RUNS", raising=False)
    return tmp_path


def how(heard: Heard | None = None, **changes: str) -> How:
    return How(extractor="pixels", say=Heard() if heard is None else heard, **changes)  # type: ignore[arg-type]


def by_name(scores: Scores) -> dict[str, Score]:
    return {score.metric: score for score in scores.scores}


def test_a_brighter_copy_is_as_far_as_its_mean(here: Path) -> None:
    """Equal covariances: the Frechet distance is the squared distance of the means."""
    real = noise(300, 8)
    np.save(here / "real.npy", real)
    np.savez(here / "fake.npz", arr_0=real + np.uint8(20))
    scores = assess("fake.npz", "real.npy", metrics=("fd", "precision"), extractor="pixels")
    known = by_name(scores)
    assert known["fd"].value == pytest.approx(64 * (20 / 127.5) ** 2, rel=1e-4)
    assert known["fd"].run == "fake"
    assert known["fd"].n == 300
    assert math.isnan(known["fd"].floor)


def test_a_run_gets_the_scores_and_the_column_that_compare_gives(here: Path) -> None:
    make_run(here / "runs/one")
    mine = assessed("one", n=60, metrics=("fd", "kid", "recall"), how=how())
    found = runs.find_run("one")
    extractor = extracting.extractor_for(found, "pixels", device=CPU, say=print)
    reference = refer(found, extractor, n=60, say=print, progress=lambda done, total: None)
    pixels = drawn(load_generator(found, device=CPU), range(60))
    theirs = quality("one", cache.features(extractor, pixels), reference, ("fd", "kid", "recall"))
    assert mine.scores.columns == theirs.columns
    for one, other in zip(mine.scores.scores, theirs.scores, strict=True):
        assert (one.metric, one.column, one.n) == (other.metric, other.column, other.n)
        assert one.value == pytest.approx(other.value, rel=1e-6, abs=1e-9)
        assert one.floor == pytest.approx(other.floor, rel=1e-6, abs=1e-9)
        assert one.checkpoint == "best"


@pytest.mark.parametrize(("first", "second"), [("small", "large"), ("large", "small")])
def test_both_sides_get_the_smaller_size(here: Path, first: str, second: str) -> None:
    write_folder(here / "small", noise(5, 8))
    write_folder(here / "large", noise(6, 16, channels=3, seed=1))
    heard = Heard()
    made = assessed(first, second, metrics=("kid",), how=how(heard))
    (column,) = made.scores.columns.values()
    assert ("pillow-lanczos to 8x8 grey" in column.resize) == (first == "large")
    assert any("8x8 grey (pillow-lanczos)" in line for line in heard)
    assert {column.n_fake, column.n_real} == {5, 6}


def test_a_run_decides_the_size(here: Path) -> None:
    make_run(here / "runs/one")
    write_folder(here / "large", noise(4, 40, channels=3))
    run, folder = side_of("one", how()), side_of("large", how())
    for pair in ((run, folder), (folder, run)):
        assert joint_shape(*pair, how()) == (28, 28, 1)
    assert joint_shape(run, folder, how(size="12x20")) == (20, 12, 1)


def test_several_sizes_need_one(here: Path) -> None:
    for name in ("a", "b"):
        write_folder(here / name, noise(3, 8))
        write_folder(here / name / "more", noise(3, 9))
    with pytest.raises(DataError, match="--size 64x64"):
        assessed("a", "b", how=how())
    made = assessed("a", "b", metrics=("kid",), how=how(size="8"))
    assert made.scores.scores[0].n == 6
    with pytest.raises(DataError, match="--size is 'big'"):
        assessed("a", "b", how=how(size="big"))


def test_the_train_split_is_the_floor() -> None:
    made = assessed("digits:train", "digits:test", n=40, metrics=("precision", "kid"), how=how())
    floors = {score.metric: score.floor for score in made.scores.scores}
    assert 0.5 < floors["precision"] <= 1
    turned = assessed("digits:test", "digits:train", n=40, metrics=("kid",), how=how())
    assert math.isnan(turned.scores.scores[0].floor)


def test_a_folder_without_splits_has_no_floor_and_one_with_has(here: Path) -> None:
    write_folder(here / "set/train", noise(9, 8))
    write_folder(here / "set/test", noise(8, 8, seed=1))
    np.save(here / "fake.npy", noise(7, 8, seed=2))
    split = assessed("fake.npy", "set:test", metrics=("kid",), how=how()).scores.scores[0]
    whole = assessed("fake.npy", "set", metrics=("kid",), how=how()).scores.scores[0]
    assert math.isfinite(split.floor)
    assert math.isnan(whole.floor)


def test_two_runs_share_no_seed(here: Path) -> None:
    make_run(here / "runs/one")
    heard = Heard()
    made = assessed("one", "runs/one@last", n=12, metrics=("fd",), how=how(heard))
    assert "both sides are the same images" not in heard
    (column,) = made.scores.columns.values()
    assert (column.reference, column.split) == ("one", "seeds")
    assessed("digits:test", "digits:test", n=12, metrics=("fd",), how=how(heard))
    assert "both sides are the same images" in heard


def test_fewer_images_than_asked_for_are_said(here: Path) -> None:
    np.save(here / "few.npy", noise(5, 28))
    heard = Heard()
    made = assessed("few.npy", "digits:test", n=50, metrics=("kid",), how=how(heard))
    assert made.scores.scores[0].n == 5
    assert "few: only 5 images, not the 50 that were asked for" in heard


def test_what_fits_twice_is_named_and_a_path_can_be_forced(here: Path) -> None:
    write_folder(here / "digits", noise(4, 8))
    with pytest.raises(RunError, match=r"data set digits, the path digits; .*\./ in front"):
        side_of("digits:test", how())
    side = side_of("./digits", how())
    assert isinstance(side, Listing)
    assert len(side.images.names) == 4
    make_run(here / "runs/other")
    write_folder(here / "other", noise(4, 8))
    with pytest.raises(RunError, match=r"the run .*other, the path other"):
        side_of("other", how())
    assert isinstance(side_of("runs/other", how()), runs.Found)


def test_a_run_is_found_by_name_beginning_path_and_checkpoint(here: Path) -> None:
    make_run(here / "runs/tiny-s0-1234")
    for text, label in [("tiny-s0-1234", "best"), ("tiny-s0@last", "640"), ("tiny@320", "320")]:
        side = side_of(text, how())
        assert isinstance(side, runs.Found)
        assert side.checkpoint == label
    whole = side_of(str(here / "runs/tiny-s0-1234"), how())
    assert isinstance(whole, runs.Found)
    assert whole.place == here / "runs/tiny-s0-1234"


@pytest.mark.parametrize(
    ("images", "against", "n", "metric", "words"),
    [
        ("nothing", "digits:test", 0, "fd", "'nothing' is no run, bundle, path or data set"),
        ("digits-gann", "digits:test", 0, "fd", "data set; closest: (bundle:)?digits-gan"),
        ("", "digits:test", 0, "fd", "'' is no run"),
        ("digits:test", "", 0, "fd", "--against B"),
        ("digits:test", "digits:train", -1, "fd", "--n -1"),
        ("digits:test", "digits:train", 0, "fid", "unknown metric 'fid'.*did you mean fd"),
    ],
)
def test_mistakes(images: str, against: str, n: int, metric: str, words: str) -> None:
    with pytest.raises(TrilemmaError, match=words):
        assessed(images, against, n=n, metrics=(metric,), how=how())


def test_features_are_the_pixels_in_their_order(here: Path) -> None:
    pixels = noise(6, 8)
    np.savez(here / "f.npz", images=pixels, labels=np.array([2, 0, 1, 1, 0, -1]))
    seen = see("f.npz", how=how())
    assert np.allclose(seen.features.features, pixels.reshape(6, -1) / 127.5 - 1, atol=1e-6)
    assert seen.source.labels.tolist() == [2, 0, 1, 1, 0, -1]
    assert seen.meta["images"] == "f"


def test_features_of_a_run_come_from_its_seeds(here: Path) -> None:
    make_run(here / "runs/one")
    seen = see("one@320", n=3, seed=7, how=how())
    pixels = drawn(load_generator("one@320", device=CPU), range(7, 10))
    assert np.allclose(seen.features.features, pixels.reshape(3, -1) / 127.5 - 1, atol=1e-6)
    assert seen.source.names == ["000007", "000008", "000009"]
    assert (seen.meta["checkpoint"], seen.meta["seed"]) == ("320", 7)


def score(metric: str, value: float, *, column: str = "c", checkpoint: str = "best") -> Score:
    return Score(
        run="r", metric=metric, value=value, error=0.1, n=9, column=column, floor=1.0,
        checkpoint=checkpoint,
    )  # fmt: skip


def test_new_scores_replace_old_ones_of_the_same_kind(here: Path) -> None:
    column = Column(
        extractor="e", weights_sha256="", resize="", reference="r", fingerprint="f", split="test",
        n_real=9, n_fake=9,
    )  # fmt: skip
    old = Scores(
        columns={"c": column, "d": column},
        scores=(score("fd", 1), score("fd", 2, column="d"), score("fd", 3, checkpoint="640")),
    )
    new = Scores(columns={"c": column}, scores=(score("fd", 4), score("kid", 5)))
    assert [s.value for s in merged(old, new).scores] == [2, 3, 4, 5]
    make_run(here / "runs/one", seeded(RECIPE, 1))
    run = runs.find_run("one")
    for scores in (old, new):
        path = keep(scores, run)
    # written out: a nan equals none, and from Python 3.13 on not even itself inside a dataclass
    assert repr(read_scores(path)) == repr(merged(old, new))


def test_shares_and_counts_of_other_drawings_stay() -> None:
    """Two samplers and two checkpoints; what does not say how it was drawn makes way."""

    def counted(sampler: str, checkpoint: str, n: int) -> Heeded:
        return Heeded(
            run="r", classes=("a",), share=(1.0,), n=n, sampler=sampler, checkpoint=checkpoint
        )

    def met(sampler: str, checkpoint: str, share: float) -> Shares:
        return Shares(
            run="r", classes=("a",), real=(1.0,), fake=(share,), low=(0.0,), high=(1.0,),
            missing=(), sampler=sampler, checkpoint=checkpoint,
        )  # fmt: skip

    of_before, slow, fast = ("", ""), ("heun-50", "best"), ("heun-5", "best")
    older, guided = ("heun-50", "640"), ("heun-50-guided-2", "best")
    old = Scores(
        heeded=tuple(counted(*way, 1) for way in (of_before, slow, fast, older)),
        shares=tuple(met(*way, 0.1) for way in (of_before, slow, fast, older)),
    )
    new = Scores(
        heeded=tuple(counted(*way, 2) for way in (fast, guided)),
        shares=tuple(met(*way, 0.2) for way in (fast, guided)),
    )
    both = merged(old, new)
    kept = [(*slow, 1), (*older, 1), (*fast, 2), (*guided, 2)]
    assert [(one.sampler, one.checkpoint, one.n) for one in both.heeded] == kept
    assert [(one.sampler, one.checkpoint, 10 * one.fake[0]) for one in both.shares] == kept
    nothing = merged(old, Scores())
    assert (nothing.heeded, nothing.shares) == (old.heeded, old.shares)


def test_counts_say_how_they_were_drawn(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A denoiser under another sampler than its own, at a checkpoint that was named."""
    make_run(here / "runs/one", replace(RECIPE, family=DIFFUSION), kept=(320,))
    counted = Heeded(run="one", classes=("a",), share=(0.5,), n=2)
    made = Scores(scores=(score("asked_class", 0.5),), heeded=(counted,))
    monkeypatch.setattr(heeding, "heed", lambda *_, **__: made)
    asked = replace(how(), options=DrawOptions(sampler="heun", steps=7), device=CPU)
    reference: Source = None  # type: ignore[assignment]
    found = heeded(runs.find_run("one@320"), reference, n=2, metrics=(), how=asked)
    assert found.heeded == (replace(counted, sampler="heun-7", checkpoint="320"),)
    assert (found.scores[0].sampler, found.scores[0].checkpoint) == ("heun-7", "320")
