"""The aim of a recipe: the goal by which the threshold of a binary classifier is chosen."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

GOALS = ("f1", "precision", "recall", "cost")


class AimError(ValueError):
    """The aim is unknown or its value is invalid; the message lists the choices."""


@dataclass(frozen=True)
class Aim:
    """The goal by which a threshold is chosen.

    `f1`: the best F1. `precision` at least `value`: the lowest threshold that reaches it, for the most recall.
    `recall` at least `value`: the highest that reaches it, for the most precision. `cost`: the least total cost when a
    missed positive costs `value` times a false alarm. Only thresholds that at least one row reaches are considered.
    """

    goal: str
    value: float | None = None

    def check(self) -> Self:
        """Raise AimError unless the goal is known and its value is in range."""
        if self.goal not in GOALS:
            raise AimError(f"unknown aim {self.goal!r}; choose from {', '.join(GOALS)}")
        if self.goal == "f1":
            return self
        if self.value is None or not 0 < self.value < math.inf or (self.goal != "cost" and self.value > 1):
            limits = "above 0" if self.goal == "cost" else "above 0 and at most 1"
            raise AimError(f"the aim {self.goal} takes a value {limits}, got {self.value}")
        return self

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `f1`, `precision=0.9`, `recall=0.8` or `cost=5`, or the same as JSON: `{"goal": "cost", "value": 5}`."""
        if text.lstrip().startswith("{"):
            return cls._parse_object(text)
        goal, _, value = text.partition("=")
        try:
            return cls(goal.strip(), float(value) if value else None).check()
        except ValueError as error:
            if isinstance(error, AimError):
                raise
            raise AimError(f"{text!r} is not an aim; write for example precision=0.9") from error

    @classmethod
    def _parse_object(cls, text: str) -> Self:
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise AimError(f"{text[:60]!r} is not JSON; write for example precision=0.9") from error
        aim = cls.from_dict(data)
        if aim is None:
            raise AimError("the aim is empty; write for example precision=0.9")
        return aim.check()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> Self | None:
        """Read the aim stored in a recipe.

        Raises:
            AimError: the mapping does not have the form {"goal", "value"}.
        """
        if not data:
            return None
        value = data.get("value")
        if (
            "goal" not in data
            or set(data) - {"goal", "value"}
            or isinstance(value, bool)
            or not (value is None or isinstance(value, int | float))
        ):
            raise AimError(f'the aim is {dict(data)}; expected {{"goal": ..., "value": a number}}')
        return cls(str(data["goal"]), value)
