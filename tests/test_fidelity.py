import math
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from test_resize import levels
from trilemma.maths.fidelity import cropped, fidelity, luma, psnr, ssim
from trilemma.maths.resize import imresize, rounded


def test_psnr_by_hand() -> None:
    """One level everywhere: 20 log10(255) = 48.1308 dB; 51 levels on a quarter: 255^2/51^2 * 4."""
    real = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    made = real.clone()
    made[0] = 1
    made[1, :, :2, :2] = 51
    torch.testing.assert_close(psnr(made, real).tolist(), [48.13080361, 10 * math.log10(100)])
    assert psnr(real, real).tolist() == [math.inf, math.inf]


def test_luma_of_black_white_and_the_primaries() -> None:
    """ITU-R BT.601, limited range: 16, 235, and 16 plus each weight."""
    colours = [[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]
    y = luma(torch.tensor(colours, dtype=torch.float64)[..., None, None])
    torch.testing.assert_close(y.flatten().tolist(), [16.0, 235.0, 81.481, 144.553, 40.966])
    assert luma(torch.full((1, 1, 1, 1), 255.0)).item() == pytest.approx(235)
    assert luma(torch.full((1, 3, 1, 1), 100.0), whole=True).item() == 102  # 101.88


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_scikit_images(channels: int) -> None:
    rng = np.random.default_rng(0)
    real = rng.uniform(0, 255, (2, 24, 31, channels))
    made = np.clip(real * 0.8 + rng.normal(0, 20, real.shape), 0, 255)
    mine = ssim(*(torch.from_numpy(x).permute(0, 3, 1, 2) for x in (made, real)))
    for index in range(2):
        theirs = structural_similarity(
            made[index], real[index], data_range=255, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False, channel_axis=-1,
        )  # fmt: skip
        assert mine[index].item() == pytest.approx(theirs, abs=1e-12)
        theirs = peak_signal_noise_ratio(real[index], made[index], data_range=255)
        found = psnr(*(torch.from_numpy(x[[index]]) for x in (made, real))).item()
        assert found == pytest.approx(theirs, abs=1e-12)


def test_all_together_and_what_is_cut_off() -> None:
    real = torch.rand(2, 3, 21, 20) * 255
    made = real.clone()
    made[..., 0] += 100  # inside the border
    assert fidelity(made, real, border=4)["psnr_y"].tolist() == [math.inf] * 2
    assert fidelity(made, real, border=0)["psnr_rgb"].max() < 40
    assert fidelity(made, real, border=0).keys() == {"psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"}
    assert fidelity(made, real, border=6)["ssim_y"].isnan().all()  # 9 pixels hold no window


def pairs(folder: Path) -> list[tuple[Tensor, Tensor]]:
    """Read (low, high) levels of a set, high cut to four times low."""
    found = []
    for file in sorted((folder / "HR").glob("*.png")):
        low = levels(folder / "LR_bicubic_X4" / file.name)
        height, width = (4 * side for side in low.shape[2:])
        found.append((low, levels(file)[..., :height, :width]))
    return found


SETS = {"Set5": 28.43, "Set14": 26.09}  # dB, the set's own page and the literature


@pytest.mark.parametrize("name", SETS)
def test_bicubic_has_the_numbers_that_everybody_prints(name: str, shared_data: Path) -> None:
    found = [
        fidelity(rounded(imresize(low, (high.shape[2], high.shape[3]))), high, border=4)
        for low, high in pairs(shared_data / "sr-test" / name)
    ]
    psnrs = [row["psnr_y"].item() for row in found]
    assert sum(psnrs) / len(psnrs) == pytest.approx(SETS[name], abs=0.01)
    if name == "Set5":
        assert psnrs == pytest.approx([31.79, 30.18, 22.10, 31.62, 26.47], abs=0.01)
        assert np.mean([row["ssim_y"].item() for row in found]) == pytest.approx(0.8113, abs=1e-4)


def test_set5_on_rounded_luma(shared_data: Path) -> None:
    """The literature's 28.42: luma rounded, shrunk, rounded, enlarged, rounded."""
    found = []
    for low, high in pairs(shared_data / "sr-test" / "Set5"):
        real = luma(high, whole=True)
        small = rounded(imresize(real, (low.shape[2], low.shape[3])))
        made = rounded(imresize(small, (high.shape[2], high.shape[3])))
        found.append(psnr(cropped(made, 4), cropped(real, 4)).item())
    assert sum(found) / len(found) == pytest.approx(28.42, abs=0.01)
