"""The words in a setting's name, whatever its spelling: nCritic, n-critic, critic_iters, lrG.

A name is cut at capitals, digits, hyphens, underscores and dots, and each piece becomes a word of
`foreign_vocabulary`. A piece that is none is cut further, into few words (`batchsize`);
what cannot be cut stays as it is, and no meaning will know it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from trilemma.recipe.foreign_vocabulary import FILLERS, GROWING, PHRASES, SHORT, WORDS

PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
CUTS = 3  # words that a piece without marks between them may hold


def words(name: str) -> tuple[str, ...]:
    """Give the words of a name, in order; a piece that is no word stays as it is, in lower case."""
    found = [word for piece in PIECE.findall(name) for word in _word(piece.lower())]
    return tuple(_joined(found))


def is_word(word: str) -> bool:
    """Is this a word that meanings may ask for? Numbers are: beta_1."""
    return word in _vocabulary() or word.isdigit()


@cache
def _vocabulary() -> frozenset[str]:
    shorts = {word for several in SHORT.values() for word in several.split()}
    return frozenset({*WORDS, *FILLERS, *PHRASES.values(), *shorts})


@cache
def _spellings() -> Mapping[str, tuple[str, ...]]:
    """Give every spelling, of one word or more, and what it stands for."""
    table = {
        spelled: (word,)
        for word, several in {**FILLERS, **WORDS}.items()
        for spelled in several.split()
    }
    return {**table, **{short: tuple(long.split()) for short, long in SHORT.items()}}


def _word(piece: str) -> tuple[str, ...]:
    """Read one piece: a spelling, its plural, spellings grown together, or nothing known."""
    known = _spellings()
    for spelled in (piece, piece.removesuffix("s"), piece.removesuffix("es")):
        if spelled in known:
            return known[spelled]
    for count in range(2, CUTS + 1):
        for cut in _cut(piece, count):
            return tuple(word for spelled in cut for word in known[spelled])
    return (piece,)


def _cut(piece: str, count: int) -> Iterator[Sequence[str]]:
    """Yield the ways to cut a piece into `count` spellings that grow together, longest first."""
    for end in range(len(piece), 0, -1) if count > 1 else (len(piece),):
        head = piece[:end]
        spelled = head if head in _growing() else head.removesuffix("s")
        if spelled in _growing():
            for rest in _cut(piece[end:], count - 1) if count > 1 else ((),):
                if _plausible(cut := (spelled, *rest)):
                    yield cut


def _plausible(cut: Sequence[str]) -> bool:
    """Could somebody have meant this? One letter at most, n in front, and no word twice."""
    known = {_spellings()[spelled] for spelled in cut}
    letters = sum(len(spelled) == 1 for spelled in cut)
    return letters <= 1 and "n" not in cut[1:] and len(known) == len(cut)


@cache
def _growing() -> frozenset[str]:
    return frozenset(GROWING.split())


def _joined(found: Sequence[str]) -> Iterator[str]:
    """Put words together that mean something else side by side."""
    place = 0
    while place < len(found):
        pair = " ".join(found[place : place + 2])
        if pair in PHRASES:
            yield PHRASES[pair]
            place += 2
        else:
            yield found[place]
            place += 1
