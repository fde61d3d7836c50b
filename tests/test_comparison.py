"""Runs against runs: groups over seeds, unlike data apart, and what can be told apart."""

import json
import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tiny
from handmade import RECIPE, make_run, noise, seeded
from trilemma import scoring
from trilemma.cli.main import main
from trilemma.comparison import Comparison, compare
from trilemma.data.named import read_digits
from trilemma.errors import RunError
from trilemma.evaluation import read_scores
from trilemma.recipe import presets
from trilemma.report import lineup, place, words
from trilemma.report.contents import Note
from trilemma.report.page import render
from trilemma.sampling import Drawer, draw, load_generator
from trilemma.scorefile import facts

N = 100
DIFFUSION = presets.find("tiny-diffusion").recipe


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make runs of one GAN with three seeds, a diffusion model, a bundle, and odd ones."""
    folder = tmp_path_factory.mktemp("runs")
    for seed in (0, 1, 2):
        gan = make_run(folder / f"gan-{seed}", seeded(RECIPE, seed), end="")
        for images_seen in (320, 640):
            losses = {"critic": 0.5 + seed, "generator": 640 / images_seen}
            event = {"event": "step", "images_seen": images_seen, "seconds": images_seen / 99}
            gan.append({**event, "losses": losses, "scalars": {}})
        gan.append({"event": "end", "images_seen": 640, "seconds": 9.0, "why": "done"})
    make_run(folder / "diffusion", DIFFUSION)
    make_run(folder / "cut", replace(RECIPE, preset="cut"), kept=(320,), end="")
    (make_run(folder / "mute", replace(RECIPE, preset="mute")).path / "log.jsonl").unlink()
    assert main(["export", str(folder / "gan-1"), "--out", str(folder / "bundle")]) == 0
    tiny.digits(folder / "other.npz", 300, start=2000)
    apart = replace(
        RECIPE,
        preset="elsewhere",
        data=replace(RECIPE.data, source="folder", root=str(folder / "other.npz"), held_out=0.3),
    )
    make_run(folder / "elsewhere", apart)
    return folder


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let a run of this name have drawn these pictures, whatever its network says."""

    def lay(**pictures: np.ndarray) -> None:
        def remembered(
            drawer: Drawer, weights: Path, seeds: Sequence[int], *, progress: Any = None
        ) -> np.ndarray:
            run = weights.parents[1].name.replace("-", "_")
            return pictures[run][: len(seeds)]

        monkeypatch.setattr(scoring, "remembered", remembered)

    return lay


@pytest.fixture(scope="module")
def whole(runs: Path) -> Comparison:
    names = ("gan-0", "gan-1", "gan-2", "diffusion")
    return compare([str(runs / name) for name in names], n=N)


def values(made: Comparison, metric: str) -> dict[str, tuple[float, float]]:
    """Give value and error of a metric by the name of the run."""
    return {
        score.run: (score.value, score.error)
        for score in made.contents.scores.scores
        if score.metric == metric
    }


def of(runs: Path, *names: str, **how: Any) -> Comparison:
    return compare([str(runs / name) for name in names], **{"n": N, **how})


def test_seeds_become_one_row_with_the_error_of_their_mean(runs: Path, whole: Comparison) -> None:
    """Oracle: the mean and the deviation over the square root of three, of the single runs."""
    assert [view.name for view in whole.contents.runs] == ["tiny-gan (3 seeds)", "diffusion"]
    assert whole.contents.runs[0].members == ("gan-0", "gan-1", "gan-2")
    assert whole.contents.runs[0].seeds == (0, 1, 2)
    apart = of(runs, "gan-0", "gan-1", "gan-2", "diffusion", group=False)
    assert [view.name for view in apart.contents.runs] == ["gan-0", "gan-1", "gan-2", "diffusion"]
    for metric in ("fd", "kid", "precision", "recall"):
        single = values(apart, metric)
        three = [single[f"gan-{seed}"][0] for seed in (0, 1, 2)]
        mean, error = values(whole, metric)["tiny-gan (3 seeds)"]
        assert mean == pytest.approx(statistics.fmean(three))
        assert error == pytest.approx(statistics.stdev(three) / 3**0.5)
        assert values(whole, metric)["diffusion"] == pytest.approx(single["diffusion"], nan_ok=True)


