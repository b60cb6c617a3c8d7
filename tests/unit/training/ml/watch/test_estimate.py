"""The accuracy without true labels: on rows whose inputs are distributed otherwise, and its interval."""

import numpy as np
import pytest
from numpy.typing import NDArray

from training.ml.watch.bins import Bins
from training.ml.watch.estimate import estimated_accuracy, pooled
from training.ml.watch.reference import Reference

CLASSES = ("no", "yes")
EDGES = tuple(np.linspace(0.55, 0.95, 9).tolist())


def draw(
    rows: int, mean: float, random: np.random.Generator
) -> tuple[list[str], list[str], NDArray[np.float64]]:
    """True labels, predicted labels and their probabilities of a logistic relation that is the same for any mean."""
    x = random.normal(mean, 1, rows)
    proba = 1 / (1 + np.exp(-1.5 * x))
    truth = np.where(random.random(rows) < proba, "yes", "no")
    # the model is a little too sure
    score = 1 / (1 + np.exp(-1.8 * x))
    predicted = np.where(score >= 0.5, "yes", "no")
    return truth.tolist(), predicted.tolist(), np.maximum(score, 1 - score)


def reference(rows: int, random: np.random.Generator) -> Reference:
    truth, labels, confidence = draw(rows, 0, random)
    return Reference(Bins((), CLASSES, EDGES), (), None, ()).with_held_out(truth, labels, confidence.tolist())


def cells_of(known: Reference, labels: list[str], confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    assert known.cells is not None
    return known.with_held_out(labels, labels, confidence.tolist()).cells.rows  # type: ignore[union-attr]


@pytest.mark.parametrize("mean", [0.0, 0.7, 1.5])
def test_estimate_is_close_where_inputs_are_distributed_otherwise(mean: float) -> None:
    random = np.random.default_rng(0)
    errors, held = [], []
    for _ in range(60):
        known = reference(2_000, random)
        truth, labels, confidence = draw(1_000, mean, random)
        found = estimated_accuracy(known.cells, cells_of(known, labels, confidence))  # type: ignore[arg-type]
        accuracy = np.mean([label == true for label, true in zip(labels, truth, strict=True)])
        assert found is not None
        errors.append(abs(found.value - accuracy))
        held.append(found.low <= accuracy <= found.high)
    assert np.mean(errors) < 0.015
    assert np.mean(held) > 0.88


def test_predictions_like_none_of_the_held_out_rows_are_told() -> None:
    known = reference(50, np.random.default_rng(0))
    cells = np.zeros((2, 10), dtype=np.int64)
    cells[0, 0], cells[1, 9] = 1, 3
    assert known.cells is not None
    known.cells.rows[0, 0], known.cells.rows[1, 9] = 5, 0
    found = estimated_accuracy(known.cells, cells)
    assert found is not None
    assert found.unknown == pytest.approx(0.75)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_no_predictions_have_no_accuracy() -> None:
    known = reference(50, np.random.default_rng(0))
    assert estimated_accuracy(known.cells, np.zeros((2, 10))) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("is_other", [False, True], ids=["alike", "other times"])
def test_cross_validated_rows_count_if_the_held_out_rows_agree(is_other: bool) -> None:
    random = np.random.default_rng(0)
    held_out, crossed = reference(1_000, random).cells, reference(4_000, random).cells
    assert held_out is not None
    assert crossed is not None
    if is_other:
        crossed.correct[:] //= 2
    assert pooled(held_out, crossed).rows.sum() == (1_000 if is_other else 5_000)


def test_cross_validated_rows_halve_the_error_of_the_estimate() -> None:
    random = np.random.default_rng(0)
    _, labels, confidence = draw(200_000, 0.7, random)
    x = np.log(confidence / (1 - confidence)) / 1.8
    expected = float((1 / (1 + np.exp(-1.5 * x))).mean())
    errors: list[list[float]] = []
    for _ in range(40):
        known, crossed = reference(1_000, random), reference(4_000, random)
        now = cells_of(known, labels, confidence)
        both = (known.cells, pooled(known.cells, crossed.cells))  # type: ignore[arg-type]
        found = [estimated_accuracy(cells, now) for cells in both]  # type: ignore[arg-type]
        errors.append([abs(estimate.value - expected) for estimate in found if estimate])
    alone, together = np.mean(errors, axis=0)
    assert together < 0.6 * alone
