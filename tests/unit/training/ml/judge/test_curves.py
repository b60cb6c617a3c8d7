"""ROC, precision-recall and calibration curves, against figures worked out by hand."""

import json

import numpy as np
import pytest

from training.ml.judge.curves import POINTS, curves
from training.ml.judge.decision import Decision

Y = np.array(["no", "no", "yes", "yes"], dtype=object)
PROBA = np.array([[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]])


def test_two_classes_have_the_curves_of_the_positive_one() -> None:
    result = curves(Y, PROBA, Decision(("no", "yes"), "yes"))
    assert [curve["label"] for curves_ in result.values() for curve in curves_] == ["yes", "yes", "yes"]


def test_area_under_the_roc_curve_is_the_share_of_pairs_in_order() -> None:
    (roc,) = curves(Y, PROBA, Decision(("no", "yes"), "yes"))["roc"]
    assert roc["area"] == pytest.approx(3 / 4)
    assert (roc["x"][0], roc["y"][0], roc["x"][-1], roc["y"][-1]) == (0, 0, 1, 1)


def test_precision_recall_runs_from_no_recall_to_all() -> None:
    (curve,) = curves(Y, PROBA, Decision(("no", "yes"), "yes"))["precision_recall"]
    assert (curve["x"][0], curve["x"][-1]) == (0, 1)
    assert curve["x"] == sorted(curve["x"])


def test_calibration_counts_every_row_once() -> None:
    (curve,) = curves(Y, PROBA, Decision(("no", "yes"), "yes"))["calibration"]
    assert sum(curve["counts"]) == len(Y)
    assert len(curve["x"]) == len(curve["y"]) == len(curve["counts"])


def test_more_classes_have_a_curve_each() -> None:
    y = np.array(["a", "b", "c"] * 10, dtype=object)
    proba = np.random.default_rng(0).dirichlet([1, 1, 1], 30)
    result = curves(y, proba, Decision(("a", "b", "c")))
    assert [curve["label"] for curve in result["roc"]] == ["a", "b", "c"]


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    random = np.random.default_rng(0)
    positive = random.random(5_000) < 0.5
    score = random.random(5_000)
    y = np.where(positive, "yes", "no").astype(object)
    result = curves(y, np.column_stack([1 - score, score]), Decision(("no", "yes"), "yes"))
    (roc,) = result["roc"]
    assert len(roc["x"]) <= POINTS
    assert (roc["x"][0], roc["x"][-1]) == (0, 1)
    json.dumps(result, allow_nan=False)
