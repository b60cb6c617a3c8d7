"""How well probabilities are calibrated, told from a curve that was recorded."""

from collections.abc import Mapping
from typing import Any

# probabilities that are off by less than this, on average, are called well and fairly calibrated
WELL, FAIRLY = 0.03, 0.08


def calibration_gap(line: Mapping[str, Any]) -> float:
    """How far predicted probabilities lie from observed shares, on average over the rows.

    Args:
        line: a calibration curve with `x`, `y` and `counts`; see `curves.curves`.
    """
    total = sum(line["counts"]) or 1
    gaps = (count * abs(x - y) for x, y, count in zip(line["x"], line["y"], line["counts"], strict=True))
    return float(sum(gaps)) / total