def test_a_group_is_named_after_its_preset_beside_a_single_run_of_it_too(runs: Path) -> None:
    made = of(runs, "gan-0", "gan-1", "bundle", extractor="pixels", metrics=("kid",))
    assert [view.name for view in made.contents.runs] == ["tiny-gan (2 seeds)", "bundle"]


def test_only_runs_with_unlike_seeds_are_grouped(runs: Path, tmp_path: Path) -> None:
    """Not two checkpoints of one run, nor a recipe trained twice, nor a bundle, nor one run twice.

    Each would look like a second seed, and shrink the error.
    """
    make_run(tmp_path / "again", RECIPE)
    names = [str(runs / "gan-0"), f"{runs / 'gan-0'}@320", str(tmp_path / "again")]
    made = compare([*names, str(runs / "bundle"), str(runs / "cut" / ".." / "gan-0")], n=N)
    assert [len(view.members) for view in made.contents.runs] == [1, 1, 1, 1]
    shown = [view.name for view in made.contents.runs]
    assert shown == ["gan-0@best", "gan-0@320", "again@best", "bundle@best"]
    assert {score.run for score in made.contents.scores.scores} == set(shown)


def test_unlike_data_stand_in_tables_of_their_own_with_the_reason(runs: Path) -> None:
    made = of(runs, "gan-0", "elsewhere", extractor="pixels", n=60)
    reader = words.read("en")
    first, second, speed = lineup.blocks(made.contents, reader, "en")
    assert (first.runs, second.runs) == (("gan-0",), ("elsewhere",))
    for what in ("digits:test", "other:test"):
        assert what in second.apart
    assert set(speed.runs) == {"gan-0", "elsewhere"}
    assert made.contents.differences == ()
    assert second.apart in re.sub(r"\s+", " ", render(made.contents).replace("&amp;", "&"))


def test_real_images_are_not_told_apart_and_noise_is(
    runs: Path, drawn: Callable[..., None]
) -> None:
    pixels, _ = read_digits(Path(), "train")
    order = np.random.default_rng(0).permutation(len(pixels))
    drawn(gan_0=pixels[order[:N]], gan_1=pixels[order[N : 2 * N]], diffusion=noise(N, 28))
    made = of(runs, "gan-0", "gan-1", "diffusion", group=False)
    told = {(d.first, d.second): d for d in made.contents.differences}
    assert not told["gan-0", "gan-1"].distinguishable
    assert told["gan-0", "diffusion"].distinguishable
    assert told["gan-0", "diffusion"].difference < 0  # noise is further away: lower is better
    assert (
        values(made, "precision")["gan-0"][0]
        > 0.8
        > 0.1
        > values(made, "precision")["diffusion"][0]
    )
    assert values(made, "recall")["gan-0"][0] > 0.7
    page = render(made.contents)
    assert page.count("Not distinguishable.") == 1
    assert page.count("Different.") == 2


def test_every_run_is_shown_from_the_same_seeds(runs: Path) -> None:
    made = of(runs, "gan-0", "diffusion")
    for name, view in zip(("gan-0", "diffusion"), made.contents.runs, strict=True):
        (scored,) = (one for one in made.scored if one.found.name == name)
        assert view.samples.shape == (64, 28, 28, 1)
        fresh = load_generator(str(runs / name), device=scored.drawer.device)
        for seed in (0, 7, 63):
            (alone,) = next(draw(fresh, [seed]))
            assert np.abs(alone.astype(int) - view.samples[seed].astype(int)).max() <= 1


