"""trilemma bench: our training step against the plain one."""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

if TYPE_CHECKING:
    from trilemma.bench import Bench


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Time a preset's training step against the plain one: the same networks in eager float32.

    The plain step takes PyTorch's optimizers as they come and shares nothing between its phases.
    Both train on images of noise, in turns, in this process; nothing is written.
    """

    what: Annotated[Literal["train"], tyro.conf.Positional]  # is timed
    preset: Annotated[str, tyro.conf.Positional]  # or a recipe file
    rounds: int = 15  # timed steps of each
    batch_size: int = 0  # images; 0: the preset's
    precision: Literal["auto", "reference", "float32", "bf16"] = "auto"  # of ours
    device: str = "auto"  # auto, cpu, cuda, cuda:N, mps
    json: bool = False  # print the JSON line alone


def run(arguments: Arguments) -> None:
    """Measure and print; the last line is JSON."""
    from dataclasses import replace

    from trilemma import devices
    from trilemma.bench import FEWEST, bench_train
    from trilemma.errors import RecipeError
    from trilemma.live import device_line, say
    from trilemma.recipe import presets
    from trilemma.recipe.checking import check
    from trilemma.runfolder import finite

    if arguments.rounds < FEWEST:
        raise RecipeError(f"--rounds is {arguments.rounds}; allowed: {FEWEST} or more")
    recipe = presets.find(arguments.preset).recipe
    speed = replace(recipe.speed, precision=arguments.precision, device=arguments.device)
    size = arguments.batch_size or recipe.train.batch_size
    recipe = replace(recipe, speed=speed, train=replace(recipe.train, batch_size=size))
    check(replace(recipe, data=replace(recipe.data, root=recipe.data.root or "noise")))
    say(device_line(arguments.device))
    found = bench_train(recipe, rounds=arguments.rounds, device=devices.pick(arguments.device))
    if not arguments.json:
        print("\n".join(lines(found)))
    print(json.dumps(finite({"bench": "train", **asdict(found)})))


def lines(found: "Bench") -> list[str]:
    """Write what was found for people."""
    known = found.compute
    layout = "channels last" if known["channels_last"] else "contiguous"
    shared = ", fakes made once" if known["shares"] else ""
    said = [
        f"{found.preset}, a step of {found.batch} images, medians of {found.rounds}:",
        f"  ours   {found.ours_ms:8.1f} ms  {known['precision']}, {layout}, "
        f"{known['threads']} threads{shared}",
        f"  plain  {found.plain_ms:8.1f} ms  float32, contiguous, eager",
        f"  ratio  {found.ratio:8.2f}     quartiles {found.low:.2f} to {found.high:.2f}",
    ]
    if found.busy:
        said.append(
            f"  the machine was busy (load {found.load:g} before): close other programs, try again"
        )
    return said
