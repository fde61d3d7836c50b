"""The page of `explore`: it loads nothing, its controls have names, its frames are the pictures."""

import base64
import hashlib
import io
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
from PIL import Image

from handmade import noise
from trilemma.report import explorer
from trilemma.report.explored import Around, Explored, Knob, Likes, Place, Told, Walk

VOID = {"meta", "img", "input"}
PLACES = [Place(a, b, i / 3) for a, b in ((4, 70), (70, 4)) for i in range(3)]


def shown(side: int = 8, channels: int = 1) -> Explored:
    """Give noise in place of a run's pictures."""

    def pixels(n: int, seed: int) -> np.ndarray:
        return noise(n, side, channels=channels, seed=seed)

    likes = Likes(
        seeds=[4, 70],
        pixels=pixels(2, 2),
        neighbours=pixels(6, 3).reshape(2, 3, side, side, channels),
        distances=[[1.234, 2.5, 3.0], [0.5, 0.75, 12.3]],
        held_out=2.25,
        among=4000,
        extractor="domain",
    )
    return Explored(
        run="<b>one",
        kind="adversarial",
        facts="Weights: best",
        numbers=64,
        walk=Walk(pixels=pixels(6, 0), places=PLACES, degrees=[88.6, 88.6], fps=20.0),
        around=Around(seed=4, pixels=pixels(9, 1), side=3, step=15.0),
        likes=likes,
        missing="",
    )


