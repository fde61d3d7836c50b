"""What is seen of a training: a live panel in a terminal or notebook, plain lines elsewhere."""

import html
import importlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from trilemma import devices, machine, processes
from trilemma.diagnosis import SIGNS
from trilemma.terminals import harmless

Event = Mapping[str, Any]
PLAIN_SECONDS = 10.0  # between two plain lines
NOTEBOOK_SECONDS = 0.25  # between two updates of what a notebook shows
ALWAYS = (
    "measuring",
    "start",
    "note",
    "score",
    "resume",
    "rollback",
    "finding",
    "end",
)  # events that are worth a line at once


@dataclass
class Status:
    """What was last heard of a training."""

    name: str
    images_total: int = 0
    images_seen: int = 0
    seconds: float = 0.0
    begun: tuple[int, float] | None = None  # images and seconds at the start of this sitting
    losses: dict[str, float] = field(default_factory=dict)
    scalars: dict[str, float] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    findings: dict[str, str] = field(default_factory=dict)  # signs of illness that are not over
    last: str = ""

    def hear(self, event: Event) -> None:
        """Take in a line of the log."""
        self.images_seen, self.seconds = event["images_seen"], event["seconds"]
        self.images_total = event.get("images_total", self.images_total)
        if event["event"] == "step":
            self.begun = self.begun or (self.images_seen, self.seconds)
            self.losses, self.scalars = dict(event["losses"]), dict(event["scalars"])
        elif event["event"] == "score":
            scores = event["scalars"].items()
            self.scores = {name: value for name, value in scores if name not in SIGNS}
        elif event["event"] == "finding":
            self.findings.pop(event["name"], None)
            if not event["over"]:
                self.findings[event["name"]] = event["verdict"]
        self.last = event.get("why", "" if event["event"] == "start" else self.last)

    @property
    def rate(self) -> float:
        """Images a second in this sitting; 0 where it is not known yet."""
        if self.begun is None or self.seconds <= self.begun[1]:
            return 0.0
        return (self.images_seen - self.begun[0]) / (self.seconds - self.begun[1])

    @property
    def left(self) -> str:
        """The time left, as people say it."""
        if not self.rate or not self.images_total:
            return "..."
        return duration((self.images_total - self.images_seen) / self.rate)


