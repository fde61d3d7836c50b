"""What the words for enlarged images mean."""

from collections.abc import Mapping

ENLARGED: Mapping[str, tuple[tuple[str, str], tuple[str, str]]] = {  # (English, Portuguese)
    "psnr_y": (
        ("PSNR (Y)", "Pixel error of an enlarged image's brightness, in decibels."),
        ("PSNR (Y)", "Erro dos pixels no brilho de uma imagem ampliada, em decibéis."),
    ),
    "ssim_y": (
        ("SSIM (Y)", "Likeness of local structure in brightness; 1 is the same image."),
        ("SSIM (Y)", "Semelhança da estrutura local no brilho; 1 é a mesma imagem."),
    ),
    "psnr_rgb": (
        ("PSNR (RGB)", "Pixel error of an enlarged image's three colours, in decibels."),
        ("PSNR (RGB)", "Erro dos pixels nas três cores de uma imagem ampliada, em decibéis."),
    ),
    "ssim_rgb": (
        ("SSIM (RGB)", "Likeness of local structure, mean of the three colours."),
        ("SSIM (RGB)", "Semelhança da estrutura local, média das três cores."),
    ),
    "psnr_gain": (
        (
            "dB (Y) above bicubic",
            "How much nearer to the real images than bicubic enlargements of the same small ones.",
        ),
        (
            "dB (Y) acima da bicúbica",
            "Quanto mais perto das imagens reais do que ampliações bicúbicas das mesmas pequenas.",
        ),
    ),
    "perceptual": (
        (
            "Perceptual distance",
            "How unlike two images look to a frozen network (maps of EfficientNet-Lite0); 0 is the "
            "same image. It forgives pixels and punishes blur, so it can rise where PSNR does.",
        ),
        (
            "Distância perceptual",
            "Quão diferentes duas imagens parecem a uma rede congelada (mapas da "
            "EfficientNet-Lite0); 0 é a mesma imagem. Perdoa pixels e pune borrões.",
        ),
    ),
    "seconds_per_megapixel": (
        ("Seconds per megapixel", "Time to make a million pixels of enlarged image, one alone."),
        ("Segundos por megapixel", "Tempo de um milhão de pixels de imagem ampliada, uma por vez."),
    ),
    "lpips": (
        (
            "LPIPS (AlexNet)",
            "How unlike two images look to AlexNet, weighed by what people said of such pairs; 0 "
            "is the same image.",
        ),
        (
            "LPIPS (AlexNet)",
            "Quão diferentes duas imagens parecem à AlexNet, segundo o que pessoas disseram de "
            "pares assim; 0 é a mesma imagem.",
        ),
    ),
    "lpips_vgg": (
        ("LPIPS (VGG16)", "The same with VGG16 in AlexNet's place; the numbers are others."),
        ("LPIPS (VGG16)", "O mesmo com a VGG16 no lugar da AlexNet; os números são outros."),
    ),
}
