"""What each metric of a report means, in one sentence, in English and Portuguese."""

from collections.abc import Mapping
from typing import NamedTuple

from trilemma.report.glossary_enlarging import ENLARGED


class Entry(NamedTuple):
    """A term and its meaning, in each language."""

    en: tuple[str, str]
    pt: tuple[str, str]


METRIC_MEANINGS: Mapping[str, Entry] = {  # shown where the metric occurs
    "fd": Entry(
        (
            "FID, FD[…] (Fréchet distance)",
            "How far apart two clouds of images lie, by mean and spread of their features; in the "
            "brackets stands whose features, and only the original Inception's may be called FID.",
        ),
        (
            "FID, FD[…] (distância de Fréchet)",
            "Quão longe estão duas nuvens de imagens, pela média e dispersão de suas "
            "características; entre colchetes está de quem são as características, e só as da "
            "Inception original podem se chamar FID.",
        ),
    ),
    "fd_corrected": Entry(
        (
            "FD corrected",
            "The Fréchet distance less what it is too high for want of images; it can come out "
            "below zero.",
        ),
        (
            "FD corrigida",
            "A distância de Fréchet menos o que ela tem a mais por falta de imagens; pode ficar "
            "abaixo de zero.",
        ),
    ),
    "kid": Entry(
        (
            "KID[…] (kernel distance)",
            "Another distance between two clouds of images, unbiased even for few of them; it can "
            "come out slightly below zero when they are alike.",
        ),
        (
            "KID[…] (distância de kernel)",
            "Outra distância entre duas nuvens de imagens, sem viés mesmo com poucas delas; pode "
            "ficar um pouco abaixo de zero quando são parecidas.",
        ),
    ),
    "is": Entry(
        (
            "IS[…] (Inception Score)",
            "High when a classifier is sure what each image shows and all classes appear; it never "
            "looks at real images, and only under Inception's features is it the known score.",
        ),
        (
            "IS[…] (Inception Score)",
            "Alto quando um classificador tem certeza do que cada imagem mostra e todas as classes "
            "aparecem; nunca olha imagens reais, e só com a Inception é a medida conhecida.",
        ),
    ),
    **{name: Entry(*both) for name, both in ENLARGED.items()},
    "density": Entry(
        (
            "Density",
            "How densely real images surround the generated ones; it can be above 1.",
        ),
        (
            "Densidade",
            "Quão densamente as imagens reais cercam as geradas; pode passar de 1.",
        ),
    ),
    "precision": Entry(
        ("Precision", "Share of generated images that fall among the real ones."),
        ("Precisão", "Fração das imagens geradas que caem entre as reais."),
    ),
    "recall": Entry(
        (
            "Recall",
            "Share of real images that fall among the generated ones; read it beside precision, "
            "because noise inflates it.",
        ),
        (
            "Revocação",
            "Fração das imagens reais que caem entre as geradas; leia junto com a precisão, pois "
            "o ruído a infla.",
        ),
    ),
    "coverage": Entry(
        ("Coverage", "Share of real images with a generated one close by."),
        ("Cobertura", "Fração das imagens reais com uma gerada por perto."),
    ),
    "modes": Entry(
        (
            "Modes met",
            "How many of the known clusters of the data some sample lies at: eight or twenty-five "
            "places of the plane, or a thousand numbers; it grows with the number of samples.",
        ),
        (
            "Modos alcançados",
            "Quantos dos agrupamentos conhecidos dos dados têm alguma amostra: oito ou vinte e "
            "cinco lugares do plano, ou mil números; cresce com o número de amostras.",
        ),
    ),
    "mode_kl": Entry(
        (
            "Modes, divergence from equal shares",
            "0 where every mode is met equally often, the logarithm of their number where one has "
            "all samples (Kullback-Leibler, in nats); chance alone leaves a little.",
        ),
        (
            "Modos, divergência de frações iguais",
            "0 quando todos os modos são alcançados igualmente, o logaritmo do número deles quando "
            "um leva tudo (Kullback-Leibler, em nats); só o acaso já deixa um pouco.",
        ),
    ),
    "quality_share": Entry(
        (
            "Samples at a mode, share",
            "Share of the points that lie within three standard deviations of a centre; of real "
            "ones 0.989 do.",
        ),
        (
            "Amostras em um modo, fração",
            "Fração dos pontos que ficam a até três desvios padrão de um centro; dos reais, 0,989.",
        ),
    ),
    "asked_class": Entry(
        (
            "Asked class is shown, share",
            "Share of images, asked evenly for every class, in which a classifier sees the class "
            "that was asked for; real images reach what the classifier does.",
        ),
        (
            "Classe pedida aparece, fração",
            "Fração das imagens, pedidas igualmente de cada classe, em que um classificador vê a "
            "classe pedida; imagens reais alcançam o que o classificador alcança.",
        ),
    ),
    "copies": Entry(
        (
            "Near copies, share",
            "Share of samples that lie as near to a training image as only 1 % of real images that "
            "were not trained on do; much more than 0.01 means that training images come back.",
        ),
        (
            "Quase cópias, fração",
            "Fração das amostras tão perto de uma imagem de treino quanto só 1 % das imagens reais "
            "fora do treino; muito mais que 0,01 quer dizer que imagens de treino reaparecem.",
        ),
    ),
    "ms_per_image": Entry(
        ("One image, ms", "Thousandths of a second until a single picture is drawn."),
        ("Uma imagem, ms", "Milésimos de segundo até desenhar uma única imagem."),
    ),
    "images_per_second": Entry(
        ("Images/s", "Pictures drawn in a second when many are asked for at once."),
        ("Imagens/s", "Imagens desenhadas em um segundo quando se pedem muitas de uma vez."),
    ),
    "memory_bytes": Entry(
        (
            "Peak memory",
            "The most memory that the network and the drawing of a batch of 64 took, without "
            "Python, PyTorch and the images that were drawn before.",
        ),
        (
            "Pico de memória",
            "A maior memória que a rede e o desenho de um lote de 64 ocuparam, sem Python, PyTorch "
            "e as imagens desenhadas antes.",
        ),
    ),
}
