"""What the verbs that look at images share: their options say how, and a bar counts the images."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from trilemma.sides import How


class Options(Protocol):
    """The options of such a verb."""

    @property
    def extractor(self) -> str:
        """Name of an extractor, or a path."""

    @property
    def size(self) -> str:
        """Width x height of all images, pixels; empty: the verb chooses."""

    @property
    def root(self) -> str:
        """Where the files of a named set lie."""

    @property
    def sampler(self) -> str:
        """Of runs; empty: the recipe's own."""

    @property
    def steps(self) -> int:
        """Of the sampler; 0: the recipe's own."""

    @property
    def guidance(self) -> float:
        """Away from an earlier self; 1: none; 0: the recipe's own."""

    @property
    def device(self) -> str:
        """Where it is computed: auto, cpu, cuda, cuda:N, mps."""


@contextmanager
def looking(options: Options) -> Iterator["How"]:
    """Say which device computes, then give how images are looked at; they are counted meanwhile."""
    from trilemma import devices, processes
    from trilemma.families.family import DrawOptions
    from trilemma.live import counted, device_line, say
    from trilemma.sides import How

    say(device_line(options.device))
    processes.start(devices.pick(options.device))
    with counted("images") as progress:
        yield How(
            extractor=options.extractor,
            size=options.size,
            root=options.root,
            options=DrawOptions(
                sampler=options.sampler, steps=options.steps, guidance=options.guidance
            ),
            device=devices.pick(options.device),
            say=say,
            progress=progress,
        )
