"""What each word of a report means, in one sentence, in English and Portuguese."""

from trilemma.report.glossary_metrics import Entry

MEANINGS: tuple[Entry, ...] = (  # always shown
    Entry(
        (
            "Real images (floor, ceiling)",
            "What other real images score against the same reference: the best a generator can "
            "hope for, and rarely a perfect number.",
        ),
        (
            "Imagens reais (piso, teto)",
            "O que outras imagens reais obtêm contra a mesma referência: o melhor que um gerador "
            "pode esperar, e raramente um número perfeito.",
        ),
    ),
    Entry(
        (
            "Features",
            "Numbers by which a trained network describes an image; scores compare these, not "
            "pixels.",
        ),
        (
            "Características",
            "Números com que uma rede treinada descreve uma imagem; as medidas comparam estes, não "
            "os pixels.",
        ),
    ),
    Entry(
        (
            "± and the 95 % interval",
            "± is one standard error; the interval is 1.96 of them each way (over a few seeds "
            "Student's, which is wider), and in 95 of 100 such measurements it contains the true "
            "value.",
        ),
        (
            "± e o intervalo de 95 %",
            "± é um erro padrão; o intervalo são 1,96 deles para cada lado (sobre poucas "
            "sementes o de Student, mais largo), e em 95 de 100 medições assim ele contém o valor "
            "verdadeiro.",
        ),
    ),
    Entry(
        (
            "Seed",
            "The number from which all chance in a drawing or a training is made: the same seed "
            "gives the same picture.",
        ),
        (
            "Semente",
            "O número de que se faz todo o acaso de um desenho ou treino: a mesma semente dá a "
            "mesma imagem.",
        ),
    ),
    Entry(
        (
            "Evaluations",
            "How often the network is called for one picture: once in a GAN, many times in a "
            "diffusion model.",
        ),
        (
            "Avaliações",
            "Quantas vezes a rede é chamada por imagem: uma vez em uma GAN, muitas em um modelo de "
            "difusão.",
        ),
    ),
    Entry(
        (
            "GAN",
            "Two networks that learn against each other: one draws, the other tells drawings from "
            "real images.",
        ),
        (
            "GAN",
            "Duas redes que aprendem uma contra a outra: uma desenha, a outra separa desenhos de "
            "imagens reais.",
        ),
    ),
    Entry(
        (
            "Diffusion model",
            "A network that learns to remove noise, and draws by removing it step by step from "
            "pure noise.",
        ),
        (
            "Modelo de difusão",
            "Uma rede que aprende a remover ruído e desenha removendo-o passo a passo do ruído "
            "puro.",
        ),
    ),
)
