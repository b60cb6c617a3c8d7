"""The labels that cannot be excluded, in answers of classifiers that are set so."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from clfsite.core.errors import Malformed
from predictions.serving.live_models import Live
from training.ml.judge.sets import label_set


def add_sets(live: Live, outcomes: Iterable[dict[str, Any]], probabilities: Iterable[str]) -> None:
    """Add `set` and `set_level` to the answer for each row; nothing if the classifier or its version has no sets.

    Args:
        probabilities: the JSON object of each row.
    """
    if live.least is None:
        return
    for outcome, text in zip(outcomes, probabilities, strict=True):
        outcome["set"] = label_set(orjson.loads(text), live.least)
        outcome["set_level"] = live.set_level


def set_of(live: Live, probabilities: Mapping[str, float]) -> list[str] | None:
    """The set of one row, given the probability of each class in the contract's order; None without sets."""
    return None if live.least is None else label_set(probabilities, live.least)


def sets_of(live: Live, proba: Sequence[Sequence[float]]) -> list[list[str]]:
    """The set of each row, given its probabilities in the contract's order, of a classifier with sets."""
    classes = live.contract.classes
    return [label_set(dict(zip(classes, row, strict=True)), live.least or ()) for row in proba]


def check_sets(live: Live) -> None:
    """Raise Malformed if a call asks for sets of a classifier or a version without them."""
    if live.least is not None:
        return
    reason = (
        f"version {live.number} was trained before sets were kept"
        if live.set_level
        else "choose a level on its page under Edit"
    )
    raise Malformed(f"{live.classifier} does not list the labels that cannot be excluded: {reason}")
