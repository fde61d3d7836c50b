"""The benchmarks of other libraries run, at their smallest, and end with JSON lines."""

import importlib
import json
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from trilemma.images import read_image

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
NEEDS = {  # every script, and what it cannot do without
    "losses": (),
    "minutes": (),
    "same_minutes": (),
    "scores": ("torch_fidelity", "prdc"),
    "step_dcgan": (),
    "step_denoising_diffusion": ("denoising_diffusion_pytorch", "ema_pytorch"),
    "step_diffusers": ("diffusers",),
    "triangle": (),
}
SHARED = "side_by_side"


@pytest.fixture(autouse=True)
def beside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Import the scripts as they import each other, and leave the threads as they were."""
    monkeypatch.syspath_prepend(FOLDER)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def need(script: str) -> None:
    for module in NEEDS[script]:
        pytest.importorskip(module, reason=f"{module} is not installed (extra `bench`)")


def rows(script: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> list[dict]:
    need(script)
    importlib.import_module(script).main([*arguments, "--tiny"])
    lines = capsys.readouterr().out.splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    assert found
    assert all(line.startswith("{") for line in lines[-len(found) :])
    assert all(row["machine"]["torch"] == torch.__version__ for row in found)
    return found


def test_every_script_is_tested() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == {*NEEDS, SHARED}


@pytest.mark.parametrize("script", [name for name in NEEDS if name.startswith("step_")])
def test_a_step_there_and_here(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    for row in rows(script, ["--rounds", "1"], capsys):
        assert row["peer_images_s"] == pytest.approx(row["ours"]["batch"] / row["peer_s"])
        assert row["ratio"] == pytest.approx(row["peer_s"] / row["ours_s"])


def test_scores_agree(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows("scores", ["--rounds", "1"], capsys)
    assert max(row["apart"] for row in found if row["same_estimate"]) < 1e-6
    assert {name for row in found for name in row["peer_values"]} == {
        "fd",
        "kid",
        "precision",
        "recall",
        "density",
        "coverage",
    }


def test_same_minutes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tutorial's GAN and a preset of ours: other peers draw for too long."""
    chosen = ["--peers", "dcgan", "--presets", "mnist-gan-fast", "--out", str(tmp_path / "new")]
    found = rows("same_minutes", chosen, capsys)
    assert [row["name"] for row in found] == ["tutorial DCGAN", "mnist-gan-fast"]
    assert all(row["n"] == 16 and row["images"] >= 4 for row in found)
    assert all(row["scores"]["fd"]["value"] > row["scores"]["fd"]["floor"] for row in found)


def test_minutes_goes_on_where_it_was_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same row again, from its file; the picture has a row of twelve."""
    out = ["--out", str(tmp_path / "new")]
    first, again = (rows("minutes", out, capsys) for _ in range(2))
    assert [row["spent_minutes"] for row in first] == [row["spent_minutes"] for row in again]
    assert [row["preset"] for row in first] == ["digits-gan"]
    assert first[0]["scores"]["fd"]["value"] > first[0]["scores"]["fd"]["floor"]
    with pytest.raises(SystemExit):
        rows("minutes", [*out, "--seed", "7"], capsys)
    assert "is of another seed, --n or recipe" in capsys.readouterr().err
    assert read_image(tmp_path / "new" / "digits-gan.png", channels=1).shape[1] >= 12 * 56


def test_losses_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two of them on a few digits; each row has its loss, and a second call trains nothing."""
    names = ["WGAN-GP", "hinge, spectral norm"]
    out = ["--out", str(tmp_path / "new"), "--losses", *names]
    first, again = (rows("losses", out, capsys) for _ in range(2))
    assert [row["loss"] for row in first] == names
    assert first == again
    assert all(row["scores"]["fd"]["value"] > row["scores"]["fd"]["floor"] for row in first)
    assert read_image(tmp_path / "new" / "losses.png", channels=1).shape[:2] == (2 * 56, 12 * 56)


def test_the_triangle_has_every_way_to_draw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A GAN, a denoiser at four numbers of steps, and what it became; two seeds make one row."""
    found = rows("triangle", ["--out", str(tmp_path / "new")], capsys)
    steps = [f"digits-diffusion, steps {count} (2 seeds)" for count in (5, 10, 20, 50)]
    assert [row["name"] for row in found] == [
        "digits-gan (2 seeds)",
        *steps,
        "onestep (2 seeds)",
    ]
    assert found[0]["scores"]["fd"]["value"] != found[-1]["scores"]["fd"]["value"]


def test_losses_differ_where_their_intervals_say_so() -> None:
    losses = importlib.import_module("losses")
    assert losses.differs([1.0, 1.1, 0.9], [3.0, 3.1, 2.9]) == "yes"
    assert losses.differs([1.0, 3.0, 2.0], [2.0, 4.0, 1.0]) == "no"
    assert losses.differs([1.0], [3.0, 4.0]) == "?"


@pytest.mark.parametrize(
    ("script", "peer", "net"),
    [
        ("step_denoising_diffusion", "denoising-diffusion-pytorch", "diffusion"),
        ("step_diffusers", "diffusers", "net"),
    ],
)
def test_diffusion_peers_learn_and_draw(script: str, peer: str, net: str) -> None:
    need(script)
    minutes = importlib.import_module("same_minutes")
    made = minutes.PEERS[peer](28, Namespace(tiny=True, steps=2))
    weights = list(getattr(made, net).parameters())
    before = [weight.clone() for weight in weights]
    made.step(torch.rand(4, 1, 28, 28) * 2 - 1, 0.0)
    assert any(not torch.equal(old, new) for old, new in zip(before, weights, strict=True))
    images = made.draw(3)
    assert images.shape == (3, 1, 28, 28)
    assert images.abs().max() <= 1 + 1e-6


def test_a_missing_package_is_one_line() -> None:
    code = "import sys; sys.modules['prdc'] = None; import scores"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stderr == "prdc is missing; pip install --editable '.[bench]'\n"
