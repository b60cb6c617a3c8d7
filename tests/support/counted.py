"""Predictions that exist as counts alone, as many and as distributed as a test needs."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np

from predictions.monitoring.counts import Counted, add
from training.ml.watch.bins import Bins
from training.models import Version


def serve(
    version: Version,
    hour: datetime,
    rows: int,
    *,
    seed: int = 0,
    shares: Mapping[str, Sequence[float]] | None = None,
    labels: Mapping[str, str] | None = None,
) -> None:
    """Count predictions distributed as in training, but for columns with other shares of their bins.

    Args:
        labels: answered instead of other labels.
    """
    reference, random = version.reference, np.random.default_rng(seed)
    layout: Bins = reference.bins
    counts = np.zeros(layout.size, dtype=np.int64)
    for place, then in enumerate(reference.counts):
        column = layout.columns[place]
        usual = np.array(then) / sum(then)
        of_column = layout.of_column(counts, place)
        of_column += random.multinomial(rows, (shares or {}).get(column.name, usual))
    # without cells, each label has one confidence
    cells = np.eye(1, layout.levels) * np.array(reference.predicted)[:, np.newaxis]
    cells = cells if reference.cells is None else reference.cells.rows.astype(float)
    for label, instead in (labels or {}).items():
        cells[layout.classes.index(instead)] += cells[layout.classes.index(label)]
        cells[layout.classes.index(label)] = 0
    cells = cells.ravel()
    counts[layout.offsets[-1] :] += random.multinomial(rows, cells / cells.sum())
    places = np.repeat(np.arange(layout.size), counts)
    add([Counted(hour, version.pk, "api", 1.0, {}, places)])


def only(size: int, place: int) -> list[float]:
    return [float(place == other) for other in range(size)]
