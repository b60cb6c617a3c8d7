import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_score, recall_score, roc_auc_score

from training.ml.tables.contract import Kind
from training.ml.watch import judged
from training.ml.watch.bins import Bins, Column
from training.ml.watch.shares import share


@pytest.mark.parametrize(("classes", "positive"), [(2, 1), (2, 0), (3, None)])
def test_scores_are_those_of_scikit_learn_within_their_intervals(classes: int, positive: int | None) -> None:
    random = np.random.default_rng(0)
    truth, predicted = random.integers(0, classes, 400), random.integers(0, classes, 400)
    found = judged.scores(confusion_matrix(truth, predicted), positive)
    average = {"average": "macro"} if positive is None else {"average": "binary", "pos_label": positive}
    assert found.accuracy == share(int((truth == predicted).sum()), 400)
    for mine, metric in ((found.precision, precision_score), (found.recall, recall_score)):
        assert mine is not None
        assert mine.value == pytest.approx(metric(truth, predicted, **average))
        assert mine.low < mine.value < mine.high


def test_what_is_not_defined_is_unknown() -> None:
    found = judged.scores(np.array([[5, 0], [0, 0]]), 1)
    assert (found.precision, found.recall) == (None, None)
    assert judged.scores(np.zeros((2, 2), dtype=int), 1).accuracy is None
    assert judged.roc_auc(np.array([1, 1]), np.full((2, 2), 0.5), 1) is None


@pytest.mark.parametrize(("classes", "positive"), [(2, 1), (3, None)])
def test_roc_auc_is_that_of_scikit_learn_and_its_interval_holds_it(
    classes: int, positive: int | None
) -> None:
    random = np.random.default_rng(1)
    truth = random.integers(0, classes, 300)
    proba = random.dirichlet(np.ones(classes), 300) + 0.5 * np.eye(classes)[truth]
    proba /= proba.sum(axis=1, keepdims=True)
    expected = roc_auc_score(truth, proba[:, 1] if classes == 2 else proba, multi_class="ovr")
    found = judged.roc_auc(truth, proba, positive)
    assert found is not None
    assert found.value == pytest.approx(expected)
    assert found.low < found.value < found.high


def places(rows: int, columns: int, seed: int) -> tuple[Bins, np.ndarray]:
    described = tuple(
        Column(f"c{place}", Kind.CATEGORY, values=tuple("abcdefgh")) for place in range(columns)
    )
    return Bins(described, ("no", "yes")), np.random.default_rng(seed).integers(0, 8, (rows, columns))


def test_the_worst_segment_is_first_and_surely_worse() -> None:
    bins, found = places(4_000, 10, seed=2)
    is_right = np.random.default_rng(3).random(4_000) < np.where(found[:, 4] == 2, 0.6, 0.8)
    first, *others = judged.segments(bins, found, is_right)
    assert (first.column, first.bin, first.is_worse) == (4, 2, True)
    assert not any(segment.is_worse for segment in others)
    assert len(others) == 79


def test_of_many_segments_that_do_not_differ_none_is_called_worse() -> None:
    """With intervals of 95 % each, two of eighty would be."""
    worse = 0
    for seed in range(40):
        bins, found = places(4_000, 10, seed=seed)
        is_right = np.random.default_rng(100 + seed).random(4_000) < 0.8
        worse += sum(segment.is_worse for segment in judged.segments(bins, found, is_right))
    assert worse <= 4


def test_half_of_the_predictions_are_compared_with_a_half_that_is_no_more_certain() -> None:
    """One false segment in twenty times, however the predictions are divided."""
    random, described = np.random.default_rng(5), Column("c", Kind.CATEGORY, values=("a", "b"))
    worse = 0
    for _ in range(200):
        found = random.integers(0, 2, (200, 1))
        segments = judged.segments(Bins((described,), ("no", "yes")), found, random.random(200) < 0.8)
        worse += any(segment.is_worse for segment in segments)
    assert worse <= 16


def test_few_predictions_are_no_segment() -> None:
    bins, found = places(judged.ENOUGH - 1, 2, seed=0)
    assert judged.segments(bins, found, np.ones(len(found), dtype=bool)) == []
    assert judged.segments(bins, found[:0], np.ones(0, dtype=bool)) == []


def test_groups_have_their_own_rates_precision_and_recall() -> None:
    group, label = np.array([0, 0, 0, 1, 1, 1, 1]), np.array([1, 1, 0, 0, 0, 0, 1])
    truth = np.array([1, 0, 1, 0, 0, 1, 1])
    first, second = judged.by_group(4, (group, label), (group, truth, label), 2, 1)
    assert (first.bin, first.predictions, second.predictions) == (0, 3, 4)
    assert (first.rates[1].value, second.rates[1].value) == (2 / 3, 1 / 4)
    assert first.scores.precision is not None
    assert first.scores.precision.value == 1 / 2
    assert second.scores.recall is not None
    assert second.scores.recall.value == 1 / 2
