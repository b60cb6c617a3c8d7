"""The calibration error of probabilities, computed from a stored curve."""

from collections.abc import Mapping, Sequence
from typing import Any

# average gaps, in probability, below which a model is called well and fairly calibrated
WELL, FAIRLY = 0.03, 0.08


def calibration_gap(line: Mapping[str, Any]) -> float:
    """Return the mean gap between predicted probabilities and observed shares, weighted by rows.

    Args:
        line: a calibration curve with `x`, `y` and `counts`; see `curves.curves`.
    """
    total = sum(line["counts"]) or 1
    gaps = (count * abs(x - y) for x, y, count in zip(line["x"], line["y"], line["counts"], strict=True))
    return float(sum(gaps)) / total


def calibration_error(lines: Sequence[Mapping[str, Any]]) -> float:
    """Return the expected calibration error: the gap of the positive class, or the mean gap of all classes."""
    return sum(map(calibration_gap, lines)) / len(lines)
