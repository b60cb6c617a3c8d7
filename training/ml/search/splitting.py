"""Splits of the rows by class that keep groups of rows together, exact copies and rows of one customer, or by time.

A row that stands on both sides of a split makes a model look better than it is, because it only has to recognise the row.
"""

import math
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import PredefinedSplit, StratifiedKFold, train_test_split

from training.ml.search.recipe import HOLD_OUT, Recipe, RecipeError, needed_rows, smallest_classes
from training.ml.tables.copies import Groups, copies
from training.ml.tables.labels import count
from training.ml.tables.quoting import quote

# scikit-learn has no types: a StratifiedKFold or a PredefinedSplit
Folds: TypeAlias = Any

# the position of each row in time, as whole numbers
Ranks: TypeAlias = NDArray[np.intp]

HELD_OUT = 0  # the part that is held out


def together(
    X: pd.DataFrame, y: pd.Series, by: pd.Series | None, recipe: Recipe
) -> tuple[Groups | None, list[str]]:
    """Return the groups of rows that a split must not part, or None if there are none, and warnings.

    Args:
        X: prepared features, shape (rows, features).
        y: the class of each row.
        by: the recipe's column of groups; a row without a value is a group of its own.

    Raises:
        RecipeError: a class has rows in too few groups of the column.
    """
    same = copies(X)
    if by is None:
        missing = None if same is None else _missing_classes(y, same, recipe)
        if missing is None:
            return same, []
        # Copies are kept together without a choice, so they must not stop the training.
        doubt = (
            f"copies of rows may stand on both sides of a split, because too few different rows hold {missing}; the "
            "metrics may be too good"
        )
        return None, [doubt]
    named = _numbered(by)
    groups = named if same is None else _joined(named, same)
    missing = _missing_classes(y, groups, recipe)
    if missing is not None:
        raise RecipeError(
            f"too few groups of {by.name} hold rows of {missing}: {recipe.folds} folds and a held-out fifth need every "
            "class in each of them. Use fewer folds, add rows of other groups, or another column of groups"
        )
    is_input = by.name in X.columns
    return groups, [f"{by.name} is the column of groups and an input, too"] if is_input else []


def _numbered(by: pd.Series) -> Groups:
    codes = pd.factorize(by)[0]
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(alone.sum())
    return codes


def _joined(first: Groups, second: Groups) -> Groups:
    """Return groups that keep together what either of two groupings keeps together."""
    offset = first.max() + 1
    size = offset + second.max() + 1
    links = coo_array((np.ones(len(first)), (first, offset + second)), shape=(size, size))
    labels = connected_components(links, directed=False)[1]
    groups: Groups = pd.factorize(labels[first])[0]
    return groups


def _missing_classes(y: pd.Series, groups: Groups, recipe: Recipe) -> str | None:
    """Name the classes that a split by groups would miss in a part; None if each part has all classes."""
    codes, classes = pd.factorize(y, sort=True)
    parts = _deal(codes, groups, round(1 / HOLD_OUT), recipe.seed)
    held_out = parts == HELD_OUT
    learned = _deal(codes[~held_out], pd.factorize(groups[~held_out])[0], recipe.folds, recipe.seed)
    table = np.zeros((len(classes), recipe.folds + 1), dtype=bool)
    table[codes[~held_out], learned] = True
    table[codes[held_out], -1] = True
    missing = [f'"{label}"' for label, has in zip(classes, table, strict=True) if not has.all()]
    return ", ".join(missing[:5]) or None


def _deal(codes: NDArray[np.intp], groups: Groups, parts: int, seed: int) -> NDArray[np.intp]:
    """Deal whole groups to parts with about the same number of rows and mix of classes; return the part of each row.

    Groups are dealt class by class, each under its rarest class, from the largest to the smallest and back and forth, as
    cards are dealt: part 0 to the last, then the last to part 0. scikit-learn's StratifiedGroupKFold loops over groups in
    Python, which takes minutes for a million rows.

    Args:
        codes: the class of each row as a whole number.
    """
    rank = np.argsort(np.argsort(np.bincount(codes), kind="stable"), kind="stable")
    count = int(groups.max()) + 1
    rarest = np.full(count, len(rank))
    np.minimum.at(rarest, groups, rank[codes])
    chance = np.random.default_rng(seed).random(count)
    order = np.lexsort((chance, -np.bincount(groups), rarest))
    begins = np.searchsorted(rarest[order], rarest[order])
    turn, step = np.divmod(np.arange(count) - begins, parts)
    dealt = np.empty(count, dtype=np.intp)
    dealt[order] = np.where(turn % 2, parts - 1 - step, step)
    return dealt[groups]


