"""trilemma bench: ours against the plain way to do the same."""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

if TYPE_CHECKING:
    import torch

    from trilemma.bench import Bench
    from trilemma.bench_upscale import Enlarging
    from trilemma.recipe.recipe import Recipe

WHAT = {
    "train": "a training step of {n} images",
    "sample": "a batch of {n} images, drawn",
    "evaluate": "all scores of {n:,} images' features",
}

_Timed = Literal["train", "sample", "evaluate", "penalties", "upscale"]
_What = Annotated[_Timed, tyro.conf.Positional, tyro.conf.arg(metavar="WHAT")]
_Preset = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PRESET")]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Time what a preset does, as we do it and the plain way: the same networks in eager float32.

    train: PyTorch's optimizers as they come, nothing shared between the phases of a step. sample:
    the same sampler, ours in float32 as `sample` draws unless --precision says otherwise. evaluate:
    each score as its definition reads, without its error. penalties: a critic's step with each
    penalty on its slope, and without. upscale MODEL: an image of 64 x 64 and one of 256 x 256
    pixels, tiles and all, as `upscale` does it and with --precision bf16, against the whole
    network, and ncnn's runtime if installed. All on noise, in turns, in this process; nothing is
    written.
    """

    what: _What  # is timed: train, sample, evaluate, penalties, upscale
    preset: _Preset  # whose networks, sizes and extractor are taken; upscale: the model
    rounds: int = 15  # timed steps of each
    batch_size: int = 0  # images of a training step; 0: the preset's
    precision: Literal["auto", "reference", "float32", "bf16"] = "auto"  # of ours
    trust: bool = False  # run code of somebody's own (module:Name) that the preset names
    device: str = "auto"  # auto, cpu, cuda, cuda:N, mps
    sides: tuple[int, ...] = (64, 256)  # upscale: of its images, pixels
    json: bool = False  # print the JSON line alone


def run(arguments: Arguments) -> None:
    """Measure and print; the last line is JSON."""
    from dataclasses import replace

    from trilemma import bench_penalties, devices
    from trilemma.bench import Bench
    from trilemma.errors import RecipeError
    from trilemma.live import device_line, say
    from trilemma.recipe import presets
    from trilemma.recipe.checking import check
    from trilemma.runfolder import finite
    from trilemma.turns import FEWEST

    if arguments.rounds < FEWEST:
        raise RecipeError(f"--rounds is {arguments.rounds}; allowed: {FEWEST} or more")
    if arguments.what == "upscale":
        run_upscale(arguments)
        return
    recipe = presets.find(arguments.preset).recipe
    speed = replace(recipe.speed, precision=arguments.precision, device=arguments.device)
    size = arguments.batch_size or recipe.train.batch_size
    recipe = replace(recipe, speed=speed, train=replace(recipe.train, batch_size=size))
    check(replace(recipe, data=replace(recipe.data, root=recipe.data.root or "noise")))
    say(device_line(arguments.device))
    device = devices.pick(arguments.device)
    found: Bench | bench_penalties.Costs
    if arguments.what == "penalties":
        found = bench_penalties.bench_penalties(recipe, rounds=arguments.rounds, device=device)
        said = bench_penalties.lines(found)
    else:
        found = measure(arguments, recipe, device)
        said = lines(arguments.what, found)
    if not arguments.json:
        print("\n".join(said))
    print(json.dumps(finite({"bench": arguments.what, **asdict(found)})))


def run_upscale(arguments: Arguments) -> None:
    """Measure enlarging, and print; the last line is JSON."""
    from trilemma import devices
    from trilemma.bench_upscale import bench_upscale
    from trilemma.live import device_line, say
    from trilemma.runfolder import finite

    say(device_line(arguments.device))
    found = bench_upscale(
        arguments.preset,
        sides=arguments.sides,
        precision=arguments.precision,
        rounds=arguments.rounds,
        device=devices.pick(arguments.device),
        say=say,
    )
    if not arguments.json:
        print("\n".join(upscale_lines(found)))
    print(json.dumps(finite({"bench": arguments.what, **asdict(found)})))


def upscale_lines(found: "Enlarging") -> list[str]:
    """Write what was found of enlarging for people."""
    from trilemma.turns import busy

    said = [
        f"{found.model}, x{found.scale}, medians of {found.rounds}, {found.threads} threads; "
        "plain: eager float32, the network alone:"
    ]
    last = None
    for row in found.rows:
        if row.side != last:
            said.append(f"  {row.side} -> {found.scale * row.side}, {row.tiles} tile(s)")
            said.append(f"    plain      {row.plain_ms:9.1f} ms")
            if row.ncnn_ms == row.ncnn_ms:
                said.append(f"    ncnn       {row.ncnn_ms:9.1f} ms")
        layout = "channels last" if row.channels_last else "contiguous"
        said.append(f"    {row.asked:10} {row.ours_ms:9.1f} ms  {row.precision}, {layout}")
        beside = f" (ncnn: {row.ncnn_ratio:.2f})" if row.ncnn_ms == row.ncnn_ms else ""
        said.append(
            f"               ratio {row.ratio:.2f}, quartiles {row.low:.2f} to {row.high:.2f}"
            f"{beside}; {row.decibels:.1f} dB from the plain one"
        )
        last = row.side
    return [*said, *busy(found.load)]


def measure(arguments: Arguments, recipe: "Recipe", device: "torch.device") -> "Bench":
    """Time what was asked for."""
    from trilemma import bench, bench_scores

    if arguments.what == "evaluate":
        return bench_scores.bench_evaluate(recipe, rounds=arguments.rounds, device=device)
    if arguments.what == "sample":
        how = "reference" if arguments.precision == "auto" else arguments.precision
        return bench.bench_sample(recipe, precision=how, rounds=arguments.rounds, device=device)
    return bench.bench_train(recipe, rounds=arguments.rounds, device=device)


def lines(what: str, found: "Bench") -> list[str]:
    """Write what was found for people."""
    from trilemma.turns import busy

    known = found.compute
    ours = "with errors"
    if known:
        layout = "channels last" if known["channels_last"] else "contiguous"
        shared = ", fakes made once" if known["shares"] else ""
        compiled = ", compiled" if known.get("compiled") else ""
        threads = f"{known['threads']} threads"
        ours = f"{known['precision']}, {layout}{compiled}, {threads}{shared}"
    plain = "eager float32" if known else "as the definitions read, without errors"
    said = [
        f"{found.preset}, {WHAT[what].format(n=found.images)}, medians of {found.rounds}:",
        f"  ours   {found.ours_ms:8.1f} ms  {ours}",
        f"  plain  {found.plain_ms:8.1f} ms  {plain}",
        f"  ratio  {found.ratio:8.2f}     quartiles {found.low:.2f} to {found.high:.2f}",
    ]
    return [*said, *busy(found.load)]
