"""Bundles: complete or absent, drawing what the run draws, with licences and scores that belong."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from handmade import RECIPE, aged, make_run
from trilemma import export as exporting
from trilemma import runs
from trilemma.errors import RunError
from trilemma.evaluation import read_scores, write_scores
from trilemma.export import export
from trilemma.licences import Note
from trilemma.recipe import files
from trilemma.runfolder import RunFolder, write_json
from trilemma.sampling import drawn, load_generator
from trilemma.scores import Column, Heeded, Score, Scores, Shares

CPU = torch.device("cpu")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """Give a run named one in runs/ of the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRILEMMA_RUNS", raising=False)
    return make_run(tmp_path / "runs/one")


def scores_of(*checkpoints: str) -> Scores:
    column = Column(
        extractor="domain", weights_sha256="ab", resize="r", reference="digits:test",
        fingerprint="cd" * 32, split="test", n_real=500, n_fake=400,
    )  # fmt: skip
    scores = [
        Score(
            run="one", metric="kid", value=0.5, error=0.02, n=400, column=checkpoint, floor=0.01,
            biased=True, checkpoint=checkpoint,
        )
        for checkpoint in checkpoints
    ]  # fmt: skip
    shares = [
        Shares(
            run="one", classes=("0",), real=(1.0,), fake=(1.0,), low=(0.9,), high=(1.0,),
            missing=(), checkpoint=checkpoint,
        )
        for checkpoint in checkpoints
    ]  # fmt: skip
    heeded = [
        Heeded(run="one", classes=("0",), share=(1.0,), n=9, checkpoint=checkpoint)
        for checkpoint in checkpoints
    ]
    return Scores(
        columns=dict.fromkeys(checkpoints, column),
        scores=tuple(scores),
        shares=tuple(shares),
        heeded=tuple(heeded),
    )


def notes_of(place: Path) -> list[dict[str, str]]:
    notes: list[dict[str, str]] = json.loads((place / "licence.json").read_text("utf-8"))["notes"]
    return notes


def test_a_bundle_draws_what_its_run_draws(run: RunFolder) -> None:
    place = export("one", device=CPU)
    assert place == Path("bundles/one")
    found = runs.find_run(str(place))
    assert (found.bundle, found.images_seen, found.recipe) == (True, 320, RECIPE)
    theirs = drawn(load_generator("one", device=CPU), range(64))
    assert np.array_equal(drawn(load_generator(found, device=CPU), range(64)), theirs)
    shown = np.asarray(Image.open(place / "grid.png")).reshape(8, 28, 8, 28).swapaxes(1, 2)
    assert np.array_equal(shown.reshape(64, 28, 28), theirs[..., 0])


def test_the_files_and_what_is_written_about_the_weights(run: RunFolder) -> None:
    write_scores(run.path / "scores.json", scores_of("best"))
    place = export("one", device=CPU)
    assert {path.name for path in place.iterdir()} == {
        *("generator.safetensors", "recipe.toml", "scores.json", "card.md", "grid.png"),
        "licence.json",
    }
    with safe_open(place / "generator.safetensors", "pt") as file:
        about = file.metadata()
    assert (about["images_seen"], about["run"], about["checkpoint"]) == ("320", "one", "best")
    assert len(about["sha256"]) == 64


def test_another_checkpoint_can_be_picked(run: RunFolder) -> None:
    place = export("one@640", Path("other"), device=CPU)
    mine = load_file(place / "generator.safetensors")
    theirs = load_file(run.path / "checkpoints/640/average.safetensors")
    best = load_file(run.path / "best/average.safetensors")
    name = "generator." + next(
        n for n, _ in load_generator("one", device=CPU).nets["generator"].named_parameters()
    )
    assert torch.equal(mine[name], theirs[name])
    assert not torch.equal(mine[name], best[name])
    assert runs.find_run("./other").images_seen == 640


