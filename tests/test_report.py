"""The report's page: two languages, self-contained, accessible, escaped, odd contents."""

import itertools
import math
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from report_demo import DOMAIN, curve, demo, gan, many, only, score, shares
from trilemma.errors import TrilemmaError
from trilemma.report import page, svg, words
from trilemma.report.contents import Contents, Curve, Note, RunView
from trilemma.report.glossary_metrics import METRIC_MEANINGS
from trilemma.report.words_details import DETAILS
from trilemma.scores import Scores

REPORT = Path(page.__file__).parent
EVERY_WORD = {**words.WORDS, **DETAILS}
VOID = {"meta", "img", "br", "source", "link"}


class Page(HTMLParser):
    """A page read back: its elements, that they close, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> inside {self.open}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read(contents: Contents, language: str = "en") -> Page:
    return Page(page.render(contents, language=language))


A, B = (run.name for run in demo().runs)


def test_portuguese_page_is_portuguese() -> None:
    html = read(demo(), "pt")
    assert html.all("html")[0]["lang"] == "pt-BR"
    text = " ".join(html.text)
    assert "O triângulo impossível" in text and "21,1" in text
    english = {pair[0] for pair in EVERY_WORD.values() if pair[0] != pair[1]}
    assert {part.strip() for part in html.text} & english == set()


def test_another_language_is_refused_with_those_there_are() -> None:
    with pytest.raises(TrilemmaError, match=r"fr.*choose one of en, pt"):
        page.render(demo(), language="fr")


def test_the_page_is_one_file_without_scripts_or_addresses(tmp_path: Path) -> None:
    path = page.write_page(demo(), tmp_path / "new" / "report.html")
    html = path.read_text(encoding="utf-8")
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    assert html == page.render(demo())  # nothing in it depends on the moment
    parsed = Page(html)
    assert not {"script", "link", "iframe", "object", "form"} & {t for t, _ in parsed.elements}
    for _, attributes in parsed.elements:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "srcset", "href"):
            assert attributes.get(name, "data:").startswith(("data:image/", "data:", "#"))
    assert "http" not in re.sub(r'(src|srcset)="data:[^"]+"|http-equiv', "", html)
    assert "url(" not in html and "@import" not in html


def test_pictures_have_alternative_texts_and_headings_their_order() -> None:
    html = read(demo())
    for image in html.all("img"):
        assert len(image["alt"]) > 10
    drawings = [a for a in html.all("svg") if a.get("aria-hidden") != "true"]
    assert drawings and all(a["role"] == "img" and len(a["aria-label"]) > 5 for a in drawings)
    levels = [int(tag[1]) for tag, _ in html.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    identities = [a["id"] for _, a in html.elements if "id" in a]
    assert len(identities) == len(set(identities))
    for _, attributes in html.elements:
        assert attributes.get("aria-labelledby", identities[0]) in identities


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb. Source: WCAG 2.2, "relative luminance"."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1])
def test_contrast_is_enough_in_light_and_dark(theme: int) -> None:
    style = (REPORT / "templates" / "page.css").read_text(encoding="utf-8")
    rules = re.findall(r":root \{(.*?)\n\s*\}", style, re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", rules[theme]))

    def contrast(a: str, b: str) -> float:
        high, low = sorted((luminance(colours[a]), luminance(colours[b])), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for ground in ("paper", "card"):
        for ink in ("ink", "soft", "accent", "alarm"):
            assert contrast(ink, ground) >= 4.5, (ink, ground)  # text: WCAG 1.4.3
        for i in range(svg.COLOURS):
            assert contrast(f"c{i}", ground) >= 3.0, (i, ground)  # marks: WCAG 1.4.11


def test_statements_say_what_the_interval_says() -> None:
    text = " ".join(" ".join(read(demo()).text).split())
    assert f"Different. FD[domain]: {A} minus {B} is −8.3" in text
    assert f"Not distinguishable. KID[domain]: {A} minus {B} is −0.0021" in text


def test_fid_is_said_only_where_it_is_explained() -> None:
    text = " ".join(read(demo()).text)
    term, meaning = METRIC_MEANINGS["fd"].en
    assert "FID" not in text.replace(term, "").replace(meaning, "")
    assert "FID" in " ".join(read(only(score(A, "fd", 2.5, 0.1, 0.4, column="inception"))).text)


HOSTILE = '<script>alert("x")</script>猫&amp;\'"{{ 7*7 }}'


def test_hostile_names_are_only_text() -> None:
    contents = demo()
    run = replace(
        contents.runs[0],
        name=HOSTILE,
        members=(HOSTILE, "b"),
        recipe={HOSTILE: HOSTILE},
        machine={HOSTILE: HOSTILE},
        losses={HOSTILE: curve(1, 0, 10, 10, n=5, noise=0.1)},
        watched={HOSTILE: curve(1, 0, 10, 10, n=5, noise=0.1)},
        scalars={HOSTILE: curve(1, 0, 10, 10, n=5, noise=0.1)},
        licences=(HOSTILE,),
        notes=(Note("note_images", said=HOSTILE),),
        kind=HOSTILE,
    )
    hurt = replace(
        contents,
        title=HOSTILE,
        runs=(run, contents.runs[1]),
        reference=HOSTILE,
        command=HOSTILE,
        machine={HOSTILE: {HOSTILE: HOSTILE}},
        notes=(Note("note_images", said=HOSTILE),),
        scores=Scores(
            columns={"domain": replace(DOMAIN, reference=HOSTILE, extractor=HOSTILE)},
            scores=(score(HOSTILE, "fd", 3.0, 0.1, 1.0), score(HOSTILE, HOSTILE, 3.0, 0.1)),
            shares=(replace(shares(HOSTILE), classes=(HOSTILE,) * 10, missing=(HOSTILE,)),),
        ),
    )
    html = read(hurt)
    assert html.all("script") == []
    assert html.all("title")[0] == {} and HOSTILE in html.text
    assert "49" not in next(text for text in html.text if text.startswith("<script>"))


BARE = RunView(
    name="bare",
    kind="images",
    members=("bare",),
    seeds=(),
    recipe={},
    machine={},
    parameters=0,
    evaluations=0,
    images_seen=0,
    training_seconds=0.0,
    training_images_per_second=math.nan,
    losses={},
    scalars={},
    watched={},
    samples=np.zeros((0, 28, 28, 1), np.uint8),
)
EMPTY_CURVE = Curve(images_seen=(), seconds=(), values=())
NAN_CURVE = Curve(images_seen=(1, 2), seconds=(1.0, 2.0), values=(math.nan, math.inf))
FLAT_CURVE = Curve(images_seen=(7,), seconds=(0.0,), values=(2.0,))
NO_PIXELS = np.zeros((0, 1, 1, 1), np.uint8)


@cache
def odd() -> dict[str, Contents]:
    """Describe reports that lack something, or have odd things."""
    whole = demo()
    nan = tuple(replace(s, value=math.nan, error=math.nan) for s in whole.scores.scores)
    no_error = tuple(replace(s, error=math.nan, floor=math.nan) for s in whole.scores.scores)
    zero = tuple(replace(s, value=0.0, error=0.0, floor=0.0) for s in whole.scores.scores)
    curves_ = {"a": EMPTY_CURVE, "b": NAN_CURVE, "c": FLAT_CURVE}
    strange = replace(
        gan(),
        name="strange",
        losses=curves_,
        scalars=curves_,
        watched=curves_,
        gif=b"no animation",
        samples=np.zeros((3, 300, 200, 3), np.uint8),
    )
    points = replace(BARE, name="points", samples=np.zeros((9, 1, 1, 2), np.uint8))
    return {
        "bare": replace(whole, runs=(BARE,), scores=Scores(), differences=(), real=NO_PIXELS),
        "no runs": replace(whole, runs=(), scores=Scores(), differences=(), real=NO_PIXELS),
        "one run": replace(whole, runs=whole.runs[:1], differences=()),
        "without scores": replace(whole, scores=Scores(), differences=()),
        "ten": many(10),
        "nan": replace(whole, scores=replace(whole.scores, scores=nan)),
        "no errors": replace(whole, scores=replace(whole.scores, scores=no_error)),
        "zeros": replace(whole, scores=replace(whole.scores, scores=zero)),
        "strange": replace(whole, runs=(strange, points, BARE), machine={}, command=""),
        "biased": only(score(A, "fd", 90.0, math.nan, 80.0, biased=True)),
        "unknown column": only(score(A, "fd", 9.0, 1.0, 8.0, column="lost")),
    }


@pytest.mark.parametrize("language", words.LANGUAGES)
@pytest.mark.parametrize("name", odd())
def test_odd_contents_still_make_a_page(name: str, language: str) -> None:
    raw = page.render(odd()[name], language=language)
    assert Page(raw).all("h1")
    drawn = re.sub(r"aria-label=\"[^\"]*\"", "", raw)
    assert not re.search(r'(d|x|y|x1|x2|y1|y2|width|height)="[^"]*(nan|inf)', drawn)


def test_what_is_missing_is_said() -> None:
    names = ("bare", "one run", "strange", "biased", "ten")
    text = {name: " ".join(read(odd()[name]).text) for name in names}
    assert "Nothing has been scored yet." in text["bare"]
    assert "bare: quality, coverage, speed not measured." in text["bare"]
    assert "One generator: nothing to compare." in text["one run"]
    assert "The animation's file cannot be read." in text["strange"]
    assert "biased" in text["biased"] and "look at KID" in text["biased"]
    assert "3 seeds" in text["ten"]
    assert "A group of 3 runs that differ only in their seed (0, 1, 2)" in text["ten"]
    assert "Missing classes: 7." in " ".join(read(demo()).text)


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_a_drawing_of_classes_says_what_is_missing_with_one_colon(language: str) -> None:
    titles = [drawing["aria-label"] for drawing in read(demo(), language).all("svg")
              if "aria-label" in drawing]  # fmt: skip
    (said,) = (title for title in titles if title.endswith(": 7"))
    assert "::" not in "".join(titles) and words.read(language)["missing_classes"] in said
