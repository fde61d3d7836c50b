"""The Python names: train, sample, upscale, compare, ...; runs that show themselves."""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trilemma import comparison, devices, trusted, watch
from trilemma.comparison import Comparison
from trilemma.errors import RunError
from trilemma.evaluation import STANDARD
from trilemma.families.family import DrawOptions
from trilemma.live import say, shown
from trilemma.pairassessing import assessed_any
from trilemma.photos import from_pixels
from trilemma.photowriting import JPEG_QUALITY
from trilemma.pipelines import OUT as PICTURES
from trilemma.pipelines import pipeline as write_pictures
from trilemma.recipe import overrides, presets
from trilemma.recipe.following import begun
from trilemma.recipe.own import as_typed
from trilemma.runfolder import RunFolder
from trilemma.runs import find_run
from trilemma.sampling import drawn, load_generator
from trilemma.scores import Scores
from trilemma.showing import Images
from trilemma.sides import How
from trilemma.upscalers import load_upscaler
from trilemma.upscaling import Manner, ready
from trilemma.upscalingfiles import MODEL, OUT, refuse_failure, whole
from trilemma.upscalingfiles import upscale as upscale_files


@dataclass(frozen=True)
class Run:
    """A training on disk, by its folder, its name, or the name of a bundle."""

    name: str

    def sample(
        self,
        n: int = 64,
        *,
        seed: int = 0,
        sampler: str = "",
        steps: int = 0,
        guidance: float = 0.0,
        truncation: float | None = None,
        device: str = "auto",
    ) -> Images:
        """Draw n images; image i from seed + i. Empty, 0 or None: as the recipe says."""
        options = DrawOptions(
            sampler=sampler, steps=steps, guidance=guidance, truncation=truncation
        )
        run = find_run(self.name, say=say)
        drawer = load_generator(run, device=devices.pick(device), options=options)
        return Images(drawn(drawer, range(seed, seed + n)))

    @property
    def path(self) -> Path:
        """The folder."""
        return find_run(self.name).place

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of log.jsonl."""
        return RunFolder(self.path).log()

    def evaluate(self, against: str = "", *, n: int = 0, extractor: str = "auto") -> Scores:
        """Score its images against real ones: its own held-out split, unless another is named."""
        return evaluate(self.name, against, n=n, extractor=extractor)

    def _repr_html_(self) -> str:
        last = self.log[-1] if self.log else {}
        words = f"{last.get('images_seen', 0):,} images, {last.get('seconds', 0):,.0f} s"
        pictures = [self.path / "progress.gif", *sorted(self.path.glob("samples/*.png"))[::-1]]
        there = [path for path in pictures if path.is_file()]
        image = ""
        if there:
            data = base64.b64encode(there[0].read_bytes()).decode()
            kind = there[0].suffix[1:]
            image = f'<br><img alt="samples in training" src="data:image/{kind};base64,{data}">'
        return f"<b>{html.escape(self.path.name)}</b> {words}{image}"


def train(
    preset: str,
    *,
    seed: int = 0,
    minutes: float = 0.0,
    epochs: float = 0.0,
    images: int = 0,
    root: str = "",
    start: str = "",
    out: str | Path | None = None,
    settings: Mapping[str, object] | None = None,
) -> Run:
    """Train a preset, or go on where a training of it stopped; return the run.

    minutes, epochs, images: how long, in place of the preset's. root: where the images lie. start:
    a run or bundle whose weights it begins with. settings: any field of the recipe by its dotted
    name, {"family.generator.width": 32}; code of your own that you name so is trusted.
    """
    recipe = replace(presets.find(preset).recipe, seed=seed)
    if start:
        recipe = begun(recipe, find_run(start, say=say).recipe, start)
    lengths = {"minutes": minutes, "epochs": float(epochs), "images": images}
    if epochs or images:
        recipe = overrides.apply(recipe, {"train": lengths}, where="train()")
    elif minutes:
        recipe = overrides.apply(recipe, {"train": {"minutes": float(minutes)}}, where="train()")
    if root:
        recipe = overrides.apply(recipe, {"data": {"root": root}}, where="train()")
    for name, value in (settings or {}).items():
        recipe = overrides.apply(recipe, overrides.nested(name, value), where="settings")
    recipe, named = as_typed(recipe, settings or {})
    trust(*named)
    with shown(f"{preset} · seed {seed}") as show:
        done = watch.train(recipe, out=Path(out) if out else None, show=show, say=say)
    return Run(str(done.folder.path))


def trust(*paths: str) -> None:
    """Let code of somebody's own, my_module:Net, run in this process; no path: all of it."""
    trusted.allow(*(paths or (trusted.ALL,)))


