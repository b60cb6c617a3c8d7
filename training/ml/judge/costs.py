"""Costs of mistakes in a unit of the user's own, and the threshold at which mistakes are cheapest."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from training.ml.judge.decision import Decision
from training.ml.judge.threshold import between
from training.ml.tables.quoting import quote

POINTS = 200  # thresholds of a trade-off at most
SAMPLE = 1_000  # rows of a sample at most
LONGEST_UNIT = 20  # characters
PER = 1_000  # rows for which costs are given


class CostsError(ValueError):
    """The costs do not fit the classes; the message says what was expected."""


@dataclass(frozen=True)
class Costs:
    """What the mistakes of a classifier cost; a correct label costs nothing.

    `matrix[i][j]` is the cost of a row of class i that is labelled j, in the order of `classes`.
    """

    classes: tuple[str, ...]
    matrix: tuple[tuple[float, ...], ...]
    unit: str = ""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], classes: Sequence[str]) -> Self:
        """Read `{"unit": "EUR", "mistakes": {actual class: {predicted class: cost}}}`; the unit may be missing.

        Raises:
            CostsError: a mistake has no cost, or something is not a cost, a class or a unit.
        """
        unit, mistakes = data.get("unit", ""), data.get("mistakes")
        if set(data) - {"unit", "mistakes"} or not isinstance(mistakes, Mapping):
            raise CostsError('expected {"unit": text, "mistakes": {actual class: {predicted class: cost}}}')
        if not isinstance(unit, str) or len(unit) > LONGEST_UNIT or not unit.isprintable():
            raise CostsError(f"the unit is not a text of at most {LONGEST_UNIT} characters")
        rows = {actual: row for actual, row in mistakes.items() if isinstance(row, Mapping)}
        given = {(actual, predicted): cost for actual, row in rows.items() for predicted, cost in row.items()}
        pairs = list(permutations(classes, 2))
        if strange := [actual for actual in mistakes if actual not in rows or actual not in classes]:
            raise CostsError(f"{quote(str(strange[0]))} is not a class with the costs of its mistakes")
        if unknown := [pair for pair in given if pair not in pairs]:
            raise CostsError(f"{_mistake(*unknown[0])} is not a mistake of these classes")
        if missing := [pair for pair in pairs if pair not in given]:
            raise CostsError(f"the cost of {_mistake(*missing[0])} is missing; give every mistake a cost")
        for pair, cost in given.items():
            if isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 <= cost < math.inf:
                raise CostsError(f"the cost of {_mistake(*pair)} is not a finite number from 0")
        if not any(given.values()):
            raise CostsError("every mistake costs 0; give at least one a cost")
        matrix = tuple(tuple(float(given.get((actual, label), 0)) for label in classes) for actual in classes)
        return cls(tuple(classes), matrix, unit)

    @classmethod
    def equal(cls, classes: Sequence[str]) -> Self:
        """Costs of 1 for every mistake, so the cost is the number of mistakes."""
        matrix = tuple(tuple(float(actual != label) for label in classes) for actual in classes)
        return cls(tuple(classes), matrix, "mistakes")

    def to_dict(self) -> dict[str, Any]:
        mistakes = {
            actual: {label: cost for label, cost in zip(self.classes, row, strict=True) if label != actual}
            for actual, row in zip(self.classes, self.matrix, strict=True)
        }
        return {"unit": self.unit, "mistakes": mistakes}

    def of(self, confusion: Any) -> float:
        """The cost of 1,000 rows like those of a confusion matrix, which has actual classes as rows."""
        counts = np.asarray(confusion, dtype=float)
        return float(PER * (counts * self.matrix).sum() / counts.sum())


def _mistake(actual: str, predicted: str) -> str:
    return f"{quote(actual)} labelled {quote(predicted)}"


def trade_off(
    y: NDArray[np.object_], proba: NDArray[np.float64], decision: Decision, seed: int
) -> dict[str, Any]:
    """Return what is needed to compute the cost of the rows for any costs of mistakes.

    Args:
        y: true labels, shape (rows,).
        proba: out-of-fold probabilities, shape (rows, classes).
        seed: the seed of the sample.

    Returns:
        With two classes the rising `thresholds`, and the rows of the positive class that reach each (`found`) and those of
        the other class (`alarms`), with the totals `positives` and `negatives`. With more classes a sample of rows:
        `truth` (positions of classes) and `proba`.
    """
    if decision.place is None:
        rows = np.random.default_rng(seed).permutation(len(y))[:SAMPLE]
        places = {label: place for place, label in enumerate(decision.classes)}
        return {"truth": [places[label] for label in y[rows]], "proba": proba[rows].round(4).tolist()}
    positive, score = y == decision.positive, proba[:, decision.place]
    thresholds = _thinned(between(np.unique(score)), score[positive])
    if score.max() < 1:
        # at which no row is labelled positive
        thresholds = np.append(thresholds, 1.0)
    reached = {
        name: len(scores) - np.searchsorted(np.sort(scores), thresholds)
        for name, scores in (("found", score[positive]), ("alarms", score[~positive]))
    }
    return {
        "thresholds": thresholds.tolist(),
        **{name: counts.tolist() for name, counts in reached.items()},
        "positives": int(positive.sum()),
        "negatives": int((~positive).sum()),
    }


def _thinned(thresholds: NDArray[np.float64], positive: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keep thresholds evenly by rank, half of them among those of the positive rows, which may be few."""
    if len(thresholds) <= POINTS:
        return thresholds
    of_all = np.linspace(0, len(thresholds) - 1, POINTS // 2)
    # the threshold of a score is the last that does not exceed it
    places = np.searchsorted(thresholds, np.unique(positive), side="right") - 1
    of_positive = places[np.linspace(0, len(places) - 1, min(POINTS // 2, len(places))).round().astype(int)]
    kept: NDArray[np.float64] = thresholds[
        np.unique(np.concatenate([of_all.round().astype(int), of_positive]))
    ]
    return kept


def costs_by_threshold(stored: Mapping[str, Any], costs: Costs, place: int) -> list[float]:
    """The cost of 1,000 rows at each threshold of a trade-off of two classes.

    Args:
        place: the position of the positive class.
    """
    found, alarms = np.array(stored["found"]), np.array(stored["alarms"])
    missed = stored["positives"] - found
    total = missed * costs.matrix[place][1 - place] + alarms * costs.matrix[1 - place][place]
    by_threshold: list[float] = (PER * total / (stored["positives"] + stored["negatives"])).tolist()
    return by_threshold


def cheapest(stored: Mapping[str, Any], costs: Costs, place: int) -> float:
    """The threshold of a trade-off at which mistakes cost least; of equal ones the lowest."""
    return float(stored["thresholds"][int(np.argmin(costs_by_threshold(stored, costs, place)))])


def confusion_at(stored: Mapping[str, Any], threshold: float) -> list[list[int]]:
    """The confusion matrix of a trade-off at any threshold, with the positive class last."""
    place = int(np.searchsorted(stored["thresholds"], threshold))
    is_reached = place < len(stored["thresholds"])
    found, alarms = (stored[name][place] if is_reached else 0 for name in ("found", "alarms"))
    return [[stored["negatives"] - alarms, alarms], [stored["positives"] - found, found]]


def costs_of_labels(stored: Mapping[str, Any], costs: Costs) -> tuple[float, float]:
    """The cost of 1,000 rows of a sample with the most probable label, and with the label of the least expected cost."""
    truth, proba = np.array(stored["truth"]), np.array(stored["proba"])
    matrix = np.array(costs.matrix)
    probable, cheap = (
        float(PER * matrix[truth, Decision(costs.classes, costs=of).places(proba)].mean())
        for of in (None, costs.matrix)
    )
    return probable, cheap
