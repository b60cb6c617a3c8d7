"""From what probability on the positive class is chosen: picked for a stated aim on cross-validated scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

GOALS = ("f1", "precision", "recall", "cost")


class AimError(ValueError):
    """The aim is not one of those known; the message says which there are."""


@dataclass(frozen=True)
class Aim:
    """What the threshold is to serve.

    `f1`: the best F1. `precision` at least `value`: the lowest threshold that reaches it, for the most recall.
    `recall` at least `value`: the highest that reaches it, for the most precision. `cost`: the least total cost when a
    missed positive costs `value` times a false alarm.
    """

    goal: str
    value: float | None = None

    def check(self) -> Self:
        """Raise AimError unless the goal is known and its value makes sense."""
        if self.goal not in GOALS:
            raise AimError(f"there is no aim {self.goal!r}; choose from {', '.join(GOALS)}")
        if self.goal == "f1":
            return self
        if self.value is None or not self.value > 0 or (self.goal != "cost" and self.value > 1):
            limits = "above 0" if self.goal == "cost" else "above 0 and at most 1"
            raise AimError(f"the aim {self.goal} takes a value {limits}, got {self.value}")
        return self

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `f1`, `precision=0.9`, `recall=0.8` or `cost=5`."""
        goal, _, value = text.partition("=")
        try:
            return cls(goal.strip(), float(value) if value else None).check()
        except ValueError as error:
            if isinstance(error, AimError):
                raise
            raise AimError(f"{text!r} is no aim; write for example precision=0.9") from error

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> Self | None:
        """Read what a recipe keeps.

        Raises:
            AimError: not of the shape {"goal", "value"}.
        """
        if not data:
            return None
        value = data.get("value")
        if (
            "goal" not in data
            or set(data) - {"goal", "value"}
            or not (value is None or isinstance(value, int | float))
        ):
            raise AimError(f'the aim is {dict(data)}; expected {{"goal": ..., "value": a number}}')
        return cls(str(data["goal"]), value)


def choose(positive: NDArray[np.bool_], score: NDArray[np.float64], aim: Aim) -> tuple[float, bool]:
    """Pick a threshold.

    Thresholds are tried midway between neighbouring scores, so that none lies on one.

    Args:
        positive: which rows are of the positive class, shape (rows,).
        score: their cross-validated probabilities of it, shape (rows,).
        aim: what to serve.

    Returns:
        (threshold, reached): where the aim cannot be reached, the threshold that comes nearest, and False.
    """
    values = np.unique(score)
    tried = np.concatenate([[values[0] / 2], (values[1:] + values[:-1]) / 2])
    order = np.argsort(score)
    ranked = positive[order]
    # rows above each threshold, counted from the sorted end
    first = np.searchsorted(score[order], tried, side="right")
    hits_above = np.concatenate([np.cumsum(ranked[::-1])[::-1], [0]])[first].astype(float)
    above = (len(score) - first).astype(float)
    total = float(positive.sum())
    precision = np.divide(hits_above, above, out=np.zeros_like(above), where=above > 0)
    recall = hits_above / total
    if aim.goal == "f1":
        f1 = 2 * hits_above / (above + total)
        return float(tried[f1.argmax()]), True
    if aim.goal == "cost":
        assert aim.value is not None  # noqa: S101  checked by Aim.check
        cost = aim.value * (total - hits_above) + (above - hits_above)
        return float(tried[cost.argmin()]), True
    measured, other = (precision, recall) if aim.goal == "precision" else (recall, precision)
    enough = measured >= (aim.value or 0)
    if not enough.any():
        return float(tried[measured.argmax()]), False
    return float(tried[np.where(enough, other, -1.0).argmax()]), True
