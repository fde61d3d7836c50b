"""Frames -> an MP4 file that every browser plays, through ffmpeg: the extra `video`."""

import subprocess
from pathlib import Path

import numpy as np

from trilemma.atomic import moved
from trilemma.errors import MachineError, MissingExtraError

Pixels = np.ndarray  # uint8 [N, H, W, C]
CODEC = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "18")  # 18: no difference is seen
ANYWHERE = ("-f", "mp4", "-movflags", "+faststart")  # whatever the name; played while it loads


def ffmpeg() -> str:
    """Give the path of ffmpeg. MissingExtraError: it is not installed."""
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError:
        raise MissingExtraError(
            "an MP4 needs ffmpeg; install it with pip install 'trilemma[video]', or leave out --mp4"
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
            said = done.stderr.decode(errors="replace").split("\n")
            last = next((line for line in reversed(said) if line.strip()), "no word why")
            raise MachineError(f"{path}: ffmpeg could not write it: {last.strip()}")
