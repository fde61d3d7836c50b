"""A walk as a film, a grid and nearest images as pictures, in a folder."""

from pathlib import Path

import numpy as np

from trilemma import video
from trilemma.images import grid, write_gif, write_png
from trilemma.report import explorer
from trilemma.report.contents import Pixels
from trilemma.report.explored import Explored, Likes

WALKER, SHEET = 256, 768  # pixels that small pictures are enlarged to, at most


def write(shown: Explored, folder: Path, *, mp4: bool, html: bool) -> list[Path]:
    """Write what was drawn into a folder; older files of the same names go. Return their paths."""
    film = enlarged(shown.walk.pixels, WALKER, even=True)
    write_gif(folder / "walk.gif", film, 1 / shown.walk.fps)
    around = enlarged(shown.around.pixels, SHEET // shown.around.side)
    write_png(folder / "around.png", grid(around, shown.around.side))
    names = ["walk.gif", "around.png"]
    if shown.likes is not None:
        write_png(folder / "nearest.png", sheet(shown.likes))
        names.append("nearest.png")
    if mp4:
        video.write_mp4(folder / "walk.mp4", film, fps=shown.walk.fps)
        names.append("walk.mp4")
    if html:
        explorer.write_page(shown, folder / "explore.html")
        names.append("explore.html")
    return [folder / name for name in names]


def sheet(likes: Likes) -> Pixels:
    """Lay out [H', W', C]: a column for each seed, its picture above, then what is nearest."""
    columns, kept = likes.neighbours.shape[:2]
    wide = SHEET // max(columns, 1 + kept)
    top = grid(enlarged(likes.pixels, wide), columns)
    below = likes.neighbours.swapaxes(0, 1).reshape(-1, *likes.pixels.shape[1:])
    gap = np.full((8, *top.shape[1:]), 255, dtype=np.uint8)
    return np.concatenate([top, gap, grid(enlarged(below, wide), columns)])


def enlarged(pixels: Pixels, wide: int, *, even: bool = False) -> Pixels:
    """Repeat pixels [N, H, W, C] as often as fits into so many, and at least once.

    even: sides come out even, by repeating once more where it must be.
    """
    times = max(1, wide // max(pixels.shape[1:3]))
    if even and times % 2 and any(side % 2 for side in pixels.shape[1:3]):
        times += 1
    return pixels.repeat(times, axis=1).repeat(times, axis=2)
