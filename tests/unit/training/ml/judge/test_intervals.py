"""How far off the held-out metrics may be: as scikit-learn would measure each resample."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from training.ml.judge.decision import Decision
from training.ml.judge.intervals import intervals
from training.ml.judge.metrics import measure
from training.ml.judge.names import METRICS

YES = Decision(("no", "yes"), "yes", 0.5)


def problem(classes: tuple[str, ...], rows: int) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    """Labels, and probabilities with many ties that lean towards them."""
    random = np.random.default_rng(rows)
    place = random.integers(0, len(classes), rows)
    proba = (random.dirichlet(np.ones(len(classes)), rows) + 0.3 * np.eye(len(classes))[place]).round(1)
    return np.array(classes, dtype=object)[place], proba / proba.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    "decision",
    [YES, replace(YES, threshold=0.7), replace(YES, positive="no"), Decision(("a", "b", "c"))],
    ids=["two classes", "another threshold", "another positive class", "three classes"],
)
def test_every_resample_is_measured_as_scikit_learn_does(decision: Decision) -> None:
    classes = decision.classes
    y, proba = problem(classes, 50)
    random = np.random.default_rng(9)
    rows = np.concatenate(
        [random.choice(np.flatnonzero(y == label), (y == label).sum()) for label in classes]
    )
    expected = measure(y[rows], proba[rows], decision)
    result = intervals(y, proba, decision, seed=9, resamples=1)
    assert list(result) == list(METRICS)
    for name in METRICS:
        assert result[name] == pytest.approx([expected[name]] * 2, abs=1e-6)


def test_interval_holds_the_metric_and_narrows_with_more_rows() -> None:
    widths = []
    for rows in (40, 1_000):
        y, proba = problem(("no", "yes"), rows)
        result = intervals(y, proba, YES, seed=0, resamples=100)
        metrics = measure(y, proba, YES)
        assert all(low <= metrics[name] <= high for name, (low, high) in result.items())
        widths.append({name: high - low for name, (low, high) in result.items()})
    assert all(widths[1][name] < widths[0][name] for name in METRICS)


def test_faultless_model_leaves_no_doubt() -> None:
    y, _ = problem(("no", "yes"), 30)
    proba = np.column_stack([y == "no", y == "yes"]).astype(float)
    result = intervals(y, proba, YES, seed=0, resamples=20)
    assert result == {name: [1.0, 1.0] for name in METRICS}


def test_class_that_is_never_called_counts_as_zero() -> None:
    y, _ = problem(("no", "yes"), 30)
    result = intervals(y, np.tile([0.9, 0.1], (30, 1)), YES, seed=0, resamples=20)
    assert (result["precision"], result["recall"], result["f1"]) == ([0.0, 0.0],) * 3
    assert result["roc_auc"] == [0.5, 0.5]


def test_same_seed_gives_the_same_interval() -> None:
    y, proba = problem(("no", "yes"), 60)
    one, same, other = (intervals(y, proba, YES, seed=seed, resamples=20) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_copies_of_rows_do_not_narrow_the_intervals() -> None:
    random = np.random.default_rng(0)
    y = np.resize(np.array(["no", "yes"], dtype=object), 60)
    score = np.clip(random.normal(np.where(y == "yes", 0.6, 0.4), 0.2), 0, 1)
    proba = np.column_stack([1 - score, score])
    alone = intervals(y, proba, YES, seed=0)
    copied, copies = np.tile(y, 9), np.tile(proba, (9, 1))
    together = intervals(copied, copies, YES, seed=0, groups=np.tile(np.arange(60), 9))
    apart = intervals(copied, copies, YES, seed=0)
    width = {name: high - low for name, (low, high) in alone.items()}
    for name, (low, high) in together.items():
        assert high - low == pytest.approx(width[name], rel=0.3)
        assert apart[name][1] - apart[name][0] < 0.6 * width[name]


def test_groups_of_several_classes_never_leave_a_class_out() -> None:
    y = np.array(["no", "yes", "no", "no", "no", "yes"], dtype=object)
    proba = np.column_stack([[0.9, 0.2, 0.8, 0.7, 0.6, 0.4], [0.1, 0.8, 0.2, 0.3, 0.4, 0.6]])
    result = intervals(y, proba, YES, seed=0, groups=np.array([0, 0, 1, 1, 2, 2]))
    assert all(0 <= low <= high <= 1 for low, high in result.values())
