"""Frames -> MP4 files that browsers play, films -> frames, through ffmpeg: the extra `video`."""

import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from trilemma.atomic import moved
from trilemma.errors import DataError, MachineError, MissingExtraError

Pixels = np.ndarray  # uint8 [N, H, W, C]
CODEC = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "18")  # 18: no difference is seen
ANYWHERE = ("-f", "mp4", "-movflags", "+faststart")  # whatever the name; played while it loads


# A film keeps its container. Colours are told and computed as BT.709, as players expect.
CONTAINERS = {".m4v": "mp4", ".mkv": "matroska", ".mov": "mov", ".mp4": "mp4"}
COLOURS = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")


@dataclass(frozen=True, kw_only=True)
class Film:
    """What is known of a film before it is read."""

    path: Path
    width: int  # upright, pixels
    height: int
    rate: str  # frames a second, as a fraction
    shape: str  # of a pixel, width : height
    frames: int


def ffmpeg(instead: str = ", or leave out --mp4") -> str:
    """Give the path of ffmpeg. MissingExtraError: it is not installed; instead: what else to do."""
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError:
        raise MissingExtraError(
            f"an MP4 needs ffmpeg; install it with pip install 'trilemma[video]'{instead}"
        ) from None
    return str(get_ffmpeg_exe())


def write_mp4(path: Path, frames: Pixels, *, fps: float) -> None:
    """Write frames [N, H, W, C] as H.264 in 4:2:0, atomically.

    Both sides are even, as 4:2:0 needs. MissingExtraError: ffmpeg is not installed. MachineError
    says what it complains about.
    """
    _, height, width, channels = frames.shape
    assert height % 2 == width % 2 == 0, f"{width}x{height}: 4:2:0 needs even sides"
    kind = "gray" if channels == 1 else "rgb24"
    raw = ("-f", "rawvideo", "-pix_fmt", kind, "-s", f"{width}x{height}", "-r", f"{fps:g}")
    with moved(path) as beside:
        done = subprocess.run(
            [ffmpeg(), "-v", "error", "-y", *raw, "-i", "-", *CODEC, *ANYWHERE, str(beside)],
            input=frames.tobytes(),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise MachineError(f"{path}: ffmpeg could not write it: {complaint(done.stderr)}")


def complaint(said: bytes) -> str:
    """Give the last line that ffmpeg said."""
    lines = said.decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "no word why")


def open_film(path: Path) -> Film:
    """Look at a film's first frame, and count. DataError: ffmpeg cannot read it."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    program = ffmpeg("")
    from imageio_ffmpeg import count_frames_and_secs

    first = ("-map", "0:v:0", "-frames:v", "1", "-pix_fmt", "yuv444p", "-f", "yuv4mpegpipe", "-")
    done = subprocess.run(
        [program, "-v", "error", "-i", str(path), *first], capture_output=True, check=False
    )
    head = done.stdout.split(b"\n", 1)[0].decode(errors="replace")
    facts = dict(re.findall(r" ([WHFA])(\S+)", head))
    if done.returncode or not {"W", "H", "F"} <= facts.keys():
        raise DataError(f"{path}: not a film that can be read: {complaint(done.stderr)}")
    try:
        frames = int(count_frames_and_secs(str(path))[0])
    except RuntimeError:
        frames = 0
    shape = facts.get("A", "1:1")
    return Film(
        path=path,
        width=int(facts["W"]),
        height=int(facts["H"]),
        rate=facts["F"].replace(":", "/"),
        shape="1:1" if shape.startswith("0") else shape,
        frames=frames,
    )


def read_frames(film: Film) -> Iterator[Pixels]:
    """Read a film frame by frame, uint8 [H, W, 3]. DataError: it ends in the middle of one."""
    raw = ("-map", "0:v:0", "-fps_mode", "cfr", "-r", film.rate, "-pix_fmt", "rgb24")
    command = [ffmpeg(""), "-v", "error", "-i", str(film.path), *raw, "-f", "rawvideo", "-"]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said)
        try:
            assert process.stdout is not None
            wanted = film.width * film.height * 3
            while data := process.stdout.read(wanted):
                if len(data) < wanted:
                    raise DataError(f"{film.path}: a frame is cut: {heard(said)}")
                yield np.frombuffer(data, np.uint8).reshape(film.height, film.width, 3)
            if process.wait():
                raise DataError(f"{film.path}: {heard(said)}")
        finally:
            ended(process)


def write_film(path: Path, frames: Iterable[Pixels], film: Film, *, scale: int) -> None:
    """Write frames uint8 [H, W, 3], as large as the film's times scale, with the film's own sound.

    H.264 in 4:2:0, atomically; an odd side gets one more row or column of its last pixels.
    MachineError says what ffmpeg complains about.
    """
    width, height = film.width * scale, film.height * scale
    odd = ((0, height % 2), (0, width % 2), (0, 0))
    size = f"{width + width % 2}x{height + height % 2}"
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", film.rate, "-i", "-")
    sound = ("-i", str(film.path), "-map", "0:v:0", "-map", "1:a?", "-c:a", "copy")
    shape = f"scale=out_color_matrix=bt709:out_range=tv,setsar={film.shape.replace(':', '/')}"
    kind = CONTAINERS[path.suffix.lower()]
    out = ("-map_metadata", "1", "-vf", shape, *CODEC, *COLOURS, *ANYWHERE[2:], "-f", kind)
    with moved(path) as beside, tempfile.TemporaryFile() as said:
        command = [ffmpeg(""), "-v", "error", "-y", *raw, *sound, *out, str(beside)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=said)
        try:
            assert process.stdin is not None
            for frame in frames:
                process.stdin.write(np.pad(frame, odd, "edge").tobytes())
            process.stdin.close()
            failed = bool(process.wait())
        except BrokenPipeError:
            failed = True
        finally:
            ended(process)
        if failed:
            raise MachineError(f"{path}: ffmpeg could not write it: {heard(said)}")


def heard(said: IO[bytes]) -> str:
    """Give the last line in a file of what ffmpeg said."""
    said.seek(0)
    return complaint(said.read())


def ended(process: subprocess.Popen[bytes]) -> None:
    """Stop a process that still runs, and close its pipes."""
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:  # what was left to write has nobody to read it
                continue