def test_files_of_a_report(whole: Comparison, tmp_path: Path) -> None:
    page = whole.write(tmp_path / "new" / "report")
    assert page == tmp_path / "new/report/report.html"
    pictures = {"fid.png", "is.png", "loss.png", "triangle.png"}
    tables = {"scores.json", "scores.csv", "scores.tex"}
    assert {path.name for path in page.parent.iterdir()} == {"report.html", *pictures, *tables}
    for name in pictures:
        with Image.open(page.parent / name) as picture:
            assert min(picture.size) > 200
    kept = read_scores(page.parent / "scores.json")
    assert kept.columns == whole.contents.scores.columns
    assert len(kept.scores) == len(whole.contents.scores.scores)
    assert facts(whole.contents.scores) == json.loads(
        (page.parent / "scores.json").read_text("utf-8")
    )
    text = page.read_text(encoding="utf-8")
    for said in ("tiny-gan (3 seeds)", "diffusion", "trilemma compare /", "digits:test"):
        assert said in text
    assert not re.search(r"""(?:src|href)=["']https?:""", text)


def test_the_verb_prints_writes_and_speaks_portuguese(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words_ = ["compare", str(runs / "gan-0"), str(runs / "diffusion"), "--n", str(N)]
    assert main([*words_, "--out", str(tmp_path / "en")]) == 0
    shown = capsys.readouterr().out
    assert f"report: {tmp_path / 'en' / 'report.html'}" in re.sub(r"\s*\n\s*", " ", shown)
    for said in ("Quality", "Coverage", "KID[domain]", "biased"):
        assert said in shown
    (tmp_path / "en").rename(tmp_path / "pt")
    assert main([*words_, "--out", str(tmp_path / "pt"), "--lang", "pt", "--json"]) == 0
    out, err = capsys.readouterr()
    assert f"the report in {tmp_path / 'pt'} will be written anew" in err
    printed = json.loads(out)
    assert {score["run"] for score in printed["scores"]} == {"gan-0", "diffusion"}
    page = (tmp_path / "pt" / "report.html").read_text(encoding="utf-8")
    assert '<html lang="pt-BR"' in page
    assert "O triângulo impossível" in page
    assert "The impossible triangle" not in page


def test_a_report_takes_the_place_of_a_report_and_of_nothing_else(
    whole: Comparison, tmp_path: Path
) -> None:
    page = whole.write(tmp_path / "reports")
    assert {path.name for path in page.parent.iterdir()} == {place.PAGE, *place.BESIDE}
    before = page.read_bytes()
    notes = page.with_name("notes.txt")
    notes.write_text("mine", encoding="utf-8")
    whole.write(page.parent, language="pt")
    whole.to_html(page.with_name("second.html"))
    assert page.read_bytes() != before and notes.read_text(encoding="utf-8") == "mine"
    assert place.holds_report(page) and not place.holds_report(tmp_path / "new" / "a.html")


@pytest.mark.parametrize("name", ["report.html", "loss.png", "scores.csv"])
def test_files_that_are_not_of_a_report_stay(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    mine = tmp_path / "reports" / name
    mine.parent.mkdir()
    mine.write_text("<html>mine</html>", encoding="utf-8")
    assert main(["compare", str(runs / "gan-0"), "--out", str(mine.parent)]) == 2
    said = capsys.readouterr().err
    assert name in said and "--out" in said and said.count("\n") == 1
    assert [path.name for path in mine.parent.iterdir()] == [name]
    assert mine.read_text(encoding="utf-8") == "<html>mine</html>"


def test_odd_runs_are_compared_and_what_they_lack_is_said(runs: Path) -> None:
    made = of(runs, "cut", "mute", "bundle")
    cut, mute, bundle = made.contents.runs
    assert cut.notes == (Note("note_unfinished", (("n", 640),)),)
    assert "not finished: 640 images so far" in render(made.contents)
    assert "não terminado: 640 imagens até agora" in render(made.contents, language="pt")
    for view in (mute, bundle):
        assert (dict(view.losses), view.notes, view.training_seconds) == ({}, (), 0.0)
        assert view.images_seen == 320  # of the best network
    assert dict(bundle.machine) == {}
    assert bundle.recipe == made.contents.runs[0].recipe | {"preset": "tiny-gan", "seed": 1}


def test_nothing_to_compare_is_one_line() -> None:
    with pytest.raises(RunError, match="no run to compare; give at least one"):
        compare([])
    with pytest.raises(RunError, match="no run or bundle 'nowhere'"):
        compare(["nowhere"])
