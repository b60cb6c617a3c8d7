"""Copies: rows of a table that are equal in all inputs."""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# the group of each row, as whole numbers from 0
Groups = NDArray[np.intp]

# Equal rows count as copies if there are this many times more pairs of them than independent columns would have.
BEYOND_CHANCE = 10
# share of the rows that repeat an earlier one; fewer are ignored, as they cannot change a metric by more than a hundredth
FEW_COPIES = 0.01
# columns that may tell all rows apart, and the rows that show which have the most different values
TELLING, SAMPLE_ROWS = 3, 2_000


def copies(X: pd.DataFrame) -> Groups | None:
    """Return the groups of equal rows, or None if few rows are equal or equal rows are no surprise.

    In a table of a few categories many rows are equal by chance. Rows are copies if there are far more equal pairs than
    in a table with the same columns in which each column is shuffled.

    Args:
        X: prepared features, shape (rows, features).
    """
    rows = len(X)
    few = max(1, FEW_COPIES * rows)
    if _are_different(X, few):
        return None
    groups, distinct = pd.factorize(pd.util.hash_pandas_object(X, index=False).to_numpy())
    if rows - len(distinct) < few:
        return None
    by_chance = math.prod((_pairs(pd.factorize(X[name])[0] + 1) for name in X), start=_all_pairs(rows))
    return groups if _pairs(groups) * _all_pairs(rows) > BEYOND_CHANCE * by_chance else None


def _are_different(X: pd.DataFrame, few: float) -> bool:
    """Return whether fewer rows than `few` repeat one, as some columns alone tell; False does not mean the opposite."""
    known = X.head(SAMPLE_ROWS).nunique().nlargest(TELLING).index
    hashes = np.sort(pd.util.hash_pandas_object(X[known], index=False).to_numpy())
    return bool(np.count_nonzero(hashes[1:] == hashes[:-1]) < few)


def _pairs(codes: NDArray[np.intp]) -> float:
    """Return the share of pairs of rows with equal codes."""
    counts = np.bincount(codes).astype(float)
    return float((counts * (counts - 1)).sum()) / 2 / _all_pairs(len(codes))


def _all_pairs(rows: int) -> float:
    return rows * (rows - 1) / 2


def repeated(groups: Groups) -> int:
    """Return the number of rows that repeat an earlier row of their group."""
    return len(groups) - int(groups.max(initial=-1)) - 1
