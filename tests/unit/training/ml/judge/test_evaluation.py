"""Five metrics, the confusion matrix and the threshold, against figures worked out by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from training.ml.judge.decision import Decision, arranged
from training.ml.judge.evaluation import Evaluation, evaluate_rows
from training.ml.judge.metrics import measure

BINARY = Decision(("no", "yes"), "yes", 0.5)
# yes is found 2 times of 3 and called 3 times: 1 wrong; of the 6 pairs of a yes and a no 4 stand in the right order
Y = np.array(["yes", "yes", "yes", "no", "no"], dtype=object)
PROBA = np.array([[0.1, 0.9], [0.4, 0.6], [0.7, 0.3], [0.3, 0.7], [0.8, 0.2]])

THREE = Decision(("a", "b", "c"))
Y_THREE = np.array(["a", "a", "b", "b", "c", "c"], dtype=object)
# a: both found, b: one of two, c: one of two, called a once and b once by mistake
PROBA_THREE = np.array(
    [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1], [0.1, 0.2, 0.7], [0.2, 0.5, 0.3]]
)


def test_binary_metrics_speak_of_the_positive_class() -> None:
    assert measure(Y, PROBA, BINARY) == pytest.approx(
        {"accuracy": 3 / 5, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "roc_auc": 4 / 6}
    )


def test_metrics_of_three_classes_are_macro_averages() -> None:
    result = measure(Y_THREE, PROBA_THREE, THREE)
    precision = (2 / 3 + 1 / 2 + 1) / 3
    recall = (1 + 1 / 2 + 1 / 2) / 3
    f1 = (4 / 5 + 1 / 2 + 2 / 3) / 3
    # one against the rest: a is above the others in 8 of 8 pairs, b in 7 of 8, c in 8 of 8
    auc = (8 / 8 + 7 / 8 + 8 / 8) / 3
    assert result == pytest.approx(
        {"accuracy": 4 / 6, "precision": precision, "recall": recall, "f1": f1, "roc_auc": auc}
    )


def test_class_that_is_never_called_counts_as_zero() -> None:
    result = measure(Y, np.tile([0.9, 0.1], (5, 1)), BINARY)
    assert (result["precision"], result["recall"], result["f1"], result["roc_auc"]) == (0, 0, 0, 0.5)


class Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Answers with the probabilities that it is asked with."""

    def __init__(self, classes: tuple[str, ...] = ()) -> None:
        self.classes = classes

    @property
    def classes_(self) -> tuple[str, ...]:
        return self.classes

    def fit(self, X: Any, y: Any) -> Any:
        return self

    def predict_proba(self, X: pd.DataFrame) -> Any:
        return X.to_numpy() / X.to_numpy().sum(axis=1, keepdims=True)


def judge(y: Any, proba: Any, decision: Decision) -> Evaluation:
    frame = pd.DataFrame(proba, columns=list(decision.classes))
    return evaluate_rows(Given(decision.classes), frame, y, decision, seed=0, jobs=1)


def test_confusion_matrix_has_the_truth_in_its_rows() -> None:
    assert judge(Y, PROBA, BINARY).confusion == [[1, 1], [1, 2]]
    assert judge(Y_THREE, PROBA_THREE, THREE).confusion == [[2, 0, 0], [1, 1, 0], [0, 1, 1]]


def test_every_class_is_judged_on_its_own() -> None:
    evaluation = judge(Y, PROBA, BINARY)
    assert [(row["label"], row["rows"]) for row in evaluation.per_class] == [("no", 2), ("yes", 3)]
    assert [row["precision"] for row in evaluation.per_class] == pytest.approx([1 / 2, 2 / 3])
    assert [row["recall"] for row in evaluation.per_class] == pytest.approx([1 / 2, 2 / 3])


def test_evaluation_counts_its_rows_and_holds_the_five_metrics() -> None:
    evaluation = judge(Y, PROBA, BINARY).to_dict()
    assert evaluation["rows"] == 5
    assert evaluation["metrics"] == measure(Y, PROBA, BINARY)


def test_another_threshold_changes_what_follows_from_decisions_alone() -> None:
    low, half = judge(Y, PROBA, replace(BINARY, threshold=0.1)), judge(Y, PROBA, BINARY)
    assert low.metrics["recall"] == 1.0
    assert low.confusion == [[0, 2], [0, 3]]
    assert low.metrics["roc_auc"] == half.metrics["roc_auc"]


def test_threshold_moves_the_decision() -> None:
    assert replace(BINARY, threshold=0.65).places(PROBA).tolist() == [1, 0, 0, 1, 0]
    assert replace(BINARY, threshold=0.1).places(PROBA).tolist() == [1, 1, 1, 1, 1]


def test_without_threshold_the_most_probable_class_is_taken() -> None:
    assert THREE.places(PROBA_THREE).tolist() == [0, 0, 1, 0, 2, 1]


def test_probability_that_is_the_threshold_is_enough() -> None:
    assert BINARY.labels(np.array([[0.5, 0.5], [0.5000000001, 0.4999999999]])).tolist() == ["yes", "no"]


def test_positive_class_may_be_the_first() -> None:
    decision = Decision(("no", "yes"), "no", 0.75)
    assert decision.labels(PROBA).tolist() == ["yes", "yes", "yes", "yes", "no"]
    result = measure(Y, PROBA, decision)
    # no is called once, rightly; of the two there are one is missed
    assert result == pytest.approx(
        {"accuracy": 4 / 5, "precision": 1, "recall": 1 / 2, "f1": 2 / 3, "roc_auc": 4 / 6}
    )


def test_columns_come_in_the_order_of_the_contract() -> None:
    known, wanted = ["1", "10", "2"], ["1", "2", "10"]
    proba = np.array([[0.5, 0.1, 0.4]])
    assert arranged(proba, known, wanted).tolist() == [[0.5, 0.4, 0.1]]
    assert arranged(proba[:, :2], known[:2], wanted).tolist() == [[0.5, 0.0, 0.1]]
