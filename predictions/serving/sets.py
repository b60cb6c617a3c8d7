"""The labels that cannot be excluded, added to answers of classifiers that are set so."""

from collections.abc import Iterable
from typing import Any

import orjson

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
