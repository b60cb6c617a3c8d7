"""Rows to start the form with: a typical one, the least certain one, and one of each class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.ml.tables.contract import Contract, Kind

# most classes with a row of their own
SHOWN_CLASSES = 6


@dataclass(frozen=True)
class ExampleRow:
    """A row, with its name in the address and on the page."""

    name: str
    title: str
    record: dict[str, Any]


def rows(contract: Contract, golden: Mapping[str, Any], learned: list[str]) -> list[ExampleRow]:
    """The rows to offer, which differ from each other.

    Args:
        golden: held-out rows and their probabilities, see `artifact.record_golden`.
        learned: the classes in the order of these probabilities.
    """
    proba = np.array(golden["proba"])
    chosen = [ExampleRow("typical", "Typical", contract.example)]
    if len(proba) and proba.ndim > 1:
        ordered = np.sort(proba, axis=1)
        unsure = int((ordered[:, -1] - ordered[:, -2]).argmin())
        chosen.append(ExampleRow("uncertain", "Uncertain", _sent(contract, golden["records"][unsure])))
        for place, label in list(enumerate(learned))[:SHOWN_CLASSES]:
            surest = int(proba[:, place].argmax())
            if proba[surest].argmax() == place:
                chosen.append(
                    ExampleRow(
                        f"class-{place}", f"Clearly {label}", _sent(contract, golden["records"][surest])
                    )
                )
    return chosen


def _sent(contract: Contract, record: Mapping[str, Any]) -> dict[str, Any]:
    """A prepared row with the values that a caller sends: true for 1.0 in a column of flags."""
    kinds = {Kind.BOOLEAN: bool, Kind.INTEGER: int}
    return {
        feature.name: value
        if (value := record.get(feature.name)) is None
        else kinds.get(feature.kind, type(value))(value)
        for feature in contract.features
    }
