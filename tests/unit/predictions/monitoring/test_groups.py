"""The names of the bins, as pages show them."""

import numpy as np
import pytest

from predictions.monitoring.evaluation.shifts import groups_of
from training.ml.tables.contract import Kind
from training.ml.watch.bins import Column


@pytest.mark.parametrize(
    ("kind", "edges", "names"),
    [
        (Kind.INTEGER, (0.0, 1.0, 2.0), ("below 0", "0", "1", "above 1", "missing")),
        (Kind.INTEGER, (3.0, 10.0, 21.0), ("below 3", "3 to 9", "10 to 20", "above 20", "missing")),
        (Kind.NUMBER, (0.5, 1.25, 9.0), ("below 0.5", "0.5 to 1.25", "1.25 to 9", "above 9", "missing")),
    ],
)
def test_bins_of_numbers_are_ranges(kind: Kind, edges: tuple[float, ...], names: tuple[str, ...]) -> None:
    *lower, high = edges
    end = np.nextafter(high - 1 if kind is Kind.INTEGER else high, np.inf)
    assert groups_of(Column("x", kind, edges=(*lower, float(end)))) == names


def test_bins_of_categories_are_their_values() -> None:
    column = Column("x", Kind.CATEGORY, values=("a", "b"), groups=2)
    assert groups_of(column) == ("a", "b", "others, group 1", "others, group 2", "unseen", "missing")
