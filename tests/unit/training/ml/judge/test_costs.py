"""Costs of mistakes: read strictly, the cheapest threshold of two classes, and the cheapest label of more."""

from typing import Any

import numpy as np
import pytest

from training.ml.judge.costs import (
    POINTS,
    Costs,
    CostsError,
    cheapest,
    confusion_at,
    costs_by_threshold,
    costs_of_labels,
    trade_off,
)
from training.ml.judge.decision import Decision

COSTS = {"unit": "EUR", "mistakes": {"no": {"yes": 1}, "yes": {"no": 9}}}
THREE = Costs(("a", "b", "c"), ((0, 1, 1), (1, 0, 1), (50, 50, 0)))


def rows(count: int = 3_000, share: float = 0.05) -> tuple[Any, Any]:
    """Labels and well calibrated probabilities of a rare class."""
    random = np.random.default_rng(0)
    score = random.beta(share, 1, count)
    y = np.where(random.random(count) < score, "yes", "no").astype(object)
    return y, np.column_stack([1 - score, score])


def test_costs_are_read_as_they_are_written() -> None:
    costs = Costs.from_dict(COSTS, ("no", "yes"))
    assert np.array_equal(costs.matrix, [[0, 1], [9, 0]])
    assert costs.to_dict() == COSTS
    assert costs.of([[90, 10], [5, 95]]) == (10 + 5 * 9) / 200 * 1_000


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "expected"),
        ({"mistakes": []}, "expected"),
        ({**COSTS, "more": 1}, "expected"),
        ({**COSTS, "unit": "x" * 21}, "the unit"),
        ({"mistakes": {"no": {"yes": 1}}}, '"yes" labelled "no" is missing'),
        ({"mistakes": {"no": 5}}, '"no" is not a class with'),
        (
            {"mistakes": {"no": {"yes": 1}, "yes": {"no": 1, "maybe": 2}}},
            '"yes" labelled "maybe" is not a mistake',
        ),
        ({"mistakes": {"no": {"yes": 1, "no": 0}, "yes": {"no": 1}}}, '"no" labelled "no" is not a mistake'),
        ({"mistakes": {"no": {"yes": -1}, "yes": {"no": 1}}}, "not a finite number"),
        ({"mistakes": {"no": {"yes": True}, "yes": {"no": 1}}}, "not a finite number"),
        ({"mistakes": {"no": {"yes": 0}, "yes": {"no": 0}}}, "every mistake costs 0"),
    ],
    ids=repr,
)
def test_costs_that_do_not_fit_are_refused(data: dict[str, Any], said: str) -> None:
    with pytest.raises(CostsError, match=said):
        Costs.from_dict(data, ("no", "yes"))


def test_the_stored_counts_are_those_of_the_rule_at_every_stored_threshold() -> None:
    y, proba = rows()
    stored = trade_off(y, proba, Decision(("no", "yes"), "yes"), 0)
    assert POINTS // 2 < len(stored["thresholds"]) <= POINTS + 1
    assert stored["thresholds"] == sorted(stored["thresholds"])
    for place in range(0, len(stored["thresholds"]), 20):
        labels = Decision(("no", "yes"), "yes", stored["thresholds"][place]).labels(proba) == "yes"
        assert stored["found"][place] == (labels & (y == "yes")).sum()
        assert stored["alarms"][place] == (labels & (y == "no")).sum()
    assert (stored["found"][-1], stored["alarms"][-1]) == (0, 0)
    assert stored["found"][0] == stored["positives"] == (y == "yes").sum()


def test_the_cheapest_threshold_is_near_that_of_calibrated_probabilities() -> None:
    y, proba = rows(20_000, 0.3)
    stored = trade_off(y, proba, Decision(("no", "yes"), "yes"), 0)
    costs = Costs.from_dict(COSTS, ("no", "yes"))
    assert cheapest(stored, costs, 1) == pytest.approx(0.1, abs=0.05)
    by_threshold = costs_by_threshold(stored, costs, 1)
    assert by_threshold[-1] == pytest.approx(9_000 * (y == "yes").mean())
    assert min(by_threshold) < min(by_threshold[0], by_threshold[-1]) / 2


def test_a_confusion_at_any_threshold_has_all_rows() -> None:
    y, proba = rows()
    stored = trade_off(y, proba, Decision(("no", "yes"), "yes"), 0)
    assert np.sum(confusion_at(stored, 0.3)) == len(y)
    assert confusion_at(stored, 1.0)[1] == [stored["positives"], 0]


def test_of_many_classes_the_label_of_the_least_expected_cost_is_answered() -> None:
    proba = np.array([[0.6, 0.3, 0.1], [0.5, 0.5, 0.0], [0.6, 0.395, 0.005]])
    assert Decision(THREE.classes).labels(proba).tolist() == ["a", "a", "a"]
    assert Decision(THREE.classes, costs=THREE.matrix).labels(proba).tolist() == ["c", "a", "a"]


def test_costs_lower_the_cost_of_many_classes() -> None:
    random = np.random.default_rng(1)
    proba = random.dirichlet((2, 2, 0.5), 5_000)
    y = np.array(["a", "b", "c"], dtype=object)[
        (random.random((5_000, 1)) > proba.cumsum(axis=1)).sum(axis=1)
    ]
    stored = trade_off(y, proba, Decision(THREE.classes), 0)
    assert len(stored["truth"]) == 1_000
    probable, cheap = costs_of_labels(stored, THREE)
    assert cheap < probable / 2