class Page(HTMLParser):
    """A page read back: its elements, the texts of its scripts, its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] != "style":
            self.text = " ".join(f"{self.text} {data}".split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def frames(page: Page) -> dict[str, dict[str, list[str]]]:
    read: dict[str, dict[str, list[str]]] = json.loads(page.scripts[0])
    return read


def decoded(uri: str) -> np.ndarray:
    kind, data = uri.split(";base64,")
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert kind == f"data:image/{(picture.format or '').lower()}"
        return np.asarray(picture)


def test_nothing_is_loaded_and_the_script_is_known_by_its_hash() -> None:
    html = explorer.render(shown())
    page = Page(html)
    links = [a.get(name, "") for _, a in page.elements for name in ("src", "href")]
    assert all(link.startswith(("data:image/", "#")) for link in links if link)
    outside = re.compile(r"https?:|//[a-z]|url\(|@import|\b(?:fetch|XMLHttpRequest|import)\(")
    assert outside.findall(re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)) == []
    (policy,) = (a["content"] for a in page.all("meta") if "http-equiv" in a)
    digest = base64.b64encode(hashlib.sha256(page.scripts[1].encode()).digest()).decode()
    assert policy == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    assert "<b>" not in html and "&lt;b&gt;one" in html


def test_every_frame_is_its_picture() -> None:
    made = shown()
    data = frames(Page(explorer.render(made)))
    for name, pixels in (("walk", made.walk.pixels), ("around", made.around.pixels)):
        assert len(data[name]["frames"]) == len(data[name]["words"]) == len(pixels)
        for uri, picture in zip(data[name]["frames"], pixels, strict=True):
            assert np.array_equal(decoded(uri), picture[:, :, 0])


def test_every_place_is_said() -> None:
    data = frames(Page(explorer.render(shown())))
    assert data["walk"]["words"] == [
        "seed 4",
        "33% of the way from seed 4 to seed 70",
        "67% of the way from seed 4 to seed 70",
        "seed 70",
        "33% of the way from seed 70 to seed 4",
        "67% of the way from seed 70 to seed 4",
    ]
    edge, corner = "15° from seed 4", "21° from seed 4"
    assert data["around"]["words"] == [*[corner, edge] * 2, "seed 4", *[edge, corner] * 2]
    assert data["around"]["steps"] == ["−15°", "0°", "+15°"]


def test_text_says_the_distances() -> None:
    text = Page(explorer.render(shown())).text
    for words in (
        "makes each picture of 64 random numbers",
        "89° from 4 to 70 and 89° from 70 to 4",
        "15° a step: 15° to the middle of an edge, 21° to a corner",
        "among 4,000",
        "the median of that distance is 2.25",
        "1.23 2.50 3.00",
        "0.500 0.750 12.3",
    ):
        assert words in text, words
    likes = shown().likes
    assert likes is not None
    alone = replace(shown(), kind="diffusion", likes=replace(likes, held_out=math.nan))
    text = Page(explorer.render(alone)).text
    assert "median" not in text and "takes noise away" in text
    without = replace(shown(), likes=None, missing="They cannot be shown: gone.")
    assert "They cannot be shown: gone." in Page(explorer.render(without)).text


def test_controls_have_names_and_identities_are_unique() -> None:
    page = Page(explorer.render(shown()))
    identities = [a["id"] for _, a in page.elements if "id" in a]
    assert len(identities) == len(set(identities))
    sliders = page.all("input")
    assert [(a["id"], a["type"], a["min"], a["max"]) for a in sliders] == [
        ("walk", "range", "0", "5"),
        ("row", "range", "0", "2"),
        ("column", "range", "0", "2"),
    ]
    inside = 0
    for i, (tag, _) in enumerate(page.elements):
        inside += tag == "input" and "label" in [name for name, _ in page.elements[i - 3 : i]]
    assert inside == len(sliders)
    assert all("alt" in a for a in page.all("img"))
    named = {a["aria-labelledby"] for a in page.all("section")}
    assert named <= {*identities}
    used = set(re.findall(r'by\("([\w-]+)"\)|getElementById\("(\w+)"\)', page.scripts[1]))
    assert {one or other for one, other in used} <= {*identities}


def test_small_pixels_are_squares_and_large_pictures_are_reduced() -> None:
    assert 'class=" pixelated"' in explorer.render(shown())
    html = explorer.render(shown(side=400, channels=3))
    assert 'class=" pixelated"' not in html
    assert decoded(frames(Page(html))["walk"]["frames"][0]).shape == (256, 256, 3)


def test_a_long_walk_keeps_its_seeds_and_its_pace() -> None:
    """500 frames: every fifth stays, and seed 6, whose frame 251 is none of them."""
    places = [
        *(Place(5, 6, i / 251) for i in range(251)),
        *(Place(6, 5, i / 249) for i in range(249)),
    ]
    walk = Walk(pixels=noise(500, 4), places=places, degrees=[90.0, 90.0], fps=50.0)
    data = frames(page := Page(explorer.render(replace(shown(), walk=walk))))
    words = data["walk"]["words"]
    assert len(words) == 101
    assert [words.index(f"seed {seed}") for seed in (5, 6)] == [0, 51]
    stops = [int(a["data-at"]) for a in page.all("button") if "data-at" in a]
    assert stops == [0, 51]
    assert json.loads(page.scripts[0])["walk"]["milliseconds"] == 100


def test_a_page_of_large_colour_pictures_is_below_ten_megabytes() -> None:
    """Smooth pictures of 256x256 with some grain, as photographs are: 60 on the walk, 49 around."""
    ramp = np.linspace(0, 200, 256, dtype=np.uint8)
    smooth = np.stack([np.add.outer(ramp // 2, ramp // 2)] * 3, axis=2)
    grain = noise(109, 256, channels=3) // 10
    pixels = smooth[None] + grain
    walk = Walk(
        pixels=pixels[:60], places=[Place(1, 2, i / 60) for i in range(60)], degrees=[9.0], fps=20.0
    )
    around = Around(seed=1, pixels=pixels[60:], side=7, step=15.0)
    html = explorer.render(replace(shown(), walk=walk, around=around))
    assert len(html.encode()) < 10e6


def told(*words: tuple[str, ...], names: tuple[str, ...]) -> Told:
    """Give noise for two seeds in every position of some knobs."""
    knobs = tuple(
        Knob(
            name=name,
            words=positions,
            pixels=noise(2 * len(positions), 8, seed=i).reshape(-1, 2, 8, 8, 1),
            at=1,
        )
        for i, (name, positions) in enumerate(zip(names, words, strict=True))
    )
    return Told(seeds=(4, 70), knobs=knobs, left_out=3)


def test_classes_have_buttons_and_attributes_sliders() -> None:
    classes = told(("ant", "<i>", "cow"), names=("class",))
    page = Page(html := explorer.render(replace(shown(), told=classes)))
    buttons = [a for a in page.all("button") if "data-knob" in a]
    assert [(a["data-position"], a["aria-pressed"]) for a in buttons] == [
        ("0", "false"),
        ("1", "true"),
        ("2", "false"),
    ]
    assert "<i>" not in html and "3 more classes are left out" in page.text
    pictures = [a for a in page.all("img") if "data-told" in a]
    for seed, picture in enumerate(pictures):
        assert np.array_equal(decoded(picture["src"]), classes.knobs[0].pixels[1, seed, :, :, 0])
    kept = json.loads(page.scripts[0])["told"][0]
    assert np.array_equal(decoded(kept["frames"][2][1]), classes.knobs[0].pixels[2, 1, :, :, 0])
    two = told(("0", "0.5", "1"), ("-3", "0", "3"), names=("smile", "angle"))
    page = Page(explorer.render(replace(shown(), told=two)))
    sliders = [a for a in page.all("input") if "data-knob" in a]
    assert [(a["data-knob"], a["max"], a["value"]) for a in sliders] == [
        ("0", "2", "1"),
        ("1", "2", "1"),
    ]
    assert "smile 0.5" in page.text and "One attribute moves at a time" in page.text


def test_a_page_of_a_network_that_is_told_nothing_has_no_such_section() -> None:
    page = Page(explorer.render(shown()))
    assert "The same seeds" not in page.text
    assert json.loads(page.scripts[0])["told"] == []
