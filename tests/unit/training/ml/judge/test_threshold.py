"""Choosing the threshold of two classes, against what trying every one of them finds."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score, precision_score, recall_score

from training.ml.judge.aim import Aim, AimError
from training.ml.judge.threshold import choose


def scores(rows: int = 400, seed: int = 3) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Labels and overlapping probabilities of them, many of them equal."""
    random = np.random.default_rng(seed)
    positive = random.random(rows) < 0.3
    return positive, np.clip(random.normal(0.35 + 0.3 * positive, 0.2), 0, 1).round(2)


def test_best_f1_is_found() -> None:
    positive, score = scores()
    threshold, reached = choose(positive, score, Aim("f1"))
    every = [f1_score(positive, score >= item, zero_division=0) for item in np.linspace(0, 1, 1_001)]
    assert reached
    assert f1_score(positive, score >= threshold) == pytest.approx(max(every))


def test_precision_is_reached_with_the_most_recall() -> None:
    positive, score = scores()
    threshold, reached = choose(positive, score, Aim("precision", 0.8))
    assert reached
    assert precision_score(positive, score >= threshold) >= 0.8
    enough = [
        recall_score(positive, score >= item)
        for item in np.linspace(0, 0.99, 991)
        if precision_score(positive, score >= item, zero_division=0) >= 0.8
    ]
    assert recall_score(positive, score >= threshold) == pytest.approx(max(enough))


def test_recall_is_reached_with_the_most_precision() -> None:
    positive, score = scores()
    threshold, reached = choose(positive, score, Aim("recall", 0.9))
    assert reached
    assert recall_score(positive, score >= threshold) >= 0.9
    enough = [
        precision_score(positive, score >= item, zero_division=0)
        for item in np.linspace(0, 1, 1_001)
        if recall_score(positive, score >= item) >= 0.9
    ]
    assert precision_score(positive, score >= threshold) == pytest.approx(max(enough))


def test_dear_misses_lower_the_threshold() -> None:
    positive, score = scores()
    cheap, dear = (choose(positive, score, Aim("cost", ratio))[0] for ratio in (0.2, 20))
    assert dear < cheap


def test_cost_is_the_least_that_there_is() -> None:
    positive, score = scores()
    threshold, _ = choose(positive, score, Aim("cost", 5))

    def cost(item: float) -> float:
        chosen = score >= item
        return float(5 * (positive & ~chosen).sum() + (~positive & chosen).sum())

    assert cost(threshold) == min(cost(item) for item in np.linspace(0, 1, 1_001))


def test_aim_out_of_reach_gives_the_nearest_and_says_so() -> None:
    positive, score = np.array([True, False] * 50), np.full(100, 0.5)
    threshold, reached = choose(positive, score, Aim("precision", 0.9))
    assert not reached
    assert 0 <= threshold < 0.5


def test_no_threshold_lies_on_a_score() -> None:
    positive, score = scores()
    for aim in (Aim("f1"), Aim("precision", 0.7), Aim("recall", 0.7), Aim("cost", 3)):
        assert choose(positive, score, aim)[0] not in set(score)


@pytest.mark.parametrize(
    ("text", "aim"),
    [
        ("f1", Aim("f1")),
        ("precision=0.9", Aim("precision", 0.9)),
        ("cost = 5", Aim("cost", 5.0)),
        ('{"goal": "recall", "value": 0.8}', Aim("recall", 0.8)),
        (' {"goal": "f1"}', Aim("f1")),
    ],
)
def test_aim_is_read_from_an_option(text: str, aim: Aim) -> None:
    assert Aim.parse(text) == aim


@pytest.mark.parametrize(
    "text",
    [
        "luck",
        "precision",
        "precision=1.5",
        "recall=0",
        "cost=-1",
        "precision=high",
        "",
        "cost=nan",
        "cost=inf",
        "{",
        "{}",
        '{"value": 1}',
        '{"goal": "recall", "value": "0.8"}',
        '{"goal": "recall", "value": true}',
        '{"goal": "f1", "more": 1}',
        '{"goal": "cost", "value": 1e400}',
    ],
)
def test_aim_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(AimError):
        Aim.parse(text)
