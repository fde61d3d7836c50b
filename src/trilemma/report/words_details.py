"""The words of the page's second half: pictures, training, recipes, machine, licences, plots."""

from collections.abc import Mapping

DETAILS: Mapping[str, tuple[str, str]] = {  # (English, Portuguese)
    # pictures
    "pictures_title": ("Same seeds, side by side", "Mesmas sementes, lado a lado"),
    "pictures_reading": (
        "Every generator drew from the same seeds, first come, first shown: nothing was picked.",
        "Todos os geradores partiram das mesmas sementes, na ordem em que saíram: nada foi "
        "escolhido a dedo.",
    ),
    "no_pictures": ("There are no pictures to show.", "Não há imagens a mostrar."),
    "grid_alternative": (
        "{n} images by {run}, in rows of {columns}.",
        "{n} imagens de {run}, em linhas de {columns}.",
    ),
    "real_alternative": (
        "{n} real images of {reference}, in rows of {columns}.",
        "{n} imagens reais de {reference}, em linhas de {columns}.",
    ),
    "nearest_title": ("Learnt, or copied?", "Aprendido ou copiado?"),
    "nearest_reading": (
        "Above a generated image, below the training image nearest to it, and how far apart they "
        "are. A generator that copies has pairs that are the same picture.",
        "Em cima uma imagem gerada, embaixo a imagem de treino mais próxima, e a distância entre "
        "elas. Um gerador que copia tem pares com a mesma imagem.",
    ),
    "pair_alternative": (
        "Sample {i} of {run} above its nearest training image, distance {distance}.",
        "Amostra {i} de {run} acima da imagem de treino mais próxima, distância {distance}.",
    ),
    "nearest_text": (
        "{share} of the samples lie nearer to a training image than 99 % of held-out real images "
        "do (1 % is to be expected). Median distance: {sample}; of held-out real images: {real}.",
        "{share} das amostras ficam mais perto de uma imagem de treino do que 99 % das imagens "
        "reais de teste (espera-se 1 %). Distância mediana: {sample}; das imagens reais de teste: "
        "{real}.",
    ),
    # modes
    "modes_title": ("Which modes are there?", "Quais modos estão lá?"),
    "modes_reading": (
        "The modes of these data are known, so those that a generator has lost can be counted. "
        "Points: a ring stands around each centre; a point belongs to it within three standard "
        "deviations. Digits: a small square is one number of three digits, read by a classifier; "
        "blocks are the first digit (0 to 4, then 5 to 9), rows the second, columns the third; the "
        "darker, the more often it is drawn, and orange is never. How it came to this is the "
        "animation further down.",
        "Os modos destes dados são conhecidos, então dá para contar os que um gerador perdeu. "
        "Pontos: há um anel em volta de cada centro; um ponto pertence a ele até três desvios "
        "padrão. Dígitos: um quadradinho é um número de três dígitos, lido por um classificador; "
        "os blocos são o primeiro dígito (0 a 4, depois 5 a 9), as linhas o segundo, as colunas o "
        "terceiro; quanto mais escuro, mais vezes foi desenhado, e laranja é nunca. Como se chegou "
        "a isso está na animação mais abaixo.",
    ),
    "modes_near": (
        "{met} of {modes} modes are met by {n} samples; {share} of these lie at a mode.",
        "{met} de {modes} modos são alcançados por {n} amostras; {share} delas ficam em um modo.",
    ),
    "modes_met": (
        "{met} of {modes} numbers are met by {n} images.",
        "{met} de {modes} números são alcançados por {n} imagens.",
    ),
    "modes_points": (
        "Scatter plot of points by {run}, with a ring around each centre.",
        "Diagrama de pontos de {run}, com um anel em volta de cada centro.",
    ),
    "modes_map": (
        "Map of how often {run} draws each number from 000 to 999.",
        "Mapa de quantas vezes {run} desenha cada número de 000 a 999.",
    ),
    "why_no_mode": ("no sample lies at a mode", "nenhuma amostra fica em um modo"),
    # few steps
    "steps_title": ("Few steps", "Poucos passos"),
    "steps_reading": (
        "Each line is one sampler: further right the network is called more often for each image, "
        "further down the images come nearer to real ones. Where a line is flat, more steps buy "
        "nothing. Bars are 95 % intervals; both axes are logarithmic.",
        "Cada linha é um amostrador: mais à direita a rede é chamada mais vezes por imagem, mais "
        "abaixo as imagens ficam mais perto das reais. Onde a linha é plana, mais passos não "
        "trazem nada. As barras são intervalos de 95 %; os dois eixos são logarítmicos.",
    ),
    "steps_of": ("Few steps of {run}", "Poucos passos de {run}"),
    "steps_x": ("network evaluations an image", "avaliações da rede por imagem"),
    "steps_way": (
        "{sampler} with {steps} steps ({evaluations} evaluations)",
        "{sampler} com {steps} passos ({evaluations} avaliações)",
    ),
    "steps_way_one": (
        "{sampler} with {steps} step ({evaluations} evaluations)",
        "{sampler} com {steps} passo ({evaluations} avaliações)",
    ),
    "steps_enough": ("Enough: {way}.", "Basta: {way}."),
    "steps_overlaps": (
        "{label} {value} is not distinguishable from the best, {best_value} by {best}: the 95 % "
        "interval of the difference holds 0.",
        "{label} {value} não se distingue do melhor, {best_value} com {best}: o intervalo de "
        "95 % da diferença contém 0.",
    ),
    "steps_best_alone": (
        "{label} {best_value} is the best, and distinguishable from all with fewer evaluations.",
        "{label} {best_value} é o melhor, e se distingue de todos com menos avaliações.",
    ),
    "steps_no_answer": (
        "How few steps are enough cannot be told from these numbers.",
        "Estes números não dizem quantos passos bastam.",
    ),
    "steps_own": ("Ring: as its recipe draws, {way}.", "Anel: como a receita desenha, {way}."),
    "steps_floor": (
        "Dashed: other real images, as many as are drawn.",
        "Tracejado: outras imagens reais, tantas quantas as desenhadas.",
    ),
    "steps_n": (
        "{n} images a point, against {real} real ones. A Fréchet distance of fewer images is "
        "higher: compare these numbers with each other, not with other tables.",
        "{n} imagens por ponto, contra {real} reais. A distância de Fréchet de menos imagens é "
        "maior: compare estes números entre si, não com outras tabelas.",
    ),
    "steps_biased": (
        "So few images leave this Fréchet distance biased and without an error: the kernel "
        "distance (KID) decides what is enough.",
        "Com tão poucas imagens esta distância de Fréchet é enviesada e sem erro: a distância de "
        "kernel (KID) decide quanto basta.",
    ),
    "steps_first": (
        "Drawn from the first run of the group, {run}.",
        "Desenhado da primeira execução do grupo, {run}.",
    ),
    "steps_says": (
        "{name} from {first} at {few} to {last} at {many} evaluations",
        "{name} de {first} com {few} a {last} com {many} avaliações",
    ),
    "steps_says_one": ("{name} {first} at {few}", "{name} {first} com {few}"),
    "steps_numbers": ("The numbers of this curve", "Os números desta curva"),
    "steps_steps": ("Steps", "Passos"),
    "steps_is_own": ("the recipe's", "da receita"),
    "steps_is_best": ("best", "melhor"),
    "steps_is_fewest": ("enough", "basta"),
    # training
    "training_title": ("How they learnt", "Como aprenderam"),
    "no_curves": ("There are no curves to show.", "Não há curvas a mostrar."),
    "watched_text": (
        "Measured during training on few images of another split: good for seeing the course, not "
        "for comparing with the numbers above.",
        "Medido durante o treino com poucas imagens de outra divisão: serve para ver o percurso, "
        "não para comparar com os números acima.",
    ),
    "losses_title": ("Losses", "Perdas"),
    "losses_reading": (
        "Each generator has losses of its own kind, so each has its own axes: a lower loss than "
        "another generator's means nothing. The pale band is the range of what was averaged.",
        "Cada gerador tem perdas do seu próprio tipo, por isso cada um tem seus eixos: uma perda "
        "menor que a de outro gerador nada significa. A faixa clara é a amplitude do que foi "
        "promediado.",
    ),
    "scalars_title": ("Other logged quantities", "Outras quantidades registradas"),
    "over_images": ("images seen", "imagens vistas"),
    "over_seconds": ("training time", "tempo de treino"),
    "from_to": ("{name} from {first} to {last}", "{name} de {first} a {last}"),
    "losses_of": ("Losses of {run}", "Perdas de {run}"),
    "scalars_of": ("Logged quantities of {run}", "Quantidades registradas de {run}"),
    "gifs_title": ("From noise to pictures", "Do ruído às imagens"),
    "gif_alternative": (
        "Animation: the same seeds of {run} as training goes on.",
        "Animação: as mesmas sementes de {run} ao longo do treino.",
    ),
    "still_alternative": (
        "The last picture of that animation of {run}.",
        "A última imagem dessa animação de {run}.",
    ),
    "gif_unreadable": (
        "The animation's file cannot be read.",
        "Não é possível ler o arquivo da animação.",
    ),
    # what is missing, and why
    "other_table": (
        "{few} are taken of as many images of both sides, here {n}; {all} of all of them, {n_fake} "
        "generated and {n_real} real: so they stand in tables of their own.",
        "{few} usam o mesmo número de imagens dos dois lados, aqui {n}; {all} usam todas, {n_fake} "
        "geradas e {n_real} reais: por isso ficam em tabelas separadas.",
    ),
    "no_value": ("{metric} of {runs} has no value: {why}.", "{metric} de {runs} sem valor: {why}."),
    "no_floor": (
        "No value of real images stands beside {metrics}: it takes {n} others than the reference, "
        "as many as were generated, and there are fewer.",
        "Não há valor de imagens reais ao lado de {metrics}: são precisas {n} além das de "
        "referência, tantas quantas as geradas, e há menos.",
    ),
    "why_few": ("too few images", "há poucas imagens"),
    "why_few_for_features": (
        "too few images for that many features",
        "há poucas imagens para tantas características",
    ),
    "why_no_classes": (
        "the network whose features are compared knows no classes",
        "a rede cujas características são comparadas não conhece classes",
    ),
    "why_none_held_out": (
        "fewer than 20 real images are held out from the training",
        "menos de 20 imagens reais ficaram fora do treino",
    ),
    "why_not_told": ("this system does not tell it", "este sistema não a informa"),
    "why_unknown": (
        "it cannot be computed from these images",
        "não pode ser calculado com estas imagens",
    ),
    # what a reader must know of data and runs; {said}: words of a log or of the data, in English
    "note_images": ("{said}", "Sobre as imagens, em inglês: {said}"),
    "note_searched": (
        "copies were looked for among {n} of {all} training images",
        "cópias foram procuradas entre {n} de {all} imagens de treino",
    ),
    "note_none_held_out": (
        "no image is held out: there is no floor, and copies cannot be told",
        "nenhuma imagem ficou fora do treino: não há piso, e não se reconhecem cópias",
    ),
    "note_crowded": (
        "other programs took {n} % of a core while {said} was timed: its speed is too low",
        "outros programas ocuparam {n} % de um núcleo enquanto {said} era cronometrado: "
        "a velocidade está abaixo da real",
    ),
    "note_little_trained": (
        "{said} is drawn as it was after {n} images, fewer than a hundred steps: it has hardly "
        "learnt anything",
        "{said} é desenhado como estava após {n} imagens, menos de cem passos: quase não aprendeu "
        "nada",
    ),
    "note_rollback": (
        "went back at {n} images: {said}",
        "voltou atrás em {n} imagens; o registro diz, em inglês: {said}",
    ),
    "note_other_machine": (
        "went on at {n} images on another machine",
        "continuou em {n} imagens em outra máquina",
    ),
    "note_ended": (
        "ended at {n} images: {said}",
        "terminou em {n} imagens; o registro diz, em inglês: {said}",
    ),
    "note_unfinished": (
        "not finished: {n} images so far",
        "não terminado: {n} imagens até agora",
    ),
    # signs of illness; their own words stand in `diagnosis`
    "ills_title": ("Signs of illness", "Sinais de doença"),
    "ills_reading": (
        "What the doctor saw in the log of each training; the curves below are marked where a sign "
        "began. A sign is a hint, not a proof: look at the pictures, too.",
        "O que o médico viu no registro de cada treino; as curvas abaixo estão marcadas onde um "
        "sinal começou. Um sinal é um indício, não uma prova: olhe também as imagens.",
    ),
    "ills_none": ("No sign of illness was seen.", "Nenhum sinal de doença foi visto."),
    "ills_few": (
        "Fewer than a hundred steps were logged: too few for most signs.",
        "Menos de cem passos foram registrados: poucos para a maioria dos sinais.",
    ),
    "ill_since": ("since {since} images", "desde {since} imagens"),
    "ill_until": ("from {since} to {until} images", "de {since} a {until} imagens"),
    "ill_try": ("To try:", "O que tentar:"),
    # recipes, machine, the rest
    "recipes_title": ("Recipes, and where they differ", "Receitas, e onde diferem"),
    "recipes_reading": (
        "Only the fields of the recipes that are not the same.",
        "Apenas os campos das receitas que não são iguais.",
    ),
    "recipes_lone": ("Fields that not every recipe has", "Campos que nem toda receita tem"),
    "recipes_same": ("The recipes are the same.", "As receitas são iguais."),
    "recipe_of": ("Whole recipe of", "Receita completa de"),
    "no_recipe": ("No recipe is known.", "Nenhuma receita é conhecida."),
    "field": ("Field", "Campo"),
    "group_text": (
        "A group of {n} runs that differ only in their seed ({seeds}): {members}.",
        "Um grupo de {n} execuções que diferem só na semente ({seeds}): {members}.",
    ),
    "machine_title": ("The machine", "A máquina"),
    "machine_reading": (
        "Speed was measured here; on another machine it is another number.",
        "A velocidade foi medida aqui; em outra máquina é outro número.",
    ),
    "machine_unlike": ("Trained on unlike machines", "Treinados em máquinas diferentes"),
    "no_machine": ("The machine was not recorded.", "A máquina não foi registrada."),
    "notes_title": ("Good to know", "Bom saber"),
    "glossary_title": ("What the words mean", "O que as palavras significam"),
    "licences_title": ("Licences", "Licenças"),
    "no_licences": ("No licence note is recorded.", "Nenhuma nota de licença registrada."),
    "again_title": ("Make this report again", "Refazer este relatório"),
    "footer": (
        "Made by Trilemma. This page loads nothing from anywhere and runs no script.",
        "Feito por Trilemma. Esta página não carrega nada de lugar algum e não executa scripts.",
    ),
    "loss": ("loss", "perda"),
}
