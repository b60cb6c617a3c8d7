"""The choice of the members of a mix."""

import numpy as np
from numpy.typing import NDArray

from training.ml.judge.decision import Decision
from training.ml.judge.metrics import roc_auc
from training.ml.search.auto.mixing import MOST_MEMBERS, Mix, choose

FOLDS, ROWS = 5, 400
DECISION = Decision(("no", "yes"), "yes", 0.5)
random = np.random.default_rng(0)
SIGNAL = [random.normal(size=ROWS) for _ in range(FOLDS)]
TRUTH = [np.where(signal + random.normal(size=ROWS) > 0, "yes", "no").astype(object) for signal in SIGNAL]


def of_noise(noises: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """A setting that sees the signal of each fold through noise."""
    scores = [1 / (1 + np.exp(-(signal + noise))) for signal, noise in zip(SIGNAL, noises, strict=True)]
    return [np.column_stack([1 - score, score]) for score in scores]


def noise(scale: float) -> list[NDArray[np.float64]]:
    return [random.normal(0, scale, ROWS) for _ in range(FOLDS)]


def score(fold: int, proba: NDArray[np.float64]) -> float:
    return roc_auc(TRUTH[fold], proba, DECISION)


def chosen(settings: list[list[NDArray[np.float64]]], *, over: bool = False) -> Mix | None:
    return choose(settings, score, lambda: over)


def test_settings_that_err_apart_are_mixed_with_few_members_and_weights_that_add_to_one() -> None:
    settings = [of_noise(noise(1.0)) for _ in range(6)]
    mix = chosen(settings)
    assert mix
    assert 2 <= len(mix.weights) <= MOST_MEMBERS
    assert abs(sum(mix.weights.values()) - 1) < 1e-12
    assert list(mix.weights.values()) == sorted(mix.weights.values(), reverse=True)
    for fold in range(FOLDS):
        expected = sum(weight * settings[place][fold] for place, weight in mix.weights.items())
        assert np.allclose(mix.probas[fold], expected)
        assert mix.scores[fold] == score(fold, mix.probas[fold])


def test_one_setting_stays_alone_unless_a_mix_is_better_beyond_chance() -> None:
    same = noise(0.5)
    assert chosen([of_noise(same), of_noise(same)]) is None
    assert chosen([of_noise(noise(0.01)), of_noise(noise(20.0))]) is None


def test_time_that_is_up_ends_the_choice() -> None:
    assert chosen([of_noise(noise(1.0)) for _ in range(6)], over=True) is None
