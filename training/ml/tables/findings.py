"""Findings about a table before training, each with advice.

They are fast enough for every upload: checks of values use a sample, which is drawn with a fixed seed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.ml.files.dates import days
from training.ml.search.recipe import Recipe, needed_rows, smallest_classes
from training.ml.tables.contract import Contract, Feature, Kind, labels, with_label
from training.ml.tables.copies import Groups, copies, repeated
from training.ml.tables.date_parts import recognise
from training.ml.tables.inference import MIN_ROWS_FOR_IDENTIFIER, LeftOut, tell_alike
from training.ml.tables.labels import alike, count, distinct
from training.ml.tables.quoting import quote

SEED = 0
SAMPLE_ROWS = 2_000
# balanced accuracy from which a single column that predicts the class is called a leak
LEAK = 0.98
# rows; with fewer rows of a class, a column may predict it by chance
MIN_ROWS_FOR_LEAK = 10
# rows; fewer say little about a value of a category
FEW_ROWS_OF_A_LEVEL = 5
# numbers that often stand for a missing value, and the rows from which they are told
SENTINELS = frozenset(
    float(sign * int(nines))
    for nines in ("99", "999", "9999", "99999", "999999", "9999999")
    for sign in (-1, 1)
) | {-9.0, -1e10}
MIN_ROWS_FOR_SENTINEL = 3
# advice about columns that are left out
ADVICE = {
    LeftOut.IDENTIFIER: "Include it as a number or a category if it describes the rows",
    LeftOut.FREE_TEXT: "Use its words as inputs (in the terminal: --text {name}), or include it if its texts are categories",
    LeftOut.CONSTANT: "Nothing can be learned from it",
    LeftOut.ALL_MISSING: "Nothing can be learned from it",
}


@dataclass(frozen=True)
class Finding:
    """One finding about a column, with advice."""

    code: str
    column: str
    message: str


def find(table: pd.DataFrame, contract: Contract) -> list[Finding]:
    """Check a table before training.

    Args:
        table: as read from CSV, shape (rows, columns).
        contract: inferred from the table.

    Returns:
        Findings with the codes `leak`, `alike_labels`, `tiny_class`, `unlabelled`, `repeated_rows`,
        `alike_categories`, `suspicious_number`, `flag`, `duplicate`, `identifier`, `date_parts`, `many_levels`, `constant`,
        `all_missing` and `free_text`, most severe first, and for each code in the order of the columns.
    """
    labelled = with_label(table, contract.target)
    classes = contract.labels_of(labelled)
    counts = count(classes)
    groups = copies(contract.prepare(labelled))
    # any column predicts the class of a row whose copy is known
    firsts = slice(None) if groups is None else np.unique(groups, return_index=True)[1]
    return [
        *_leaks(labelled.iloc[firsts], classes.iloc[firsts], contract),
        *_alike_labels(counts, contract.target),
        *_about_target(len(table), counts, contract.target),
        *_repeated_rows(groups, classes, contract.target),
        *_alike_categories(labelled, contract),
        *_suspicious_numbers(labelled, contract),
        *_flags(contract),
        *_duplicates(labelled, contract),
        *_identifiers(labelled, contract),
        *_date_parts(contract),
        *_many_levels(labelled, contract),
        *_left_out(contract),
    ]


def _alike_labels(counts: Mapping[str, int], target: str) -> Iterator[Finding]:
    groups = alike(counts)
    if groups:
        yield Finding(
            "alike_labels",
            target,
            f"{tell_alike(groups)}. Merge them or keep them as different classes when you start the run",
        )


def _alike_categories(labelled: pd.DataFrame, contract: Contract) -> Iterator[Finding]:
    for feature in contract.features:
        if feature.kind is not Kind.CATEGORY or distinct(feature.categories) == len(feature.categories):
            continue
        groups = alike(count(labels(labelled[feature.name].dropna())))
        if groups:
            yield Finding(
                "alike_categories",
                feature.name,
                f"{tell_alike(groups, 'category')}. Merge them when you start the run (in the terminal: --merge "
                f"{feature.name}); otherwise they are different categories",
            )


def _suspicious_numbers(labelled: pd.DataFrame, contract: Contract) -> Iterator[Finding]:
    """Find numbers such as -999 that are repeated and far from all others, as if they meant a missing value."""
    for feature in contract.features:
        if feature.kind not in {Kind.NUMBER, Kind.INTEGER} or feature.low is None or feature.high is None:
            continue
        for value in {feature.low, feature.high} & SENTINELS:
            values = labelled[feature.name].dropna()
            others = values[values != value]
            rows = len(values) - len(others)
            low, high = others.min(), others.max()
            if rows < MIN_ROWS_FOR_SENTINEL or not low < high:
                continue
            gap = low - value if value < 0 else value - high
            if gap > high - low:
                mark = f"{value:g}"
                yield Finding(
                    "suspicious_number",
                    feature.name,
                    f"{rows:,} rows have {mark}, far from all other values. If it means a missing value, upload the file "
                    f"again and add it to the texts for a missing value (in the terminal: --missing {mark}); otherwise it is a "
                    "number",
                )


def _flags(contract: Contract) -> Iterator[Finding]:
    for feature in contract.features:
        if feature.kind is Kind.CATEGORY and feature.missing and len(feature.categories) == 1:
            yield Finding(
                "flag",
                feature.name,
                f"each cell holds {quote(feature.categories[0])} or nothing, so it is used as a flag of two values. Leave it "
                "out if an empty cell has no meaning",
            )


def _about_target(rows: int, counts: Mapping[str, int], target: str) -> Iterator[Finding]:
    folds = Recipe().folds
    needed = needed_rows(folds)
    few = smallest_classes(counts, needed)
    if few:
        yield Finding(
            "tiny_class",
            target,
            f"too few rows of {few}: {folds} folds and a held-out fifth need at least {needed} of every class. "
            "Use fewer folds, add rows, or leave the rows of the class out",
        )
    unlabelled = rows - sum(counts.values())
    if unlabelled:
        yield Finding(
            "unlabelled",
            target,
            f"{unlabelled:,} of {rows:,} rows have no label and are not used for training",
        )


def _left_out(contract: Contract) -> Iterator[Finding]:
    for name, reason in contract.left_out.items():
        for why, advice in ADVICE.items():
            if reason.startswith(why):
                yield Finding(
                    why.name.lower(), name, f"{reason}; the column is left out. {advice.format(name=name)}"
                )


def _date_parts(contract: Contract) -> Iterator[Finding]:
    known = {parts.columns for parts in contract.date_parts}
    for columns in recognise(contract):
        if columns not in known:
            yield Finding(
                "date_parts",
                columns[0],
                f"it and {', '.join(columns[1:])} look like the parts of one date. To learn the weekday and the elapsed "
                f"time, too, combine them when you start the run (in the terminal: --date-parts {','.join(columns)})",
            )


def _many_levels(labelled: pd.DataFrame, contract: Contract) -> Iterator[Finding]:
    for name in contract.levels:
        rows = labels(labelled[name].dropna()).value_counts()
        rare = int((rows < FEW_ROWS_OF_A_LEVEL).sum())
        weak = (
            f"; from {rare:,} of them, with fewer than {FEW_ROWS_OF_A_LEVEL} rows, little can be learned"
            if rare
            else ""
        )
        yield Finding(
            "many_levels",
            name,
            f"it has {len(rows):,} different values, so each is replaced by the shares of the classes among its "
            f"rows{weak}; a value that training has not seen counts as an average row. Group the values, or leave the "
            "column out if it only names the rows",
        )


def _identifiers(labelled: pd.DataFrame, contract: Contract) -> Iterator[Finding]:
    """Find columns of distinct whole numbers, such as a customer's number, or an amount in a small table."""
    for feature in contract.features:
        if feature.kind not in {Kind.INTEGER, Kind.NUMBER}:
            continue
        values = labelled[feature.name].dropna()
        if len(values) < MIN_ROWS_FOR_IDENTIFIER or not values.head(SAMPLE_ROWS).is_unique:
            continue
        if values.is_unique and (feature.kind is Kind.INTEGER or (values % 1 == 0).all()):
            yield Finding(
                "identifier",
                feature.name,
                f"all of its {len(values):,} whole numbers are different, as in an identifier. Leave it out if "
                "it only identifies the rows",
            )


