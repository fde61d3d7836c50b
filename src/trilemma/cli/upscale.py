"""trilemma upscale: enlarge pictures, folders of them, GIFs and films."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

_Images = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[IMAGE ...]")]
_Model = Annotated[str, tyro.conf.arg(aliases=("-n",))]
_Scale = Annotated[int, tyro.conf.arg(aliases=("-s",))]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Enlarge pictures, folders, GIFs and films; results keep name, path and file type in --out.

    Alpha, grey, true 16 bits, orientation, colour profile and notes are kept. Beside pictures with
    8 bits, PNG and TIFF with 16 are read and written so. Films (.mp4 .mov .m4v .mkv) need
    pip install 'trilemma[video]'; their sound is copied. What fails is listed at the end; the exit
    status is 2 if it was named on its own or if nothing came out.
    """

    images: _Images = ()  # files and folders
    input: Annotated[tuple[str, ...], tyro.conf.arg(aliases=("-i",))] = ()  # the same, as an option
    model: _Model = "realesrgan-x4plus"  # a run, a baseline, or a .pth, .safetensors, .onnx file
    scale: _Scale = 0  # 2, 3, 4: the model as often as it takes, then Lanczos; 0: the model's own
    out: Annotated[str, tyro.conf.arg(aliases=("-o",))] = "upscaled"  # folder of the results
    tile: str = "auto"  # side of a tile without its margin, pixels; 0: no tiles; auto: by memory
    recursive: bool = False  # take the folders within a folder, too
    skip_existing: bool = False  # leave out what has a result already
    tta: bool = False  # the mean of eight turned and mirrored views: eight times as slow
    seamless: bool = False  # for textures: opposite borders of the result fit each other
    quality: int = 95  # of JPEG (in 4:4:4) and WebP, 1 to 100
    precision: Literal["auto", "reference", "float32", "bf16"] = "auto"  # auto: as measured fastest
    device: str = "auto"  # auto, cpu, cuda, cuda:N, mps


def run(arguments: Arguments) -> None:
    """Enlarge, print each result, list what failed."""
    from trilemma import devices
    from trilemma.errors import DataError
    from trilemma.live import counted, device_line, say
    from trilemma.upscaling import Manner
    from trilemma.upscalingfiles import refuse_failure, upscale

    named = (*arguments.images, *arguments.input)
    if not named:
        raise DataError("nothing to enlarge; name a file or a folder: trilemma upscale photo.jpg")
    say(device_line(arguments.device))
    devices.use_threads(0)
    with counted("pixels", left=True) as progress:
        found = upscale(
            named,
            model=arguments.model,
            manner=Manner(
                scale=arguments.scale,
                tile=tile_of(arguments.tile),
                seamless=arguments.seamless,
                tta=arguments.tta,
                precision=arguments.precision,
            ),
            out=Path(arguments.out),
            recursive=arguments.recursive,
            skip_existing=arguments.skip_existing,
            quality=arguments.quality,
            device=devices.pick(arguments.device),
            say=say,
            wrote=lambda path: print(path, flush=True),
            progress=progress,
        )
    say(summary(len(found.written), len(found.there), len(found.failed)))
    for path, reason in found.failed:
        say(f"  {path}: {reason}")
    refuse_failure(found)


def tile_of(word: str) -> int:
    """Read --tile: -1 for auto."""
    from trilemma.errors import RecipeError

    if word == "auto":
        return -1
    if not (word.isascii() and word.isdigit()):
        raise RecipeError(f"--tile is {word}; allowed: auto, 0 (no tiles), or a side in pixels")
    return int(word)


def summary(written: int, there: int, failed: int) -> str:
    """Count what became of the files."""
    parts = [f"enlarged: {written:,}"]
    if there:
        parts.append(f"there before: {there:,}")
    if failed:
        parts.append(f"failed: {failed:,}")
    return "; ".join(parts)