def sample(
    run: str | Run,
    n: int = 64,
    *,
    seed: int = 0,
    sampler: str = "",
    steps: int = 0,
    guidance: float = 0.0,
    truncation: float | None = None,
    device: str = "auto",
) -> Images:
    """Draw n images from a run or bundle; image i from seed + i. sampler "": the recipe's own."""
    return Run(name_of(run)).sample(
        n,
        seed=seed,
        sampler=sampler,
        steps=steps,
        guidance=guidance,
        truncation=truncation,
        device=device,
    )


def evaluate(
    images: str | Run,
    against: str = "",
    *,
    n: int = 0,
    extractor: str = "auto",
    low: str = "",
    scale: int = 0,
) -> Scores:
    """Score a run, bundle, folder, file or source against real images.

    against "": the run's own held-out split. n 0: as many as are real, from 200 to 2,000. An
    upscaler's enlargements are held against the large images of a folder one by one; low: bicubic,
    real, or a folder of small ones; scale 0: its own.
    """
    how = How(extractor=extractor, device=devices.pick("auto"), say=say)
    return assessed_any(name_of(images), against, n=n, low=low, scale=scale, how=how).scores


def upscale(
    images: str | Path | Images | np.ndarray | Sequence[str | Path],
    *,
    model: str = MODEL,
    scale: int = 0,
    out: str | Path = OUT,
    recursive: bool = False,
    skip_existing: bool = False,
    tile: int = -1,
    seamless: bool = False,
    tta: bool = False,
    precision: str = "auto",
    quality: int = JPEG_QUALITY,
    device: str = "auto",
) -> list[Path] | Images:
    """Enlarge files and folders into `out`, and return the paths; or pixels, and return Images.

    Pixels are uint8 [N, H, W, C]. scale 0: the model's own. tile: pixels, -1: as memory allows, 0:
    none. What fails is told on stderr; where nothing else came out, or a file was named on its own,
    it is an error.
    """
    manner = Manner(scale=scale, tile=tile, seamless=seamless, tta=tta, precision=precision)
    where = devices.pick(device)
    if isinstance(images, Images | np.ndarray):
        made = ready(load_upscaler(model, device=where, say=say), manner, device=where, say=say)
        return Images(np.stack([whole(from_pixels(each), made) for each in np.asarray(images)]))
    found = upscale_files(
        [images] if isinstance(images, str | Path) else images,
        model=model,
        manner=manner,
        out=Path(out),
        recursive=recursive,
        skip_existing=skip_existing,
        quality=quality,
        device=where,
        say=say,
    )
    refuse_failure(found)
    return [*found.written, *found.there]


def pipeline(
    run: str | Run,
    *,
    upscaler: str | Run = MODEL,
    n: int = 16,
    seed: int = 0,
    classes: Sequence[str] = (),
    attributes: Sequence[str] = (),
    scale: int = 0,
    precision: str = "auto",
    out: str | Path = PICTURES,
    device: str = "auto",
) -> list[Path]:
    """Draw n images with a run, enlarge them with an upscaler, and return the paths in `out`.

    The last two are grid.png and side-by-side.png. Pixels without files, and all that `upscale`
    can be told: upscale(sample(run, 16), model=...).
    """
    return write_pictures(
        name_of(run),
        upscaler=name_of(upscaler),
        manner=Manner(scale=scale, precision=precision),
        n=n,
        seed=seed,
        classes=classes,
        attributes=attributes,
        out=Path(out),
        device=device,
        say=say,
    )


def compare(
    runs: Sequence[str | Run],
    *,
    n: int = 0,
    extractor: str = "auto",
    metrics: Sequence[str] = STANDARD,
    device: str = "auto",
    group: bool = True,
    few_steps: bool = False,
    few_steps_n: int = 0,
) -> Comparison:
    """Score runs on equal terms; the result shows itself, and `to_html` writes the report.

    Runs that differ only in their seed become one, unless `group` is False. few_steps: quality
    against network evaluations, for diffusion runs, few_steps_n images a point (0: 200 to 512).
    """
    if isinstance(runs, str | Run):
        raise RunError("compare takes a list of runs: compare([one, other])")
    names = [name_of(run) for run in runs]
    return comparison.compare(
        names,
        n=n,
        extractor=extractor,
        metrics=metrics,
        device=device,
        group=group,
        few_steps=few_steps,
        few_steps_n=few_steps_n,
        say=say,
    )


def name_of(run: str | Run) -> str:
    """Give what a run is called."""
    return run.name if isinstance(run, Run) else run
