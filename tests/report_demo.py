"""Contents of a report made up for the tests: real digits, plausible numbers (invented)."""

import io
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from trilemma.report.contents import Contents, Curve, Difference, Nearest, Note, RunView
from trilemma.scores import Column, Score, Scores, Shares

DIGITS = Path(__file__).parents[1] / "src" / "trilemma" / "data" / "embedded" / "digits.npz"
CLASSES = tuple("0123456789")
NAN = math.nan


@cache
def digits(first: int, n: int) -> np.ndarray:
    """Take embedded digits; a pattern where the package does not hold them. uint8 [n, 28, 28, 1]"""
    if DIGITS.exists():
        with np.load(DIGITS) as file:
            pixels = file["train_pixels"]
        order = np.random.default_rng(0).permutation(len(pixels))[first : first + n]
        return np.asarray(pixels[order]).reshape(n, 28, 28, 1)
    return np.random.default_rng(first).integers(0, 255, (n, 28, 28, 1), dtype=np.uint8)


def blurred(pixels: np.ndarray) -> np.ndarray:
    """Soften digits a little, so that two runs do not look the same."""
    soft = pixels.astype(np.float32)
    soft = (2 * soft + np.roll(soft, 1, 1) + np.roll(soft, 1, 2)) / 4
    return np.clip(soft, 0, 255).astype(np.uint8)


def gif(pixels: np.ndarray) -> bytes:
    """Make a small animation: noise that turns into digits."""
    rng = np.random.default_rng(1)
    target = np.concatenate(
        [np.concatenate(list(row), 1) for row in pixels[:16].reshape(4, 4, 28, 28)]
    )
    frames = []
    for share in (0.0, 0.3, 0.6, 0.8, 1.0):
        noise = rng.integers(0, 255, target.shape)
        frames.append(Image.fromarray((share * target + (1 - share) * noise).astype(np.uint8)))
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=300, loop=0)
    return file.getvalue()


def curve(start: float, end: float, images: int, seconds: float, *, n: int, noise: float) -> Curve:
    """Make a curve that falls like a loss, with noise."""
    t = np.linspace(0.002, 1, n)
    rng = np.random.default_rng(round(1000 * start))
    values = end + (start - end) * np.exp(-6 * t) + noise * rng.standard_normal(n)
    return Curve(
        images_seen=tuple(int(v) for v in t * images),
        seconds=tuple(float(v) for v in t * seconds),
        values=tuple(float(v) for v in values),
    )


ADVERSARIAL = {
    "preset": "digits-gan",
    "data": {"source": "digits", "size": "28x28", "channels": 1, "flip": False},
    "family": {
        "kind": "adversarial",
        "loss": "relativistic",
        "r1": 1.0,
        "generator": {"name": "dcgan", "latent": 100, "width": 32},
    },
    "train": {"batch_size": 128, "minutes": 1.0, "ema_images": 8000},
}
DIFFUSION = {
    "preset": "digits-diffusion",
    "data": {"source": "digits", "size": "28x28", "channels": 1, "flip": False},
    "family": {
        "kind": "diffusion",
        "process": "edm",
        "sampler": "heun",
        "steps": 10,
        "generator": {"name": "unet", "width": 32, "multipliers": [1, 2, 2]},
    },
    "train": {"batch_size": 128, "minutes": 1.5, "ema_images": 16000},
}
MACHINE = {
    "cpu": "AMD Ryzen 5 2500U",
    "cores": 4,
    "threads": 2,
    "device": "cpu",
    "precision": "float32",
    "torch": "2.13.0",
    "system": "Linux",
}


def nearest(first: int) -> Nearest:
    """Make ten pairs."""
    samples = digits(first, 10)
    return Nearest(
        samples=samples,
        neighbours=blurred(digits(first + 30, 10)),
        distances=tuple(3.1 + 0.37 * i for i in range(10)),
        share_closer=0.012,
        held_out_median=4.61,
        sample_median=4.38,
    )


def gan() -> RunView:
    """Describe an adversarial run."""
    return RunView(
        name="digits-gan-s0-3fa9c211",
        kind="adversarial",
        members=("digits-gan-s0-3fa9c211",),
        seeds=(0,),
        recipe=ADVERSARIAL,
        machine=MACHINE,
        parameters=512_000,
        evaluations=1,
        images_seen=121_600,
        training_seconds=61.3,
        training_images_per_second=1983.0,
        losses={
            "critic": curve(0.69, 0.42, 121_600, 61.3, n=400, noise=0.04),
            "generator": curve(0.72, 1.11, 121_600, 61.3, n=400, noise=0.09),
        },
        scalars={"critic_real": curve(0.1, 0.8, 121_600, 61.3, n=400, noise=0.05)},
        watched={"FD[domain]": curve(310.0, 27.0, 121_600, 61.3, n=20, noise=1.0)},
        samples=digits(0, 64),
        gif=gif(digits(0, 16)),
        nearest=nearest(200),
        licences=("Trained on MNIST digits, CC BY-SA 3.0.",),
    )


def diffusion() -> RunView:
    """Describe a diffusion run."""
    return RunView(
        name="digits-diffusion-s0-91c07be4",
        kind="diffusion",
        members=("digits-diffusion-s0-91c07be4",),
        seeds=(0,),
        recipe=DIFFUSION,
        machine=MACHINE,
        parameters=1_020_000,
        evaluations=19,
        images_seen=98_304,
        training_seconds=93.8,
        training_images_per_second=1048.0,
        losses={"generator": curve(1.02, 0.19, 98_304, 93.8, n=400, noise=0.02)},
        scalars={},
        watched={"FD[domain]": curve(420.0, 46.0, 98_304, 93.8, n=20, noise=2.0)},
        samples=blurred(digits(64, 64)),
        gif=gif(digits(64, 16)),
        nearest=nearest(300),
        licences=("Trained on MNIST digits, CC BY-SA 3.0.",),
        notes=(Note("note_ended", (("n", 98_304),), "out of time at 96% of the horizon"),),
    )


