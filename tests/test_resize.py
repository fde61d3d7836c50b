from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from trilemma.maths.resize import cubic, imresize, rounded, taps


def levels(path: Path) -> Tensor:
    """Read RGB levels, float64 [1, 3, H, W]."""
    pixels = np.array(Image.open(path).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].double()


def test_the_kernel_is_keys_with_a_half() -> None:
    x = torch.tensor([0.0, 0.5, 1.0, -1.5, 2.0, 3.0], dtype=torch.float64)
    by_hand = torch.tensor([1, 9 / 16, 0, -1 / 16, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(cubic(x), by_hand)


def test_weights_of_an_enlargement_by_two_by_hand() -> None:
    """Between pixels at 1/4 and 3/4 of the way; the first one's left neighbours are mirrored."""
    rows, weights = taps(5, 10)
    at_quarter = [-9 / 128, 111 / 128, 29 / 128, -3 / 128]  # cubic(1.25), (0.25), (0.75), (1.75)
    full = torch.zeros(10, 5, dtype=torch.float64).scatter_add(1, rows, weights)
    torch.testing.assert_close(full[5, 1:].tolist(), at_quarter)
    # The first lies at -1/4: pixels -2, -1, 0, 1 weigh -3, 29, 111, -9, and -1 is 0 mirrored.
    torch.testing.assert_close(full[0, :2].tolist(), [(29 + 111) / 128, (-3 - 9) / 128])


@pytest.mark.parametrize(("inside", "outside"), [(40, 10), (10, 40), (37, 11), (9, 25)])
def test_a_ramp_stays_a_ramp_away_from_the_border(inside: int, outside: int) -> None:
    """Keys' kernel reproduces lines; antialiased, it does where the scale divides evenly."""
    ramp = torch.arange(inside, dtype=torch.float64).expand(1, 1, 3, inside)
    out = imresize(ramp, (3, outside))[0, 0, 1]
    places = (torch.arange(outside, dtype=torch.float64) + 0.5) * inside / outside - 0.5
    reach = 2 * max(1.0, inside / outside) + 1
    middle = (places > reach) & (places < inside - 1 - reach)
    assert middle.any()
    tolerance = 1e-12 if inside % outside == 0 or outside > inside else 0.02
    assert (out - places)[middle].abs().max() < tolerance


def test_flat_images_stay_flat_and_a_mirror_image_is_mirrored() -> None:
    assert (imresize(torch.full((1, 3, 17, 9), 77.0), (5, 20)) - 77).abs().max() < 1e-4
    image = torch.rand(2, 3, 20, 12, dtype=torch.float64)
    small = imresize(image, (5, 3))
    torch.testing.assert_close(imresize(image.flip(-1), (5, 3)), small.flip(-1))
    torch.testing.assert_close(imresize(image.mT, (3, 5)), small.mT)


def test_halves_are_rounded_up() -> None:
    given = torch.tensor([-3.0, 0.5, 1.5, 2.49, 254.5, 300.0])
    assert rounded(given).tolist() == [0, 1, 2, 2, 255, 255]


def test_float32_is_near_float64() -> None:
    image = 255 * torch.rand(1, 3, 32, 32)
    assert (imresize(image, (8, 8)) - imresize(image.double(), (8, 8))).abs().max() < 1e-3


def test_the_small_images_of_set14_to_the_bit(shared_data: Path) -> None:
    files = sorted((shared_data / "sr-test" / "Set14" / "HR").glob("*.png"))
    assert len(files) == 14
    for file in files:
        high = levels(file)
        height, width = (side // 4 * 4 for side in high.shape[2:])
        low = rounded(imresize(high[..., :height, :width], (height // 4, width // 4)))
        assert torch.equal(low, levels(file.parents[1] / "LR_bicubic_X4" / file.name)), file.name


def test_within_two_levels_of_matlabs_own_on_set5(shared_data: Path) -> None:
    for file in sorted((shared_data / "sr-test" / "Set5" / "HR").glob("*.png")):
        high, low = levels(file), levels(file.parents[1] / "LR_bicubic_X4" / file.name)
        height, width = (4 * side for side in low.shape[2:])
        mine = rounded(imresize(high[..., :height, :width], (height // 4, width // 4)))
        assert (mine - low).abs().max() <= 2
