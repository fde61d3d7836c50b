"""The page's words of what enlarges images."""

from collections.abc import Mapping

ENLARGING: Mapping[str, tuple[str, str]] = {  # (English, Portuguese)
    "kind_model": ("trained elsewhere, or a formula", "treinado alhures, ou uma fórmula"),
    "crops_title": ("Enlarged, side by side", "Ampliadas, lado a lado"),
    "crops_reading": (
        "Three of the {n} held-out images: the one that {run} enlarged worst, the one in the "
        "middle, and the best, by {metric}. Shown is the square of the real image with most "
        "detail, pixel by pixel; the numbers are of the whole image: PSNR (Y), and the perceptual "
        "distance where it is known.",
        "Três das {n} imagens reservadas: a que {run} ampliou pior, a do meio e a melhor, por "
        "{metric}. Mostra-se o quadrado da imagem real com mais detalhe, pixel a pixel; os números "
        "são da imagem inteira: PSNR (Y) e, quando conhecida, a distância perceptual.",
    ),
    "crop_worst": ("The worst", "A pior"),
    "crop_median": ("The middle", "A do meio"),
    "crop_best": ("The best", "A melhor"),
    "crop_real": ("real image", "imagem real"),
    "crop_low": ("small image", "imagem pequena"),
    "crop_alternative": ("{name}: a square of {image}.", "{name}: um quadrado de {image}."),
    "psnr_y": ("PSNR (Y), dB", "PSNR (Y), dB"),
    "ssim_y": ("SSIM (Y)", "SSIM (Y)"),
    "psnr_rgb": ("PSNR (RGB), dB", "PSNR (RGB), dB"),
    "ssim_rgb": ("SSIM (RGB)", "SSIM (RGB)"),
    "psnr_gain": ("dB (Y) above bicubic", "dB (Y) acima da bicúbica"),
    "perceptual": ("Perceptual distance", "Distância perceptual"),
    "lpips": ("LPIPS (AlexNet)", "LPIPS (AlexNet)"),
    "lpips_vgg": ("LPIPS (VGG16)", "LPIPS (VGG16)"),
    "seconds_per_megapixel": ("Seconds per megapixel", "Segundos por megapixel"),
}