DOMAIN = Column(
    extractor="domain",
    weights_sha256="5be1cf52d4a7" + "0" * 52,
    resize="pillow-lanczos",
    reference="mnist:test",
    fingerprint="aa41" + "0" * 60,
    split="test",
    n_real=2000,
    n_fake=2000,
)
INCEPTION = replace(DOMAIN, extractor="inception", weights_sha256="f58c" + "0" * 60)
SPEED = replace(DOMAIN, extractor="", weights_sha256="")


def score(
    run: str, metric: str, value: float, error: float, floor: float = NAN, **other: object
) -> Score:
    """Shorten a score for the table below."""
    made = Score(
        run=run, metric=metric, value=value, error=error, n=2000, column="domain", floor=floor
    )
    return replace(made, **other)  # type: ignore[arg-type]


def run_scores(
    run: str, *, fd: float, precision: float, recall: float, rate: float, column: str = "domain"
) -> tuple[Score, ...]:
    """Score one run in every way."""
    sampler = "" if "gan" in run else "heun-10"
    return (
        score(run, "fd", fd, 0.04 * fd, 7.6, column=column, sampler=sampler),
        score(run, "kid", fd / 900, 0.0021, 0.0003, column=column),
        score(run, "is", 9.41 - fd / 60, 0.06, 9.62, column=column),
        score(run, "precision", precision, 0.0103, 0.781, column=column),
        score(run, "density", 0.91 * precision, 0.021, 0.98, column=column),
        score(run, "recall", recall, 0.0121, 0.792, column=column),
        score(run, "coverage", recall * 0.94, 0.011, 0.951, column=column),
        score(run, "ms_per_image", 2000 / rate, 30 / rate, column="speed"),
        score(run, "images_per_second", rate, 0.03 * rate, column="speed"),
    )


def shares(run: str, *, lacks: str = "") -> Shares:
    """Make class shares, one class perhaps missing."""
    rng = np.random.default_rng(len(run))
    weights = rng.uniform(0.8, 1.25, 10)
    if lacks:
        weights[CLASSES.index(lacks)] = 0.01
    fake = weights / weights.sum()
    half = 1.96 * np.sqrt(fake * (1 - fake) / 2000) + 0.001
    return Shares(
        run=run,
        classes=CLASSES,
        real=(0.098, 0.1135, 0.1032, 0.101, 0.0982, 0.0892, 0.0958, 0.1028, 0.0974, 0.1009),
        fake=tuple(float(v) for v in fake),
        low=tuple(float(v) for v in np.maximum(fake - half, 0)),
        high=tuple(float(v) for v in fake + half),
        missing=(lacks,) if lacks else (),
    )


@cache
def demo() -> Contents:
    """Describe the main job: a GAN and a diffusion model of the same digits."""
    one, two = gan(), diffusion()
    return Contents(
        title="A GAN and a diffusion model of digits",
        runs=(one, two),
        scores=Scores(
            columns={"domain": DOMAIN, "speed": SPEED},
            scores=(
                *run_scores(one.name, fd=21.1, precision=0.697, recall=0.781, rate=8210.0),
                *run_scores(two.name, fd=29.4, precision=0.741, recall=0.752, rate=143.0),
            ),
            shares=(shares(one.name), shares(two.name, lacks="7")),
        ),
        differences=(
            Difference(
                first=one.name,
                second=two.name,
                metric="fd",
                column="domain",
                difference=-8.3,
                low=-10.9,
                high=-5.7,
            ),
            Difference(
                first=one.name,
                second=two.name,
                metric="kid",
                column="domain",
                difference=-0.0021,
                low=-0.0063,
                high=0.0021,
            ),
        ),
        reference="mnist:test",
        real=digits(500, 64),
        machine=MACHINE,
        created="2026-11-24",
        command="trilemma compare digits-gan-s0-3fa9c211 digits-diffusion-s0-91c07be4",
        extractor_accuracy=0.9912,
        notes=(),
    )


def only(*scores: Score) -> Contents:
    """Give the demo's runs with these scores alone."""
    columns = {"domain": DOMAIN, "inception": INCEPTION}
    return replace(demo(), scores=Scores(columns=columns, scores=scores), differences=())


@cache
def many(n: int) -> Contents:
    """Describe ten or so runs, some of them groups of seeds, one without scores."""
    views, scores = [], []
    for i in range(n):
        base = gan() if i % 2 == 0 else diffusion()
        seeds = (0, 1, 2) if i == 1 else (i,)
        name = f"{base.recipe['preset']}-variant-{i}-with-a-rather-long-name"
        members = tuple(f"{name}-s{seed}" for seed in seeds)
        views.append(replace(base, name=name, seeds=seeds, members=members))
        if i == 3:
            continue
        rate = 9000.0 / (1 + 7 * i**2)
        scores += run_scores(
            name, fd=15 + 9.5 * i, precision=0.78 - 0.05 * i, recall=0.4 + 0.04 * i, rate=rate
        )
    columns = {"domain": DOMAIN, "speed": SPEED}
    return replace(
        demo(),
        title=f"{n} runs",
        runs=tuple(views),
        scores=Scores(columns=columns, scores=tuple(scores)),
        differences=(),
    )
