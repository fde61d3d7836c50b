"""The log as TensorBoard events, where somebody asks for them."""

from collections.abc import Callable, Mapping
from typing import Any

from trilemma.errors import MissingExtraError
from trilemma.runfolder import RunFolder

Event = Mapping[str, Any]


def writer(folder: RunFolder) -> Callable[[Event], None]:
    """Give a function that writes losses and scalars by images seen; MissingExtraError.

    Nothing is written before the first event.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError(
            "TensorBoard is not installed; pip install 'trilemma[tensorboard]', or leave out "
            "--watch.tensorboard"
        ) from error
    begun: list[Any] = []

    def write(event: Event) -> None:
        if not begun:
            begun.append(SummaryWriter(str(folder.file("tensorboard/events").parent)))
        events = begun[0]
        for kind in ("losses", "scalars"):
            for name, value in event.get(kind, {}).items():
                events.add_scalar(f"{event['event']}/{name}", value, event["images_seen"])
        if event["event"] in ("checkpoint", "end"):
            events.flush()

    return write
