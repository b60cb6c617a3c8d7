"""A mix of settings: a weighted mean of their probabilities, chosen greedily on the rows that no member was fitted on.

The method is that of Caruana et al., Ensemble selection from libraries of models (2004).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

# members of a mix, and draws of a member, which give the weights; a member may be drawn again
MOST_MEMBERS, DRAWS = 4, 10


@dataclass(frozen=True)
class Mix:
    """The places and weights of the members, the largest first, with the scores and the probabilities by fold.

    `best` is the place of the best setting, which is always a member.
    """

    best: int
    weights: dict[int, float]
    scores: list[float]
    probas: list[NDArray[np.float64]]


def choose(
    probas: Sequence[Sequence[NDArray[np.float64]]],
    score: Callable[[int, NDArray[np.float64]], float],
    is_over: Callable[[], bool],
) -> Mix | None:
    """Return the best mix, or None unless it beats the best setting by more than the standard error of the difference.

    Args:
        probas: by setting and fold, the probabilities of the fold's rows.
        score: of a fold's number and probabilities for it.
        is_over: whether time is up; then the members so far are the mix.
    """
    folds = range(len(probas[0]))
    alone = [[score(fold, proba[fold]) for fold in folds] for proba in probas]
    first = max(range(len(probas)), key=lambda place: float(np.mean(alone[place])))
    drawn, total, scores = [first], list(probas[first]), alone[first]
    while len(drawn) < DRAWS and not is_over():
        members = set(drawn)
        allowed = members if len(members) == MOST_MEMBERS else range(len(probas))
        tried = {}
        for place in allowed:
            mixed = [(total[fold] + probas[place][fold]) / (len(drawn) + 1) for fold in folds]
            tried[place] = [score(fold, mixed[fold]) for fold in folds]
        best = max(tried, key=lambda place: float(np.mean(tried[place])))
        if np.mean(tried[best]) <= np.mean(scores):
            break
        total = [total[fold] + probas[best][fold] for fold in folds]
        drawn.append(best)
        scores = tried[best]
    gain = np.array(scores) - np.array(alone[first])
    if len(set(drawn)) == 1 or gain.mean() <= gain.std(ddof=1) / sqrt(len(gain)):
        return None
    weights = {place: count / len(drawn) for place, count in Counter(drawn).most_common()}
    return Mix(first, weights, scores, [part / len(drawn) for part in total])
