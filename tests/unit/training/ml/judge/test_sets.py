"""Sets of labels: their promise for each class, and the rows that have none or several."""

import numpy as np
import pytest

from training.ml.judge.sets import LEVELS, label_set, least_probabilities

CLASSES = ("no", "yes")


def rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of a rare class, and probabilities that are too sure of the frequent one."""
    random = np.random.default_rng(seed)
    positive = random.beta(0.4, 2, count)
    y = np.where(random.random(count) < positive, "yes", "no").astype(object)
    return y, np.column_stack([1 - positive**2, positive**2])


@pytest.mark.parametrize("level", LEVELS)
def test_each_class_is_in_the_sets_of_at_least_its_share_of_rows(level: float) -> None:
    y, proba = rows(4_000, 0)
    least = least_probabilities(y, proba, CLASSES)[str(level)]
    later, shares = rows(20_000, 1)
    for place, label in enumerate(CLASSES):
        of_class = shares[later == label][:, place]
        assert (of_class >= least[place]).mean() == pytest.approx(level, abs=0.02)


def test_a_class_with_few_rows_cannot_be_excluded() -> None:
    y = np.array(["no"] * 40 + ["yes"] * 5, dtype=object)
    proba = np.column_stack([np.linspace(0.99, 0.5, 45), np.linspace(0.01, 0.5, 45)])
    least = least_probabilities(y, proba, CLASSES)
    assert least["0.9"][1] == 0
    assert least["0.8"][1] == proba[y == "yes", 1].min()
    assert 0 < least["0.95"][0] < least["0.8"][0]


def test_a_level_that_just_fits_the_rows_excludes() -> None:
    y = np.array(["no"] * 9, dtype=object)
    proba = np.column_stack([np.arange(1, 10) / 10, 1 - np.arange(1, 10) / 10])
    assert least_probabilities(y, proba, ("no",))["0.9"] == [0.1]


def test_a_set_has_the_labels_that_reach_their_bound() -> None:
    assert label_set({"no": 0.7, "yes": 0.3}, [0.6, 0.2]) == ["no", "yes"]
    assert label_set({"no": 0.9, "yes": 0.1}, [0.6, 0.2]) == ["no"]
    assert label_set({"no": 0.5, "yes": 0.5}, [0.6, 0.6]) == []