def duration(seconds: float) -> str:
    """Write seconds as 45 s, 3 min 20 s or 2 h 5 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def numbers(values: Mapping[str, float]) -> str:
    """Write named numbers in one line."""
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())


def line(event: Event, status: Status) -> str:
    """Write an event as one plain line."""
    total = f"/{status.images_total:,}" if status.images_total else ""
    head = f"{duration(status.seconds):>9}  {status.images_seen:,}{total} images"
    tail = {
        "measuring": status.last,
        "start": "measured: " + choice(event),
        "note": status.last,
        "step": f"{status.rate:,.0f}/s, {status.left} left  {numbers(status.losses)}",
        "score": "score: " + numbers(status.scores),
        "resume": "goes on from its last checkpoint",
        "rollback": f"went back: {status.last}",
        "finding": told(event),
        "end": f"finished: {status.last}",
    }
    return f"{head}  {tail.get(event['event'], event['event'])}"


def told(event: Event) -> str:
    """Say what the doctor found, or that it is over."""
    if event.get("over"):
        return f"no longer ill: {event['verdict']}"
    return f"ill? {event.get('verdict', '')}; try: {event.get('what_to_try', '')}"


def choice(event: Event) -> str:
    """Say how a step is computed."""
    compute = event.get("choices", {}).get("compute", {})
    layout = "channels last" if compute.get("channels_last") else "contiguous"
    compiled = ", compiled" if compute.get("compiled") else ""
    return f"{compute.get('precision', '?')}, {layout}{compiled}"


def rows_of(status: Status) -> dict[str, str]:
    """Write what the live display says, by its names."""
    note = {"note": status.last} if status.last else {}
    ill = {"ill?": "; ".join(status.findings.values())} if status.findings else {}
    return {
        "images": f"{status.images_seen:,} of {status.images_total:,}, {status.rate:,.0f} a second",
        "time": f"{duration(status.seconds)} gone, {status.left} left",
        "losses": numbers(status.losses),
        "scalars": numbers(status.scalars),
        "last score": numbers(status.scores) or "...",
        "memory": f"{machine.peak_process_memory() / 1e9:.1f} GB at most",
        **ill,
        **note,
    }


def panel(status: Status) -> Group:
    """Draw the live display."""
    facts = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=max(1, status.images_total), completed=status.images_seen, width=60)
    facts.add_row(Text("done", style="dim"), bar)
    for name, value in rows_of(status).items():
        facts.add_row(Text(name, style="dim"), value)
    return Group(Text(status.name, style="bold"), facts)


def page(title: str, done: int, total: int, rows: Mapping[str, str]) -> str:
    """Write a progress bar and named facts as HTML, for a notebook."""
    bar = f'<progress value="{done}" max="{max(1, total)}" style="width:24em"></progress>'
    lines = [
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
        for name, value in rows.items()
    ]
    table = f"<table>{''.join(lines)}</table>" if lines else ""
    return f"<div><b>{html.escape(title)}</b><br>{bar}{table}</div>"


@contextmanager
def updated(draw: Callable[[], str]) -> Iterator[Callable[[], None]]:
    """Show HTML in a notebook cell; gives the function that draws it anew, a few times a second.

    IPython alone is needed, no widgets. What was drawn last stays.
    """
    display = importlib.import_module("IPython.display")
    handle = display.display(display.HTML(draw()), display_id=True)
    due = [0.0]

    def update() -> None:
        now = time.monotonic()
        if now >= due[0]:
            due[0] = now + NOTEBOOK_SECONDS
            handle.update(display.HTML(draw()))

    try:
        yield update
    finally:
        handle.update(display.HTML(draw()))


@contextmanager
def shown(name: str) -> Iterator[Callable[[Event], None]]:
    """Show a training while the block runs; gives the function that takes its events."""
    status = Status(name)
    console = Console(stderr=True)
    if console.is_jupyter:
        with updated(lambda: status_page(status)) as update:
            yield both(status.hear, update)
        return
    if not console.is_terminal:
        yield plain(status, say)
        return
    with Live(console=console, get_renderable=lambda: panel(status), refresh_per_second=4):
        yield status.hear


def status_page(status: Status) -> str:
    """Write the live display as HTML."""
    return page(status.name, status.images_seen, status.images_total, rows_of(status))


def both(hear: Callable[[Event], None], update: Callable[[], None]) -> Callable[[Event], None]:
    """Take in an event, then draw."""

    def show(event: Event) -> None:
        hear(event)
        update()

    return show


def plain(status: Status, tell: Callable[[str], None]) -> Callable[[Event], None]:
    """Tell a line at once for what matters, and every ten seconds for steps."""
    due = [0.0]

    def show(event: Event) -> None:
        status.hear(event)
        now = time.monotonic()
        if event["event"] in ALWAYS or (event["event"] == "step" and now >= due[0]):
            due[0] = now + PLAIN_SECONDS
            tell(line(event, status))

    return show


def say(text: str) -> None:
    """Tell the user one line, on stderr; names in it may be from anywhere."""
    sys.stderr.write(f"{harmless(text)}\n")
    sys.stderr.flush()


@contextmanager
def counted(what: str, *, left: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show how many of many images are done: a bar, or a line now and then where none can be.

    left: with the time that is left.
    """
    console = Console(stderr=True)
    state = [0, 1]
    begun = time.monotonic()

    def text() -> str:
        return f"{what}: {state[0]:,} of {state[1]:,}" + (f", {remains()} left" if left else "")

    def remains() -> str:
        gone = time.monotonic() - begun
        return duration(gone * (state[1] - state[0]) / state[0]) if state[0] else "..."

    def bar() -> Group:
        done = ProgressBar(total=max(1, state[1]), completed=state[0], width=40)
        return Group(Text(text()), done)

    def take(done: int, total: int) -> None:
        state[:] = [done, total]

    if console.is_jupyter:
        with updated(lambda: page(text(), state[0], state[1], {})) as update:

            def show(done: int, total: int) -> None:
                take(done, total)
                update()

            yield show
    elif console.is_terminal:
        with Live(console=console, get_renderable=bar, refresh_per_second=4, transient=True):
            yield take
    else:
        told = [time.monotonic()]

        def line(done: int, total: int) -> None:
            take(done, total)
            if time.monotonic() - told[0] >= PLAIN_SECONDS:
                told[0] = time.monotonic()
                say(text())

        yield line


def device_line(device: str) -> str:
    """Say which device was chosen, and on what."""
    picked = devices.pick(device)
    name = machine.cpu_name() if picked.type == "cpu" else str(picked)
    several = processes.announced()
    shared = f"; {several} processes, which share each batch" if several > 1 else ""
    return f"device: {picked.type} ({name}, {machine.cores()} cores){shared}"
