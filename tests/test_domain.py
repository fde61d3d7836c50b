"""Domain classifiers: the network, training on the spot, the files, and the two that ship."""

import json
import os
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, relu

from trilemma.data.named import NAMED
from trilemma.errors import DataError, RunError
from trilemma.features import domain, extractors
from trilemma.features.domain_training import Training, _moved, _orders, train_domain
from trilemma.features.extractor import Pixels
from trilemma.nets.classifier import Classifier

DATA = Path(
    os.environ.get("TRILEMMA_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data"
)  # fmt: skip
CLASSES = ("left", "right", "lower")
SHORT = Training(epochs=10, batch=25, shift=1, degrees=0)


def spots(n: int, *, seed: int, channels: int = 1) -> tuple[Pixels, np.ndarray]:
    """Noisy images of 12x16 with a bright spot on the left, on the right, or below."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    pixels = rng.integers(0, 120, (n, 12, 16, channels), dtype=np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        row, column = ((3, 2), (3, 11), (8, 6))[label]
        image[row : row + 3, column : column + 3] += 130
    return pixels, labels


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pixels, labels = spots(204, seed=0)
    labels[::50] = -1  # not labelled: left out
    out = tmp_path_factory.mktemp("domain") / "spots"
    return train_domain(pixels, labels, CLASSES, out=out, source="spots", licence="CC0",
                        training=SHORT, held_out=spots(90, seed=1))  # fmt: skip


def test_the_network_by_hand() -> None:
    torch.manual_seed(0)
    net = Classifier(channels=3, classes=4, width=2, features=5)
    for name, tensor in net.state_dict().items():
        if "running" in name or "weight" in name:
            tensor.uniform_(0.1, 1.0)
    net.eval()
    images = torch.randn(2, 3, 9, 13)
    x = images
    for index, (kernel, stride) in enumerate([(5, 2), (3, 1), (3, 2), (3, 1), (3, 1)]):
        state = {key: value.detach() for key, value in net.body[3 * index + 1].state_dict().items()}
        x = conv2d(x, net.body[3 * index].weight.detach(), stride=stride, padding=kernel // 2)
        shape = (1, -1, 1, 1)
        x = (x - state["running_mean"].view(shape)) / (
            state["running_var"].view(shape) + 1e-5
        ).sqrt()
        x = relu(x * state["weight"].view(shape) + state["bias"].view(shape))
    wanted = x.sum(dim=(2, 3)) / (3 * 4)
    features, logits = net(images)
    torch.testing.assert_close(features, wanted)
    torch.testing.assert_close(logits, wanted @ net.head.weight.T + net.head.bias)


def test_it_learns_and_says_how_well(saved: Path) -> None:
    extractor = extractors.load(str(saved))
    pixels, labels = spots(200, seed=2)
    made = extractor(pixels)
    assert (made.logits.argmax(axis=1) == labels).mean() > 0.9
    assert extractor.accuracy > 0.9
    assert extractor.classes == CLASSES
    assert made.features.shape == (200, extractor.features) == (200, 64)
    facts = json.loads(saved.with_suffix(".json").read_text(encoding="utf-8"))
    assert (facts["trained"], facts["held_out"], facts["licence"]) == (199, 90, "CC0")
    right = (extractor(spots(90, seed=1)[0]).logits.argmax(axis=1) == spots(90, seed=1)[1]).mean()
    assert extractor.accuracy == pytest.approx(right)  # of the weights as they were stored


def test_both_files_name_it_and_size_and_colour_are_converted(saved: Path) -> None:
    by_json = extractors.load(str(saved.with_suffix(".json")))
    by_weights = extractors.load(str(saved))
    assert by_json.id == by_weights.id
    assert by_json.weights_sha256[:8] in by_json.id
    grey = spots(20, seed=3)[0]
    wanted = by_weights(grey).features
    np.testing.assert_array_equal(by_json(np.repeat(grey, 3, axis=3)).features, wanted)
    large = grey.repeat(2, axis=1).repeat(2, axis=2)
    assert np.abs(by_json(large).features - wanted).mean() < 0.2 * wanted.std()


def test_one_thread_one_seed_one_file(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pixels, labels = spots(60, seed=4, channels=3)
    made = [
        train_domain(pixels, labels, CLASSES, out=tmp_path / str(index), source="spots",
                     training=Training(epochs=1, batch=16, seed=seed))
        for index, seed in enumerate((0, 0, 1))
    ]  # fmt: skip
    torch.set_num_threads(threads)
    first, again, other = (path.read_bytes() for path in made)
    assert first == again != other


def test_nothing_is_drawn_from_the_global_generator(tmp_path: Path) -> None:
    pixels, labels = spots(40, seed=5)
    torch.manual_seed(9)
    before = torch.random.get_rng_state()
    train_domain(pixels, labels, CLASSES, out=tmp_path / "x", source="spots",
                 training=Training(epochs=1, batch=16))  # fmt: skip
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("labels", [[-1] * 40, [2] * 40, [0, 1] * 4 + [-1] * 32])
def test_too_few_labels_are_one_line(labels: list[int], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ten of two"):
        train_domain(
            spots(40, seed=6)[0], np.array(labels), CLASSES, out=tmp_path / "x", source="s"
        )


def test_every_image_comes_once_a_pass() -> None:
    batches = list(_orders(7, 3, 7, torch.Generator().manual_seed(0)))
    drawn = torch.cat(batches).tolist()
    assert [len(batch) for batch in batches] == [3] * 7
    passes = [drawn[start : start + 7] for start in (0, 7, 14)]
    assert all(sorted(one) == list(range(7)) for one in passes)
    assert passes[0] != passes[1]


def moved(images: Tensor, **how: float) -> Tensor:
    still = {"degrees": 0.0, "zoom": 0.0, "shift": 0.0}
    training = Training(**(still | how))  # type: ignore[arg-type]
    return _moved(images, training, torch.Generator().manual_seed(0))


def test_moving_by_nothing_is_nothing_and_flips_are_flips() -> None:
    images = torch.rand(40, 2, 5, 8)
    torch.testing.assert_close(moved(images), images)
    flipped = moved(images, flip=True)
    mirrored = torch.isclose(flipped, images.flip(3)).flatten(1).all(dim=1)
    same = torch.isclose(flipped, images).flatten(1).all(dim=1)
    assert (mirrored ^ same).all()
    assert 8 < int(mirrored.sum()) < 32


def test_shifts_turns_and_zooms_are_bounded() -> None:
    """Where a bright dot goes: at most as far as asked, and some of it nearly that far."""
    dot = torch.zeros(300, 1, 41, 41)
    dot[:, :, 20, 30] = 1.0  # ten pixels right of the middle
    rows = torch.arange(41.0).view(1, 1, 41, 1) - 20
    columns = torch.arange(41.0).view(1, 1, 1, 41) - 20

    def places(images: Tensor) -> tuple[Tensor, Tensor]:
        total = images.sum(dim=(2, 3))
        return (images * rows).sum(dim=(2, 3)) / total, (images * columns).sum(dim=(2, 3)) / total

    y, x = places(moved(dot, shift=3))
    assert 2.5 < y.abs().max() < 3.05
    assert 2.5 < (x - 10).abs().max() < 3.05
    y, x = places(moved(dot, degrees=15))
    assert 2.2 < y.abs().max() < 10 * np.sin(np.deg2rad(15)) + 0.2
    torch.testing.assert_close(y**2 + x**2, torch.full_like(x, 100.0), rtol=0.05, atol=0)
    y, x = places(moved(dot, zoom=0.2))
    assert 8.2 < x.min() < 8.7
    assert 11.8 < x.max() < 12.8


def spoil_weights(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def spoil_facts(path: Path) -> None:
    path.with_suffix(".json").write_text("{}")


def future_facts(path: Path) -> None:
    facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    path.with_suffix(".json").write_text(json.dumps(facts | {"schema": 99}))


def other_classes(path: Path) -> None:
    facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    path.with_suffix(".json").write_text(json.dumps(facts | {"classes": ["a", "b"]}))


def no_facts(path: Path) -> None:
    path.with_suffix(".json").unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_weights, "sha256"),
        (spoil_facts, "does not describe"),
        (future_facts, "newer"),
        (other_classes, "not the weights"),
        (no_facts, r"no x\.json there"),
    ],
)
def test_a_damaged_classifier_is_one_line(
    saved: Path, tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    copy = tmp_path / "x.safetensors"
    copy.write_bytes(saved.read_bytes())
    copy.with_suffix(".json").write_bytes(saved.with_suffix(".json").read_bytes())
    spoil(copy)
    with pytest.raises(RunError, match=words) as caught:
        extractors.load(str(copy))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "accuracy", "trained"), [("digits", 0.993, 55_000), ("fashion-mnist", 0.92, 60_000)]
)
def test_the_shipped_ones(source: str, accuracy: float, trained: int) -> None:
    extractor = extractors.load("domain", source=f"{source}:test")
    assert extractor.accuracy > accuracy
    assert extractor.classes == NAMED[source].classes
    assert extractor.features == 64
    facts = json.loads(
        (files("trilemma.features") / "embedded" / f"{source}.json").read_text(encoding="utf-8")
    )
    assert (facts["trained"], facts["held_out"]) == (trained, 10_000)
    assert facts["licence"] == extractor.licence == NAMED[source].licence


def test_the_shipped_ones_are_small() -> None:
    folder = Path(str(files("trilemma.features") / "embedded"))
    assert sum(path.stat().st_size for path in folder.glob("*.safetensors")) < 1_000_000


def test_every_source_of_the_table_has_its_files() -> None:
    folder = files("trilemma.features") / "embedded"
    for source, name in domain.EMBEDDED.items():
        assert (folder / f"{name}.safetensors").is_file()
        assert NAMED[source].classes == extractors.load("domain", source=source).classes


def share_right(source: str, folder: Path, n: int) -> float:
    """The accuracy on n test images spread over the file, as someone else would measure it."""
    arrays = NAMED[source].read(folder, "test")
    assert arrays is not None
    step = len(arrays[1]) // n
    logits = extractors.load("domain", source=source)(arrays[0][::step]).logits
    return float((logits.argmax(axis=1) == arrays[1][::step]).mean())


def test_the_digits_classifier_knows_digits_it_never_saw() -> None:
    """The embedded ones: left out of its training."""
    assert share_right("digits", Path(), 500) > 0.985


@pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason="TRILEMMA_TEST_DATA names no mnist")
def test_its_accuracy_on_mnist_is_what_is_written() -> None:
    accuracy = extractors.load("domain", source="mnist").accuracy
    assert share_right("mnist", DATA / "mnist/MNIST/raw", 2000) == pytest.approx(
        accuracy, abs=0.005
    )


FASHION = Path(NAMED["fashion-mnist"].system[0])


@pytest.mark.skipif(not FASHION.is_dir(), reason="no dataset-fashion-mnist on this system")
def test_its_accuracy_on_fashion_is_what_is_written() -> None:
    accuracy = extractors.load("domain", source="fashion-mnist").accuracy
    assert share_right("fashion-mnist", FASHION, 2000) == pytest.approx(accuracy, abs=0.015)