def in_time(y: pd.Series, by: pd.Series, recipe: Recipe) -> tuple[Ranks, list[str]]:
    """Return the position of each row in time, which rows of the same time share, and warnings.

    Args:
        y: the class of each row.
        by: the recipe's column of time: dates in ISO 8601, or numbers. Rows without a value are the oldest.

    Raises:
        RecipeError: the column holds other values, or a part of the split lacks a class.
    """
    values = by if is_numeric_dtype(by) else pd.to_datetime(by, format="ISO8601", errors="coerce", utc=True)
    strange = by[by.notna() & values.isna()]
    if len(strange) or values.isna().all():
        found = quote(strange.iloc[0]) if len(strange) else "no values"
        raise RecipeError(f"the column of time {quote(by.name)} has {found}; expected dates or numbers")
    ranks = values.rank(method="dense").fillna(0).to_numpy().astype(np.intp)
    blocks = _blocks(ranks, recipe)
    for place, block in enumerate(blocks):
        if missing := sorted(set(y) - set(y.iloc[block])):
            part = "the newest fifth" if place == HELD_OUT else f"fold {place} in the order of {by.name}"
            raise RecipeError(
                f"{part} has no row of {quote(missing[0])}; use fewer folds, add rows, or split without --time"
            )
    without = int(values.isna().sum())
    return ranks, [f"{without:,} rows without {by.name} count as the oldest"] if without else []


def _blocks(ranks: Ranks, recipe: Recipe) -> list[NDArray[np.intp]]:
    """Return the row positions of the held-out part, and then of each fold from the oldest to the newest."""
    order = np.argsort(ranks, kind="stable")
    cut = len(order) - math.ceil(len(order) * HOLD_OUT)
    # rows of one time are on one side, which may make the part smaller or larger
    low, high = (int(np.searchsorted(ranks[order], ranks[order[cut]], side)) for side in ("left", "right"))
    cut = high if high < len(order) and high - cut < cut - low else low
    return [order[cut:], *np.array_split(order[:cut], recipe.folds)]


def split(
    y: pd.Series, recipe: Recipe, groups: Groups | None = None, ranks: Ranks | None = None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the row positions to train on and those of the held-out fifth, stratified by class.

    Each class has at least one training row per fold and at least one held-out row. Rows of a group are on one side. With
    ranks in time, the newest rows are held out.

    Raises:
        RecipeError: a class has too few rows for the folds; the message says what to do.
    """
    needed = needed_rows(recipe.folds)
    few = smallest_classes(count(y), needed)
    if few:
        raise RecipeError(
            f"too few rows of {few}: {recipe.folds} folds and a held-out fifth need at least {needed} of every class. "
            "Use fewer folds, add rows, or leave the class out"
        )
    if ranks is not None:
        newest, *older = _blocks(ranks, recipe)
        return np.sort(np.concatenate(older)), np.sort(newest)
    codes, classes = pd.factorize(y, sort=True)
    if groups is not None:
        is_held_out = _deal(codes, groups, round(1 / HOLD_OUT), recipe.seed) == HELD_OUT
        return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
    size = max(math.ceil(len(y) * HOLD_OUT), len(classes))
    fitting, held_out = train_test_split(
        np.arange(len(y)), test_size=size, stratify=codes, random_state=recipe.seed
    )
    # In a rare class, a fifth may be no row, or leave fewer training rows than folds.
    learned, kept = (np.bincount(codes[rows], minlength=len(classes)) for rows in (fitting, held_out))
    for code in np.flatnonzero(learned < recipe.folds):
        held_out, fitting = _move(codes, code, np.intp(recipe.folds - learned[code]), held_out, fitting)
    for code in np.flatnonzero(kept == 0):
        fitting, held_out = _move(codes, code, np.intp(1), fitting, held_out)
    return fitting, held_out


def _move(
    codes: NDArray[np.intp], code: np.intp, count: np.intp, source: NDArray[np.intp], to: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Move the first rows of a class; return the new source and destination."""
    moved = np.flatnonzero(codes[source] == code)[:count]
    return np.delete(source, moved), np.concatenate([to, source[moved]])


def folds(
    y: NDArray[np.object_], recipe: Recipe, groups: Groups | None = None, ranks: Ranks | None = None
) -> Folds:
    """Return the folds of the cross-validation, stratified by class, or blocks of time.

    Args:
        y: the labels of the training rows, shape (rows,).
        groups: the groups of the training rows, which folds keep together.
        ranks: the positions of the training rows in time; each fold is a block of it.
    """
    if ranks is not None:
        parts = np.empty(len(y), dtype=np.intp)
        for place, block in enumerate(np.array_split(np.argsort(ranks, kind="stable"), recipe.folds)):
            parts[block] = place
        return PredefinedSplit(parts)
    if groups is None:
        return StratifiedKFold(recipe.folds, shuffle=True, random_state=recipe.seed)
    codes = pd.factorize(y, sort=True)[0]
    return PredefinedSplit(_deal(codes, pd.factorize(groups)[0], recipe.folds, recipe.seed))
