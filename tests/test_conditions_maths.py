import torch
from torch.nn.functional import cross_entropy

from trilemma.maths.conditions import one_hot, scaled, wrong_attributes, wrong_class


def test_one_hot_by_hand_and_unknown_classes_are_zeros() -> None:
    found = one_hot(torch.tensor([2, -1, 0]), count=3)
    assert found.tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]


def test_attributes_are_brought_to_minus_one_to_one() -> None:
    low, high = torch.tensor([0.0, -90.0, 5.0]), torch.tensor([1.0, 90.0, 5.0])
    found = scaled(torch.tensor([[1.0, 45.0, 5.0], [0.25, -90.0, 7.0]]), low=low, high=high)
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.5, 0.0], [-0.5, -1.0, 0.0]]))


def test_a_wrong_class_costs_its_cross_entropy_and_an_unknown_one_nothing() -> None:
    guess, classes = torch.tensor([[0.3, -1.0, 2.0], [0.1, 0.2, 0.3]]), torch.tensor([1, -1])
    found = wrong_class(guess, one_hot(classes, count=3))
    expected = cross_entropy(guess[:1], classes[:1])
    torch.testing.assert_close(found, torch.stack([expected, torch.tensor(0.0)]))


def test_wrong_attributes_by_hand() -> None:
    found = wrong_attributes(torch.tensor([[0.5, -1.0]]), torch.tensor([[0.0, 1.0]]))
    torch.testing.assert_close(found, torch.tensor([(0.25 + 4.0) / 2]))
