"""What is seen of a training: plain lines where there is no terminal, a panel where there is."""

import io
from typing import Any

import pytest
from rich.console import Console

from trilemma import live
from trilemma.cli.main import main
from trilemma.live import Status, counted, duration, line, panel, plain, shown

COMPUTE = {"precision": "bf16", "channels_last": True, "parts": 1}


def event(kind: str, images_seen: int = 0, seconds: float = 0.0, **facts: Any) -> dict[str, Any]:
    return {"event": kind, "images_seen": images_seen, "seconds": seconds, **facts}


TRAINING = [
    event("start", choices={"compute": COMPUTE}),
    event("score", 0, 2.0, scalars={"fd": 880.123456, "kid": 3.5}),
    event("checkpoint", 0, 2.5, images_total=64_000),
    event("step", 1_000, 4.0, losses={"critic": 0.69314}, scalars={"d_real": 0.5}),
    event("step", 3_000, 8.0, losses={"critic": 0.5}, scalars={"d_real": 0.75}),
    event("score", 3_000, 9.0, scalars={"fd": 41.25}),
    event("end", 64_000, 10.0, why="done", images_total=64_000),
]


def test_what_steers_a_terminal_is_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences, C1 controls and turned writing of names; letters and our lines stay."""
    letters = "\n\tnaïve 猫\u3000\U0001f469\u200d\U0001f9b0"
    live.say(f"a\x1b[2Jb\x9b1mc\rd\u202ee\x07\x7f\x00{letters}")
    wanted = "a\\x1b[2Jb\\x9b1mc\\rd\\u202ee\\x07\\x7f\\x00"
    assert capsys.readouterr().err == f"{wanted}{letters}\n"


def test_errors_steer_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["sample", "a\x1b[2J"], ["data", "b\x1b[2J.zip"]):
        assert main(words) == 2
        err = capsys.readouterr().err
        assert "\\x1b[2J" in err
        assert err.replace("\n", "").isprintable()


def heard(events: list[dict[str, Any]]) -> Status:
    status = Status("tiny [red]")
    for each in events:
        status.hear(each)
    return status


def drawn(status: Status, width: int = 100) -> str:
    """Render the panel as a terminal would, without colours."""
    console = Console(width=width, record=True, file=io.StringIO(), force_terminal=True)
    console.print(panel(status))
    return console.export_text()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (90_000, "25 h 0 min"),
        (-3, "0 s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_rate_and_time_left_are_of_this_sitting() -> None:
    """2,000 images in the 4 s, with its score 5 s, since the first step; what was before is not."""
    status = heard(TRAINING[:5])
    assert status.rate == 500.0
    assert status.left == duration((64_000 - 3_000) / 500) == "2 min 2 s"
    assert heard(TRAINING[:6]).rate == 400.0
    assert heard(TRAINING[:4]).left == "..."
    resumed = heard([event("resume", 50_000, 900.0, images_total=64_000)])
    resumed.hear(event("step", 51_000, 903.0, losses={}, scalars={}))
    resumed.hear(event("step", 52_000, 905.0, losses={}, scalars={}))
    assert resumed.rate == 500.0
    assert resumed.left == "24 s"


def test_lines() -> None:
    status = Status("tiny")
    lines = []
    for each in TRAINING:
        status.hear(each)
        lines.append(line(each, status))
    assert lines[0] == "      0 s  0 images  measured: bf16, channels last"
    assert lines[1] == "      2 s  0 images  score: fd 880.1  kid 3.5"
    assert lines[4] == "      8 s  3,000/64,000 images  500/s, 2 min 2 s left  critic 0.5"
    assert lines[6] == "     10 s  64,000/64,000 images  finished: done"
    back = event("rollback", 40, 1.0, why="the loss of phase 'critic' is not finite")
    status.hear(back)
    assert line(back, status).endswith("went back: the loss of phase 'critic' is not finite")
    again = event("resume", 40, 1.0, images_total=80)
    status.hear(again)
    assert line(again, status) == "      1 s  40/80 images  goes on from its last checkpoint"


def test_plain_lines_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """What matters at once; steps every ten seconds; checkpoints never."""
    now = [100.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    told: list[str] = []
    show = plain(Status("tiny"), told.append)
    steps = [event("step", n, n / 10, losses={"a": 1.0}, scalars={}) for n in range(1, 301)]
    for number, each in enumerate(steps):
        now[0] = 100 + number / 10
        show(each)
    assert [text.split()[2] for text in told] == ["1", "101", "201"]
    show(event("checkpoint", 300, 30.0))
    assert len(told) == 3
    show(event("score", 300, 30.0, scalars={"fd": 1.0}))
    show(event("score", 300, 30.0, scalars={"fd": 1.0}))
    assert len(told) == 5


def test_without_a_terminal_lines_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with shown("tiny") as show, counted("images") as progress:
        for each in TRAINING:
            show(each)
        progress(3, 4)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "64,000/64,000 images  finished: done" in printed.err
    assert "\x1b" not in printed.err
    assert len(printed.err.splitlines()) == 4  # the steps came within ten seconds


def test_without_a_terminal_counts_are_lines_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("trilemma.live.time.monotonic", lambda: now[0])
    with counted("images") as progress:
        for done in range(1, 26):
            now[0] += 1
            progress(done, 3000)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == ["images: 10 of 3,000", "images: 20 of 3,000"]


def test_in_a_terminal_there_is_a_panel(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with shown("tiny") as show:
        for each in TRAINING:
            show(each)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "64,000 of 64,000" in printed.err
    assert "fd 41.25" in printed.err
    with counted("images") as progress:
        progress(3, 4)
    assert "images: 3 of 4" in capsys.readouterr().err


@pytest.mark.parametrize("width", [40, 100])
def test_the_panel_shows_all_that_was_asked_for(width: int) -> None:
    shown_ = " ".join(drawn(heard(TRAINING[:6]), width).split())
    for text in ("tiny [red]", "3,000 of 64,000, 400 a", "9 s gone, 2 min 32 s", "critic 0.5"):
        assert text in shown_
    assert "d_real 0.75" in shown_
    assert "fd 41.25" in shown_
    assert "880.1" not in shown_
    assert "GB" in shown_


def test_the_panel_stands_before_anything_is_known() -> None:
    shown_ = drawn(Status("tiny"))
    assert "0 of 0, 0 a second" in shown_
    assert "last score" in shown_


def test_time_that_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("trilemma.live.time.monotonic", lambda: now[0])
    with counted("pixels", left=True) as progress:
        now[0] = 20
        progress(0, 4000)
        now[0] = 50
        progress(1000, 4000)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["pixels: 0 of 4,000, ... left", "pixels: 1,000 of 4,000, 2 min 30 s left"]


def test_several_processes_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = live.device_line("cpu")
    assert "processes" not in alone
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert live.device_line("cpu") == f"{alone}; 2 processes, which share each batch"