def _repeated_rows(groups: Groups | None, classes: pd.Series, target: str) -> Iterator[Finding]:
    if groups is None:
        return
    count = repeated(groups)
    both = pd.DataFrame({"group": groups, "label": classes.to_numpy()})
    doubtful = int((both.groupby("group")["label"].nunique() > 1).sum())
    unlike = f"; {doubtful:,} of these rows have copies with another label" if doubtful else ""
    yield Finding(
        "repeated_rows",
        target,
        f"{count:,} of {len(classes):,} rows repeat an earlier row in all inputs{unlike}. All copies of a row are on "
        "the same side of every split, so no model is evaluated on rows that it was trained on. Remove the copies if they "
        "are one case. If rows are only related, choose the column of their groups when you start the run (in the terminal: "
        "--group COLUMN)",
    )


def _duplicates(labelled: pd.DataFrame, contract: Contract) -> Iterator[Finding]:
    """Find features that equal an earlier one; only those that agree on a sample are compared completely."""
    sample = labelled.iloc[:: max(1, len(labelled) // SAMPLE_ROWS)]
    alike: dict[int, list[str]] = {}
    for feature in contract.features:
        column = sample[feature.name]
        key = hash((str(column.dtype), pd.util.hash_pandas_object(column, index=False).to_numpy().tobytes()))
        earlier = alike.setdefault(key, [])
        twin = next((name for name in earlier if labelled[name].equals(labelled[feature.name])), None)
        if twin is None:
            earlier.append(feature.name)
            continue
        yield Finding(
            "duplicate",
            feature.name,
            f"it has the same values as {quote(twin)}. Leave one of the two out: otherwise callers have to "
            "send both, and each hides the importance of the other",
        )


def _leaks(labelled: pd.DataFrame, classes: pd.Series, contract: Contract) -> Iterator[Finding]:
    """Find features that predict the class on their own, judged on other rows than they were learned from."""
    chosen = _balanced_sample(classes)
    y = pd.Index(contract.classes).get_indexer(pd.Index(classes.iloc[chosen]))
    rows = np.bincount(y, minlength=len(contract.classes))
    if (rows >= MIN_ROWS_FOR_LEAK).sum() < 2:  # noqa: PLR2004
        return
    kept = rows[y] >= MIN_ROWS_FOR_LEAK
    chosen, y = chosen[kept], y[kept]
    for feature in contract.features:
        if feature.kind is Kind.TEXT:
            continue
        values = _as_numbers(feature, labelled[feature.name].iloc[chosen])
        score = _score_alone(values, y, nearest=_has_order(feature))
        if score >= LEAK:
            yield _leak(feature, contract, score)


def leaks_across(
    labelled: pd.DataFrame, contract: Contract, learned: NDArray[np.intp], judged: NDArray[np.intp]
) -> list[Finding]:
    """Find features that predict the class on their own across a split by groups or time.

    Args:
        labelled: as read from CSV, shape (rows, columns), with a label in each row.
        learned, judged: the positions of the rows on both sides of the split.
    """
    classes = contract.labels_of(labelled)
    # the labels of each side in random order, and about as many of each class
    known, asked = (rows[_balanced_sample(classes.iloc[rows])] for rows in (learned, judged))
    y = pd.Index(contract.classes).get_indexer(pd.Index(classes.iloc[np.concatenate([known, asked])]))
    truth = y[len(known) :]
    rows = np.bincount(truth, minlength=len(contract.classes))
    if (rows >= MIN_ROWS_FOR_LEAK).sum() < 2:  # noqa: PLR2004
        return []
    found = []
    for feature in contract.features:
        if feature.kind is Kind.TEXT:
            continue
        values = _as_numbers(feature, labelled[feature.name].iloc[np.concatenate([known, asked])])
        predicted = _look_up(
            values[: len(known)], y[: len(known)], values[len(known) :], nearest=_has_order(feature)
        )
        right = np.bincount(truth, weights=predicted == truth, minlength=len(rows))
        score = float((right[rows > 0] / rows[rows > 0]).mean())
        if score >= LEAK:
            found.append(_leak(feature, contract, score))
    return found


def _leak(feature: Feature, contract: Contract, score: float) -> Finding:
    return Finding(
        "leak",
        feature.name,
        f"it predicts {contract.target} by itself with a balanced accuracy of {score:.1%}. Leave "
        "it out if it is not known at the time of the prediction",
    )


def _has_order(feature: Feature) -> bool:
    return feature.kind not in {Kind.CATEGORY, Kind.BOOLEAN}


def _as_numbers(feature: Feature, column: pd.Series) -> NDArray[np.float64]:
    """Return a number for each value, NaN if missing; codes for the values of a category."""
    if not _has_order(feature):
        codes = pd.factorize(column)[0]
        return np.where(codes < 0, np.nan, codes)
    return days(column) if feature.kind is Kind.DATE else column.to_numpy(np.float64)


def _balanced_sample(classes: pd.Series) -> NDArray[np.intp]:
    """Return positions of rows in random order, with about the same number of each class."""
    order = np.random.default_rng(SEED).permutation(len(classes))
    codes, uniques = pd.factorize(classes.to_numpy())
    most = max(SAMPLE_ROWS // len(uniques), 2 * MIN_ROWS_FOR_LEAK)
    by_class = np.argsort(codes[order].astype(np.int16), kind="stable")
    bounds = np.cumsum(np.bincount(codes))[:-1]
    chosen: NDArray[np.intp] = np.concatenate([places[:most] for places in np.split(by_class, bounds)])
    return order[np.sort(chosen)]


def _score_alone(values: NDArray[np.float64], y: NDArray[np.intp], *, nearest: bool) -> float:
    """Return the balanced accuracy of predicting a row's class by its value in the other half of the rows.

    Args:
        values: one value per row, NaN if missing; in random order.
        y: the classes as whole numbers from 0.
        nearest: whether a value that is not in the other half is replaced by the nearest one in it;
            otherwise the prediction counts as wrong.
    """
    predicted = np.empty(len(y), dtype=np.intp)
    halves = np.zeros(len(y), dtype=bool)
    # taking every second row by class puts each class in both halves
    halves[np.argsort(y, kind="stable")[::2]] = True
    for test in (halves, ~halves):
        predicted[test] = _look_up(values[~test], y[~test], values[test], nearest=nearest)
    right = np.bincount(y, weights=predicted == y)
    rows = np.bincount(y)
    return float((right[rows > 0] / rows[rows > 0]).mean())


def _look_up(
    known: NDArray[np.float64], classes: NDArray[np.intp], asked: NDArray[np.float64], *, nearest: bool
) -> NDArray[np.intp]:
    """Return the most frequent class of each value among the known rows, -1 if there is none."""
    uniques, places = np.unique(known, return_inverse=True)
    width = int(classes.max()) + 1
    votes = np.bincount(places * width + classes, minlength=len(uniques) * width).reshape(-1, width)
    answers = votes.argmax(axis=1)
    missing = len(uniques) > 0 and bool(np.isnan(uniques[-1]))
    numbers = uniques[: len(uniques) - missing]
    values = np.full(len(asked), answers[-1] if missing else -1)
    present = ~np.isnan(asked)
    if not len(numbers):
        values[present] = -1
        return values
    after = np.searchsorted(numbers, asked[present]).clip(1, max(len(numbers) - 1, 1))
    before = after - 1
    after = after.clip(max=len(numbers) - 1)
    closer = np.abs(numbers[before] - asked[present]) <= np.abs(numbers[after] - asked[present])
    place = np.where(closer, before, after)
    exact = numbers[place] == asked[present]
    values[present] = np.where(exact | nearest, answers[place], -1)
    return values