def test_a_bundle_is_whole_or_absent(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> str:
        raise RunError("in the middle")

    with monkeypatch.context() as patch:
        patch.setattr(exporting, "card", fail)
        with pytest.raises(RunError, match="in the middle"):
            export("one", Path("new"), device=CPU)
    assert [path.name for path in Path().iterdir()] == ["runs"]
    Path("new").mkdir()
    export("one", Path("new"), device=CPU)
    with pytest.raises(RunError, match=r"new is there already; give another --out"):
        export("one", Path("new"), device=CPU)
    with pytest.raises(RunError, match="is a bundle already"):
        export("./new", device=CPU)


@pytest.mark.parametrize(
    ("licence", "commercial"),
    [
        ("CC BY-NC 4.0 (AFHQ, NAVER)", "no"),
        ("CC BY-SA 3.0 (LeCun, Cortes, Burges: MNIST)", "yes"),
        ("free for non-commercial use", "no"),
        ("Noncommercial", "no"),
        ("MIT (Zalando: Fashion-MNIST)", "yes"),
        ("none stated (Krizhevsky 2009: CIFAR-10)", "unknown"),
        ("not stated", "unknown"),
        ("", "unknown"),
    ],
)
def test_what_licences_allow(licence: str, commercial: str) -> None:
    assert Note(what="x", licence=licence).commercial == commercial


def test_what_may_not_be_sold_is_said_loudly(run: RunFolder) -> None:
    notes = [{"what": "training images cats", "licence": "CC BY-NC 4.0"}]
    write_json(run.path / "licence.json", {"notes": notes})
    heard: list[str] = []
    place = export("one", device=CPU, say=heard.append)
    assert notes_of(place) == [{**notes[0], "commercial": "no"}]
    assert "NOT FOR COMMERCIAL USE: training images cats: CC BY-NC 4.0" in heard
    assert (place / "card.md").read_text("utf-8").count("NOT FOR COMMERCIAL USE") == 2


def test_a_free_licence_is_not_loud(run: RunFolder) -> None:
    place = export("one", device=CPU)
    (note,) = notes_of(place)
    assert note["what"] == "training images digits"
    assert note["licence"].startswith("CC BY-SA 3.0")
    assert "NOT FOR COMMERCIAL USE" not in (place / "card.md").read_text("utf-8")


def test_the_licences_of_parents_go_along(run: RunFolder) -> None:
    older = make_run(run.path.with_name("older"))
    notes = [{"what": "training images cats", "licence": "CC BY-NC 4.0"}]
    write_json(older.path / "licence.json", {"notes": notes})
    (run.path / "parent.txt").write_text("older at 640 images\n", encoding="utf-8")
    (older.path / "parent.txt").write_text("oldest at 640 images\n", encoding="utf-8")
    told = [note["what"] for note in notes_of(export("one", device=CPU))]
    assert told == ["training images digits", "training images cats", "parent run oldest"]


def test_a_broken_licence_file_is_an_error(run: RunFolder) -> None:
    (run.path / "licence.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RunError, match=r"licence\.json: no licences can be read"):
        export("one", device=CPU)


def test_places_on_this_machine_are_left_out(run: RunFolder, tmp_path: Path) -> None:
    data = replace(RECIPE.data, source="folder", root=str(tmp_path / "private" / "cats"))
    make_run(run.path.with_name("cats"), replace(RECIPE, data=data))
    heard: list[str] = []
    place = export("cats", device=CPU, say=heard.append)
    assert files.read(place / "recipe.toml").data.root == "cats"
    assert any("left out of the bundle" in line for line in heard)
    text = "".join((place / name).read_text("utf-8") for name in ("card.md", "licence.json"))
    assert "private" not in text
    assert "the folder cats" in text


def test_only_scores_of_this_network_go_along(run: RunFolder) -> None:
    write_scores(run.path / "scores.json", scores_of("320", "best"))
    place = export("one", device=CPU)
    kept = read_scores(place / "scores.json")
    for found in (kept.scores, kept.shares, kept.heeded):
        assert [one.checkpoint for one in found] == ["best"]
    assert list(kept.columns) == ["best"]
    card = (place / "card.md").read_text("utf-8")
    assert "| KID[domain] | 0.500 ± 0.020 (biased) | 400 | 0.0100 | best |" in card
    assert "400 images against 500 of digits:test" in card


def test_scores_that_are_older_than_the_weights_stay_behind(run: RunFolder) -> None:
    heard: list[str] = []
    write_scores(run.path / "scores.json", scores_of("best"))
    aged(run.path / "scores.json", 3600)
    place = export("one", device=CPU, say=heard.append)
    assert not (place / "scores.json").exists()
    assert any("older than the weights" in line for line in heard)
    assert "None yet" in (place / "card.md").read_text("utf-8")


def test_an_extractor_of_its_own_goes_along(run: RunFolder) -> None:
    for name in ("extractor.safetensors", "extractor.json"):
        (run.path / name).write_bytes(name.encode())
    place = export("one", device=CPU)
    assert (place / "extractor.json").read_bytes() == b"extractor.json"
    assert (place / "extractor.safetensors").is_file()


def test_the_card_says_what_where_and_how(run: RunFolder) -> None:
    card = (export("one", device=CPU) / "card.md").read_text("utf-8")
    parameters = sum(
        p.numel() for p in load_generator("one", device=CPU).nets["generator"].parameters()
    )
    for words in (
        *("28x28", "grey", f"{parameters:,} parameters", "1 network evaluation an image"),
        *("Trained on digits", "preset tiny-gan, seed 0", "after 320 images (best)"),
        *(
            "batches of 16",
            "toy, 3 cores",
            "trilemma sample ./one",
            'tr.sample("./one", 64, seed=0)',
        ),
    ):
        assert words in card
