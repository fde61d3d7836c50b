"""Every word of the page, in English and in Brazilian Portuguese.

The meanings of terms stand in `glossary`, the words of the page's second half in `words_details`.
Each entry is (English, Portuguese); text in braces is filled in with `str.format`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from trilemma.errors import TrilemmaError
from trilemma.report.words_details import DETAILS
from trilemma.report.words_enlarging import ENLARGING
from trilemma.report.words_points import of_points

LANGUAGES: Mapping[str, str] = MappingProxyType({"en": "en", "pt": "pt-BR"})  # name -> lang tag

WORDS: Mapping[str, tuple[str, str]] = {
    # the head
    "skip": ("Skip to the content", "Ir para o conteúdo"),
    "eyebrow": ("Trilemma · report", "Trilemma · relatório"),
    "lede_many": (
        "{n} image generators, placed by measurement: how good a picture is, how much of the "
        "variety they meet, and how fast they draw.",
        "{n} geradores de imagens, posicionados por medição: quão boa é cada imagem, quanto da "
        "variedade eles alcançam e com que rapidez desenham.",
    ),
    "lede_one": (
        "One image generator, placed by measurement: how good a picture is, how much of the "
        "variety it meets, and how fast it draws.",
        "Um gerador de imagens, posicionado por medição: quão boa é cada imagem, quanto da "
        "variedade ele alcança e com que rapidez desenha.",
    ),
    "meta": ("Measured against {reference}, {created}.", "Medido contra {reference}, {created}."),
    # the triangle
    "triangle_title": ("The impossible triangle", "O triângulo impossível"),
    "quality": ("Quality", "Qualidade"),
    "coverage": ("Coverage", "Cobertura"),
    "speed": ("Speed", "Velocidade"),
    "other": ("Other", "Outras"),
    "quality_question": ("Does each picture look real?", "Cada imagem parece real?"),
    "coverage_question": (
        "Is all the variety of the real images there?",
        "Toda a variedade das imagens reais está lá?",
    ),
    "speed_question": ("How many pictures a second?", "Quantas imagens por segundo?"),
    "how_precision": (
        "Precision divided by the precision of other real images (the dashed end, 100 %).",
        "Precisão dividida pela precisão de outras imagens reais (o fim tracejado, 100 %).",
    ),
    "how_precision_bare": (
        "Precision; no real images to divide by.",
        "Precisão; sem imagens reais pelas quais dividir.",
    ),
    "how_fd": (
        "Fréchet distance of other real images (the floor) divided by that of the generated ones: "
        "100 % is as close as real images are.",
        "Distância de Fréchet de outras imagens reais (o piso) dividida pela das geradas: "
        "100 % é tão perto quanto as imagens reais.",
    ),
    "how_modes": (
        "Modes met, of those that as many real samples meet (100 %): these data have known modes, "
        "so they are counted in place of recall.",
        "Modos alcançados, dos que outras tantas amostras reais alcançam (100 %): estes dados têm "
        "modos conhecidos, por isso são contados em vez da revocação.",
    ),
    "how_modes_bare": (
        "Modes met; there are too few real samples to divide by what they meet.",
        "Modos alcançados; há poucas amostras reais pelas quais dividir.",
    ),
    "how_recall": (
        "Recall divided by the recall of other real images (the dashed end, 100 %). Noise inflates "
        "it: read it beside quality.",
        "Revocação dividida pela revocação de outras imagens reais (o fim tracejado, 100 %). O "
        "ruído a infla: leia junto com a qualidade.",
    ),
    "how_recall_bare": (
        "Recall; no real images to divide by. Noise inflates it: read it beside quality.",
        "Revocação; sem imagens reais pelas quais dividir. O ruído a infla: leia junto com a "
        "qualidade.",
    ),
    "how_coverage": (
        "Coverage divided by the coverage of other real images (the dashed end, 100 %).",
        "Cobertura dividida pela cobertura de outras imagens reais (o fim tracejado, 100 %).",
    ),
    "how_coverage_bare": (
        "Coverage; no real images to divide by.",
        "Cobertura; sem imagens reais pelas quais dividir.",
    ),
    "how_images_per_second": (
        "Images a second, in batches, on the machine below. Logarithmic: from 0.1 at the centre "
        "to 100,000 at the tip, a sixth of the way is a factor of ten.",
        "Imagens por segundo, em lotes, na máquina abaixo. Logarítmica: de 0,1 no centro a "
        "100.000 na ponta, um sexto do caminho é um fator de dez.",
    ),
    "how_ms_per_image": (
        "Images a second, one at a time, on the machine below. Logarithmic: from 0.1 at the centre "
        "to 100,000 at the tip, a sixth of the way is a factor of ten.",
        "Imagens por segundo, uma de cada vez, na máquina abaixo. Logarítmica: de 0,1 no centro a "
        "100.000 na ponta, um sexto do caminho é um fator de dez.",
    ),
    "triangle_reading": (
        "How to read it: compare corners, not areas. Behind ± stands the standard error; the "
        "shaded band is the 95 % interval. The uncertainty of the real images' own value is in "
        "neither. Values above 100 % are drawn at "
        "the tip. Nothing here is a grade: all three corners are measured.",
        "Como ler: compare os cantos, não as áreas. Depois de ± vem o erro padrão; a faixa "
        "sombreada é o intervalo de 95 %. A incerteza do próprio valor das imagens reais não está "
        "em nenhum dos dois. Valores acima de 100 % são "
        "desenhados na ponta. Nada aqui é uma nota: os três cantos são medidos.",
    ),
    "front_runs": (
        "On the front, where no other is at least as good in quality, coverage and speed at once: "
        "{runs}.",
        "Na fronteira, onde nenhum outro é ao menos tão bom em qualidade, cobertura e velocidade "
        "ao mesmo tempo: {runs}.",
    ),
    "front_behind": (
        "Behind it: {run}; {other} is as good or better in all three.",
        "Atrás dela: {run}; {other} é tão bom ou melhor nas três.",
    ),
    "front_note": (
        "This is said of the values; where intervals overlap it may be chance.",
        "Isto vale para os valores; onde os intervalos se sobrepõem, pode ser acaso.",
    ),
    "per_second": ("/s", "/s"),
    "not_measured": ("not measured", "não medido"),
    "not_placed": ("{run}: {axes} not measured.", "{run}: {axes} sem medição."),
    "leads": (
        "{run} leads: its interval lies above all others.",
        "{run} lidera: seu intervalo fica acima de todos os outros.",
    ),
    "too_close": (
        "Too close to call: the intervals overlap or are not known.",
        "Sem vencedor claro: os intervalos se sobrepõem ou não são conhecidos.",
    ),
    "only_one": ("One generator: nothing to compare.", "Um só gerador: nada a comparar."),
    "nothing_measured": ("Not measured yet.", "Ainda não medido."),
    "kind_adversarial": ("adversarial network (GAN)", "rede adversária (GAN)"),
    "kind_diffusion": ("diffusion model", "modelo de difusão"),
    "kind_upscale": ("super-resolution network", "rede de super-resolução"),
    "kind_images": ("images", "imagens"),
    "kind_seeds": ("{n} seeds", "{n} sementes"),
    # bars, tables, statements
    "bars_title": ("Scores with their uncertainty", "Medidas com sua incerteza"),
    "bars_reading": (
        "A bar is the measured value, written ± its standard error; its whisker is the 95 % "
        "interval, the dashed line what other "
        "real images reach: no generator should be expected to pass it.",
        "A barra é o valor medido, escrito ± seu erro padrão; o traço sobre ela é o intervalo de "
        "95 %, a linha tracejada o que "
        "outras imagens reais alcançam: não se espera que um gerador a ultrapasse.",
    ),
    "higher_better": ("higher is better", "maior é melhor"),
    "lower_better": ("lower is better", "menor é melhor"),
    "biased": ("biased", "enviesado"),
    "biased_meaning": (
        "Biased: too few images for that many features; the value is too high, so look at KID.",
        "Enviesado: poucas imagens para tantas características; o valor é alto demais, veja KID.",
    ),
    "real_images": ("real images", "imagens reais"),
    "differences_title": ("Is the difference real?", "A diferença é real?"),
    "differences_reading": (
        "Pairs are compared on the same reference. Where the 95 % interval of the difference "
        "contains zero, the data cannot tell the two apart.",
        "Os pares são comparados na mesma referência. Quando o intervalo de 95 % da diferença "
        "contém zero, os dados não distinguem os dois.",
    ),
    "distinguishable": ("Different.", "Diferentes."),
    "indistinguishable": ("Not distinguishable.", "Não distinguíveis."),
    "difference_text": (
        "{label}: {first} minus {second} is {difference} (95 % interval {low} to {high}).",
        "{label}: {first} menos {second} é {difference} (intervalo de 95 %: {low} a {high}).",
    ),
    "verdict_images": (
        "This is about these two trainings, not these two methods: the interval is over images, "
        "and other seeds may turn it round.",
        "Isto vale para estes dois treinos, não para estes dois métodos: o intervalo é sobre "
        "imagens, e outras sementes podem inverter o resultado.",
    ),
    "verdict_seeds": (
        "This is about the two methods: the interval is over {first} and {second} trainings from "
        "different seeds.",
        "Isto vale para os dois métodos: o intervalo é sobre {first} e {second} treinos com "
        "sementes diferentes.",
    ),
    "verdict_pairs": (
        "This is about the two methods: the interval is over {first} pairs of trainings, each from "
        "one seed.",
        "Isto vale para os dois métodos: o intervalo é sobre {first} pares de treinos, cada um com "
        "a mesma semente.",
    ),
    "scores": ("Scores", "Medidas"),
    "scores_title": ("All numbers", "Todos os números"),
    "accuracy": (
        "The classifier whose features are compared names {share} of held-out real images "
        "correctly.",
        "O classificador cujas características são comparadas acerta {share} das imagens reais de "
        "teste.",
    ),
    "scores_note": (
        "Value ± standard error, rounded to the error.",
        "Valor ± erro padrão, arredondado conforme o erro.",
    ),
    "column_title": (
        "Features: {extractor} · {n_fake} generated against {n_real} real of {reference}",
        "Características: {extractor} · {n_fake} geradas contra {n_real} reais de {reference}",
    ),
    "apart": (
        "Kept apart from the first table, because these are not the same: {fields}.",
        "Separada da primeira tabela, porque estes não são iguais: {fields}.",
    ),
    "apart_unknown": (
        "Kept apart from the first table: what it was measured with is not recorded.",
        "Separada da primeira tabela: não há registro de como foi medida.",
    ),
    "extractor": ("features", "características"),
    "weights": ("their weights", "pesos das características"),
    "resize": ("resize rule", "regra de redimensionamento"),
    "reference": ("real images", "imagens reais"),
    "fingerprint": ("their fingerprint", "impressão digital das imagens"),
    "split": ("split", "divisão"),
    "n_real": ("number of real images", "número de imagens reais"),
    "n_fake": ("number of generated images", "número de imagens geradas"),
    "metric": ("Metric", "Métrica"),
    "speed_here": ("Speed, on one machine", "Velocidade, em uma só máquina"),
    "no_scores": ("Nothing has been scored yet.", "Nada foi medido ainda."),
    "sampler": ("Sampler", "Amostrador"),
    "evaluations": ("Evaluations an image", "Avaliações por imagem"),
    "parameters": ("Parameters", "Parâmetros"),
    "training_rate": ("Training images/s", "Imagens de treino/s"),
    "images_seen": ("Images seen", "Imagens vistas"),
    "training_seconds": ("Training time", "Tempo de treino"),
    "fd": ("Fréchet distance", "Distância de Fréchet"),
    "fd_corrected": ("Fréchet distance, corrected", "Distância de Fréchet, corrigida"),
    "kid": ("Kernel distance", "Distância de kernel"),
    "is": ("Inception Score", "Inception Score"),
    "precision": ("Precision", "Precisão"),
    "density": ("Density", "Densidade"),
    "quality_share": ("Samples at a mode, share", "Amostras em um modo, fração"),
    "modes_count": ("Modes met", "Modos alcançados"),
    "mode_kl": ("Modes, divergence from equal shares", "Modos, divergência de frações iguais"),
    "recall": ("Recall", "Revocação"),
    "coverage_metric": ("Coverage", "Cobertura"),
    "asked_class": ("Asked class is shown, share", "Classe pedida aparece, fração"),
    "asked_text": (
        "Asked for a class: {share} of {n} images show it (worst: {worst}, {least} of {each}).",
        "Pedida uma classe: {share} de {n} imagens a mostram (a pior: {worst}, {least} de {each}).",
    ),
    "copies": ("Near copies, share", "Quase cópias, fração"),
    "ms_per_image": ("One image, ms", "Uma imagem, ms"),
    "images_per_second": ("Images/s", "Imagens/s"),
    "memory_bytes": ("Peak memory", "Pico de memória"),
    # classes
    "shares_title": ("Is every class there?", "Todas as classes estão lá?"),
    "shares_reading": (
        "How often each class appears: the bar is generated, the dashed mark real, the whisker the "
        "95 % interval.",
        "Com que frequência cada classe aparece: a barra é o gerado, a marca tracejada o real, o "
        "traço o intervalo de 95 %.",
    ),
    "shares_alternative": ("Class shares of {run}.", "Frequência das classes de {run}."),
    "shares_cut": (
        "Shown: the {n} of {all} classes furthest from their real share.",
        "Mostradas: as {n} de {all} classes mais distantes da frequência real.",
    ),
    "missing": ("missing", "ausente"),
    "missing_classes": ("Missing classes:", "Classes ausentes:"),
    "unsure_classes": (
        "Never met, among too few images to call it missing:",
        "Nunca vistas, entre imagens de menos para dizer que faltam:",
    ),
    "none": ("none", "nenhuma"),
}


def read(language: str, *, points: bool = False) -> Mapping[str, str]:
    """Give all words of one language; TrilemmaError names the languages there are.

    points: what was drawn is points of the plane.
    """
    if language not in LANGUAGES:
        allowed = ", ".join(LANGUAGES)
        raise TrilemmaError(f"--lang {language}: no such language; choose one of {allowed}")
    place = list(LANGUAGES).index(language)
    said = {key: pair[place] for key, pair in {**WORDS, **DETAILS, **ENLARGING}.items()}
    return of_points(said, language) if points else said
