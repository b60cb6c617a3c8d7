"""The costs of mistakes of a version: by threshold with two classes, with and without costs in the label with more."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.ml.judge import costs as judged
from training.ml.judge.costs import Costs
from training.models import Activation, Version


@dataclass(frozen=True)
class Curve:
    """The cost of 1,000 rows by threshold: of the rows on which thresholds are chosen, and of the held-out rows.

    `chosen_on` says which rows the first are: `cross-validated` ones, or `held-out` ones for versions from before they were
    kept, which then have no others to judge by.
    """

    chosen_on: str
    thresholds: list[float]
    costs: list[float]
    held_out: tuple[list[float], list[float]] | None
    cheapest: float


def curve(version: Version, costs: Costs) -> Curve | None:
    """The costs by threshold; None with more than two classes, and for versions without stored thresholds."""
    positive, held_out = version.contract.positive, of_held_out(version)
    stored = version.out_of_fold.get("trade_off") or held_out
    if positive is None or stored is None:
        return None
    place = costs.classes.index(positive)
    is_apart = stored is not held_out and held_out is not None
    return Curve(
        chosen_on="cross-validated" if stored is not held_out else "held-out",
        thresholds=stored["thresholds"],
        costs=judged.costs_by_threshold(stored, costs, place),
        held_out=(held_out["thresholds"], judged.costs_by_threshold(held_out, costs, place))
        if is_apart and held_out
        else None,
        cheapest=judged.cheapest(stored, costs, place),
    )


def of_held_out(version: Version) -> Mapping[str, Any] | None:
    """The trade-off of the held-out rows from their ROC curve; None without one."""
    (roc,) = (version.held_out.get("curves") or {}).get("roc", [])[:1] or [{}]
    positive = version.contract.positive
    if positive is None or "thresholds" not in roc:
        return None
    positives = sum(version.held_out["confusion"][version.contract.classes.index(positive)])
    negatives = version.held_out["rows"] - positives
    return {
        # thresholds fall along the curve
        "thresholds": roc["thresholds"][::-1],
        "found": [round(positives * share) for share in roc["y"][::-1]],
        "alarms": [round(negatives * share) for share in roc["x"][::-1]],
        "positives": positives,
        "negatives": negatives,
    }


def of_labels(version: Version, costs: Costs) -> tuple[float, float] | None:
    """The cost of 1,000 rows with the most probable label and with the cheapest; None where no rows were kept."""
    stored = version.out_of_fold.get("trade_off")
    if version.contract.positive is not None or not stored:
        return None
    return judged.costs_of_labels(stored, costs)


def known(version: Version, activation: Activation | None) -> Costs | None:
    """The costs that were last said: in the activation in force, or by the aim of the run; None if never.

    Args:
        activation: the one in force of the classifier, possibly of another version.
    """
    contract = version.contract
    if (
        activation
        and activation.costs_data
        and set(activation.version.contract.classes) == set(contract.classes)
    ):
        return Costs.from_dict(activation.costs_data, contract.classes)
    aim = version.run.recipe_data.get("aim") or {}
    if aim.get("goal") != "cost" or contract.positive is None:
        return None
    (other,) = set(contract.classes) - {contract.positive}
    mistakes = {contract.positive: {other: aim["value"]}, other: {contract.positive: 1}}
    return Costs.from_dict({"unit": "", "mistakes": mistakes}, contract.classes)
