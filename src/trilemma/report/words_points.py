"""The words of a page about points of the plane, which are no images: said as they are."""

import re
from collections.abc import Mapping, Sequence

from trilemma.report.words_enlarging import ENLARGING

AS_THEY_ARE = frozenset(
    {"gifs_title", "kind_images", "steps_n", "still_alternative", *ENLARGING}
)  # words that stay; points are not enlarged
RULES: Mapping[str, Sequence[tuple[str, str]]] = {  # language -> what is said instead, in order
    "en": (
        (r"image generators", "generators of points"),
        (r"image generator", "generator of points"),
        (r"how good a picture is", "how good a point is"),
        (r"each picture look real", "each point lie where real ones do"),
        (r"How many pictures", "How many points"),
        (r"pairs that are the same picture", "pairs that are the same point"),
        (r"Images\b", "Points"),
        (r"\ban image\b", "a point"),
        (r"\bimages\b", "points"),
        (r"\bimage\b", "point"),
    ),
    "pt": (  # points are masculine
        (r"Quantas imagens", "Quantos pontos"),
        (r"Cada imagem parece real", "Cada ponto fica onde ficam os reais"),
        (r"quão boa é cada imagem", "quão bom é cada ponto"),
        (r"outras imagens", "outros pontos"),
        (r"poucas imagens", "poucos pontos"),
        (r"imagens poucas", "pontos poucos"),
        (r"estas imagens", "estes pontos"),
        (r"imagens reais pelas quais", "pontos reais pelos quais"),
        (r"pela das geradas", "pela dos gerados"),
        (r"distância entre elas", "distância entre eles"),
        (r"perto das reais", "perto dos reais"),
        (r"tantas quantas as desenhadas", "tantos quantos os desenhados"),
        (r"(?<=[Ii]ma)gens geradas", "GENS gerados"),
        (r"(?<=[Ii]ma)gens vistas", "GENS vistos"),
        (r"uma imagem gerada", "um ponto gerado"),
        (r"\ba imagem de treino mais próxima", "o ponto de treino mais próximo"),
        (r"\bda imagem de treino mais próxima", "do ponto de treino mais próximo"),
        (r"nenhuma imagem ficou", "nenhum ponto ficou"),
        (r"com a mesma imagem", "com o mesmo ponto"),
        (r"uma imagem\b", "um ponto"),
        (r"Uma imagem\b", "Um ponto"),
        (r"uma de cada vez", "um de cada vez"),
        (r"\bdas imagens", "dos pontos"),
        (r"\bas imagens", "os pontos"),
        (r"Ima(?:gens|GENS)", "Pontos"),
        (r"ima(?:gens|GENS)", "pontos"),
        (r"\bimagem", "ponto"),
    ),
}


def of_points(words: Mapping[str, str], language: str) -> Mapping[str, str]:
    """Say points in place of images, in all words of a page."""
    return {
        key: text if key in AS_THEY_ARE else said(text, language) for key, text in words.items()
    }


def said(text: str, language: str) -> str:
    """Say points in place of images."""
    for found, instead in RULES[language]:
        text = re.sub(found, instead, text)
    return text
