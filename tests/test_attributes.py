"""Numbers beside images: reading the CSV, and what a recipe learns from it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from trilemma.data.attributes import read_attributes
from trilemma.data.batches import Batches
from trilemma.data.labels import labelled
from trilemma.data.sources import open_source
from trilemma.errors import DataError, RecipeError
from trilemma.recipe.recipe import DataRecipe, Recipe

IMAGES = ["a.png", "sub/b.png", "sub/c.jpg"]


@pytest.mark.parametrize(
    "text",
    [
        "file,smile,angle\na.png,1,-30\nsub/b.png,0,45.5\nsub/c.jpg,1,0\n",
        "file;smile;angle\nc;true;0\nb;no;45.5\na;yes;-30\n",  # no ending, other order, semicolons
        "\ufefffile, smile, angle\r\n./sub\\b.png,0,45.5\r\na.png,1,-30\r\nc.jpg,1,0\r\n\r\n",
    ],
)
def test_rows_are_found_by_name_in_many_spellings(tmp_path: Path, text: str) -> None:
    path = tmp_path / "faces.csv"
    path.write_text(text, encoding="utf-8", newline="")
    names, values = read_attributes(path, IMAGES)
    assert names == ("smile", "angle")
    assert values.dtype == np.float32
    assert values.tolist() == [[1, -30], [0, 45.5], [1, 0]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,smile\na.png,1\nb,0\n", r"no row for 1 of 3 images \(first: sub/c.jpg\)"),
        ("file,smile\na.png,wide\n", "a.png, smile is 'wide'; allowed: a number"),
        ("file,smile\na.png,nan\n", "a.png, smile is 'nan'"),
        ("file,smile\na.png,1,2\n", "has 2 values, the header 1 names"),
        ("a.png\n", "names 0 attributes"),
        ("file,smile,smile\n", "each name once|with each name once"),
        ("", "names 0 attributes"),
        ("a.png,0.5\nb.png,1\n", "its first row holds numbers; put a header above it"),
        ("file,smile\na.png,1\nb.png,1\nc.jpg,0\na.png,0\n", "has two rows for a.png"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "faces.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        read_attributes(path, IMAGES)
    with pytest.raises(DataError, match="no such file"):
        read_attributes(tmp_path / "gone.csv", IMAGES)


def faces(folder: Path) -> DataRecipe:
    """Describe a folder of digits, and a CSV in it with two numbers for each."""
    root = str(tiny.numbered(folder))
    return DataRecipe(root=root, size="28x28", channels=1, attributes="faces.csv")


def test_batches_carry_the_numbers_of_their_images(tmp_path: Path) -> None:
    source = open_source(faces(tmp_path / "faces"), "train")
    assert source.attribute_names == ("odd", "number")
    batches = Batches(source, 8, seed=0)
    labels = batches.at(0).labels
    assert labels is not None
    expected = [
        [int(source.names[row][:2]) % 2, int(source.names[row][:2])] for row in batches.rows(0)
    ]
    assert labels.tolist() == expected


def test_other_numbers_are_other_data(tmp_path: Path) -> None:
    data = faces(tmp_path / "faces")
    one = open_source(data, "train")
    path = tmp_path / "faces" / "faces.csv"
    path.write_text(path.read_text().replace("05.png,1,5", "05.png,0,5"))
    other = open_source(data, "train")
    assert one.fingerprint != other.fingerprint
    assert one.fingerprint != open_source(replace(data, attributes=""), "train").fingerprint


def test_a_recipe_learns_the_names_and_ranges(tmp_path: Path) -> None:
    data = faces(tmp_path / "faces")
    source = open_source(data, "train")
    recipe = Recipe(data=data, family=replace(tiny.GAN, condition="concat"))
    filled = labelled(recipe, source)
    numbers = [int(name[:2]) for name in source.names]
    assert filled.data.labels == ("odd", "number")
    assert filled.data.label_low == (0.0, float(min(numbers)))
    assert filled.data.label_high == (1.0, float(max(numbers)))
    assert labelled(filled, source) == filled
    assert labelled(replace(recipe, family=tiny.GAN), source).data.labels == ()


def test_labels_that_are_not_there_or_are_others_are_refused(tmp_path: Path) -> None:
    data = replace(faces(tmp_path / "faces"), attributes="")
    source = open_source(data, "train")
    recipe = Recipe(data=data, family=replace(tiny.GAN, condition="concat"))
    with pytest.raises(RecipeError, match="needs labels, and faces:train has none"):
        labelled(recipe, source)
    classes = replace(source, classes=("a", "b"), labels=np.zeros(len(source), dtype=np.int64))
    known = replace(recipe, data=replace(data, labels=("a", "c")))
    with pytest.raises(RecipeError, match="labels are a, c, those of faces:train a, b"):
        labelled(known, classes)
    assert torch.equal(torch.tensor(classes.labels), torch.zeros(len(source), dtype=torch.int64))


def test_a_row_that_fits_two_images_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    path.write_text("file,smile\n1.png,1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"1\.png fits a/1\.png and b/1\.png; name the folder"):
        read_attributes(path, ["a/1.png", "b/1.png"])
