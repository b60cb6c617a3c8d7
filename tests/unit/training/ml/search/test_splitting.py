"""Splits that keep copies and groups of rows on one side."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from training.ml.search.recipe import SPACE_SEARCHES, Recipe, RecipeError
from training.ml.search.splitting import folds, in_time, split, together
from training.ml.tables.copies import copies
from training.ml.tables.findings import find
from training.ml.tables.inference import infer
from training.ml.trainer import check, train

TINY = Recipe(folds=3, space={"n_estimators": [20]})


def noise(rows: int, copies: int, seed: int = 0) -> pd.DataFrame:
    """Rows of noise with a label of noise, and each row so many times, shuffled."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(random.normal(size=(rows, 6)), columns=list("abcdef"))
    table["label"] = np.resize(["no", "yes"], rows)
    return pd.concat([table] * copies).sample(frac=1, random_state=seed).reset_index(drop=True)


def customers(seed: int = 0, each: int = 10) -> pd.DataFrame:
    """Sixty customers with nearly the same row several times, and a label of noise."""
    table = noise(60, each, seed)
    table["customer"] = table.groupby("a").ngroup()
    table["a"] += np.random.default_rng(seed + 1).normal(0, 1e-4, len(table))
    return table


def sides(table: pd.DataFrame, recipe: Recipe, by: str | None = None) -> list[tuple[Any, Any]]:
    """Each pair of row positions of a training's splits: the held-out rows, then those of each fold."""
    contract = infer(table, "label")
    X, y = contract.prepare(table), contract.labels_of(table)
    groups, _ = together(X, y, None if by is None else table[by], recipe)
    fitting, held_out = split(y, recipe, groups)
    inner = folds(y.iloc[fitting].to_numpy(), recipe, None if groups is None else groups[fitting])
    return [
        (fitting, held_out),
        *((fitting[fit], fitting[test]) for fit, test in inner.split(X.iloc[fitting], y.iloc[fitting])),
    ]


def test_copies_stand_on_one_side_of_every_split() -> None:
    table = noise(40, 4)
    key = table.groupby(list("abcdef")).ngroup().to_numpy()
    for fit, test in sides(table, TINY):
        assert not set(key[fit]) & set(key[test])
        assert set(table["label"].iloc[fit]) == set(table["label"].iloc[test]) == {"no", "yes"}
    assert len(sides(table, TINY)[0][1]) == 32


def test_copies_with_other_labels_stay_together() -> None:
    table = noise(40, 4)
    table.loc[table.index[:30], "label"] = "yes"
    key = table.groupby(list("abcdef")).ngroup().to_numpy()
    assert all(not set(key[fit]) & set(key[test]) for fit, test in sides(table, TINY))


@pytest.mark.parametrize("search", SPACE_SEARCHES)
def test_noise_with_copies_is_not_learned(search: str) -> None:
    scores = []
    for seed in range(3):
        table = noise(60, 8, seed)
        recipe = Recipe(folds=3, search=search, seed=seed, space={"n_estimators": [20]})
        trained = train(table, infer(table, "label"), recipe, jobs=1, accelerate=False)
        scores += [
            trained.held_out.metrics["roc_auc"],
            trained.candidates[0].mean,
            trained.cross_validation["roc_auc"]["mean"],
        ]
    assert abs(np.mean(scores) - 0.5) < 0.12


def test_groups_stand_on_one_side_of_every_split() -> None:
    table = customers()
    groups = table["customer"].to_numpy()
    for fit, test in sides(table, TINY, by="customer"):
        assert not set(groups[fit]) & set(groups[test])
        assert 0.4 < (table["label"].iloc[test] == "yes").mean() < 0.6


def test_groups_of_uneven_size_are_dealt_evenly() -> None:
    random = np.random.default_rng(0)
    size = random.integers(1, 60, 200)
    table = noise(int(size.sum()), 1).assign(customer=np.repeat(np.arange(200), size))
    table["label"] = np.where(random.random(len(table)) < 0.1, "rare", "often")
    parts = [test for _, test in sides(table, TINY, by="customer")]
    assert len(parts[0]) == pytest.approx(len(table) / 5, rel=0.1)
    assert [len(part) for part in parts[1:]] == pytest.approx([len(table) * 0.8 / 3] * 3, rel=0.1)
    assert [(table["label"].iloc[part] == "rare").mean() for part in parts] == pytest.approx(
        [0.1] * 4, abs=0.03
    )


def test_group_column_changes_the_judgement_of_near_copies() -> None:
    table = customers()
    contract = infer(table.drop(columns="customer"), "label")
    alone = train(table, contract, TINY, jobs=1, accelerate=False)
    kept = train(table, contract, Recipe(**{**TINY.to_dict(), "group": "customer"}), jobs=1, accelerate=False)
    assert alone.held_out.metrics["roc_auc"] > 0.95
    assert kept.held_out.metrics["roc_auc"] < 0.8


def test_rows_without_a_group_stand_alone_and_copies_join_groups() -> None:
    table = noise(30, 2)
    table["customer"] = np.where(np.arange(60) < 50, np.nan, 7.0)
    contract = infer(table.drop(columns="customer"), "label")
    X, y = contract.prepare(table), contract.labels_of(table)
    groups, _ = together(X, y, table["customer"], TINY)
    assert groups is not None
    key = table.groupby("a").ngroup().to_numpy()
    seven = set(key[50:])
    assert len(set(groups)) == 30 - len(seven) + 1
    assert len(set(groups[np.isin(key, list(seven))])) == 1


def test_equal_rows_of_a_few_categories_are_not_copies() -> None:
    random = np.random.default_rng(0)
    table = pd.DataFrame({name: random.choice(["a", "b", "c"], 500) for name in "xyz"})
    assert copies(table) is None


def test_tables_without_copies_are_split_as_before() -> None:
    table = noise(90, 1)
    contract = infer(table, "label")
    assert together(contract.prepare(table), contract.labels_of(table), None, TINY) == (None, [])


def test_few_copies_change_no_split() -> None:
    table = noise(1_000, 1)
    table = pd.concat([table, table.head(4)], ignore_index=True)
    contract = infer(table, "label")
    assert together(contract.prepare(table), contract.labels_of(table), None, TINY) == (None, [])
    assert [item for item in find(table, contract) if item.code == "repeated_rows"] == []


def test_copies_are_told_with_their_other_labels() -> None:
    table = noise(40, 4)
    table.loc[0, "label"] = "yes" if table.loc[0, "label"] == "no" else "no"
    findings = {finding.code: finding for finding in find(table, infer(table, "label"))}
    assert "leak" not in findings, "a row whose copy is known is no sign of a leak"
    message = findings["repeated_rows"].message
    assert "120 of 160 rows repeat an earlier row" in message
    assert "1 of these rows have copies with another label" in message


def test_copies_of_a_class_with_one_row_do_not_stop_the_training_and_are_told() -> None:
    table = noise(40, 4)
    rare = pd.DataFrame([{**dict.fromkeys("abcdef", 9.0), "label": "rare"}] * 8)
    table = pd.concat([table, rare], ignore_index=True)
    trained = train(table, infer(table, "label"), TINY, jobs=1, accelerate=False)
    assert [warning.partition(",")[0] for warning in trained.warnings] == [
        "copies of rows may stand on both sides of a split"
    ]
    assert 'hold "rare"' in trained.warnings[0]


def test_column_of_groups_among_the_inputs_is_told() -> None:
    table = customers()
    recipe = Recipe(**{**TINY.to_dict(), "group": "customer"})
    trained = train(table, infer(table, "label"), recipe, jobs=1, accelerate=False)
    assert trained.warnings == ["customer is the column of groups and an input, too"]


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("nowhere", 'the column of groups "nowhere" is not in the table'),
        ("label", 'the column of groups "label" is the target'),
        ("half", 'too few groups of half hold rows of "no", "yes"'),
    ],
)
def test_group_columns_that_cannot_be_used_are_refused(group: str, expected: str) -> None:
    table = noise(60, 1).assign(half=np.resize([1, 2], 60))
    with pytest.raises(RecipeError, match=expected):
        check(table, infer(table, "label"), Recipe(folds=3, group=group))


def dated(rows: int = 100) -> pd.DataFrame:
    """Rows of noise in random order, each with a day of its own."""
    table = noise(rows, 1)
    days = pd.Series(pd.date_range("2025-01-01", periods=rows).strftime("%Y-%m-%d"))
    table["day"] = days.sample(frac=1, random_state=1).to_numpy()
    return table


def test_the_newest_fifth_is_held_out_and_folds_are_blocks_of_time() -> None:
    table = dated()
    recipe = Recipe(folds=4, time="day")
    ranks, warnings = in_time(table["label"], table["day"], recipe)
    fitting, held_out = split(table["label"], recipe, None, ranks)
    assert warnings == []
    assert len(held_out) == 20
    assert table["day"].iloc[fitting].max() < table["day"].iloc[held_out].min()
    rows = table.iloc[fitting]
    blocks = [
        rows["day"].iloc[test].agg(["min", "max"]).tolist()
        for _, test in folds(rows["label"].to_numpy(), recipe, None, ranks[fitting]).split(rows)
    ]
    assert blocks == sorted(blocks)
    assert all(before[1] < after[0] for before, after in pairwise(blocks))


def test_rows_of_one_time_are_on_one_side_and_those_without_are_the_oldest() -> None:
    table = dated()
    recipe = Recipe(folds=2, time="year")
    years = pd.Series(np.repeat([2023.0, 2024.0, 2025.0], [40, 35, 25]), name="year")
    years[:5] = np.nan
    ranks, warnings = in_time(table["label"], years, recipe)
    fitting, held_out = split(table["label"], recipe, None, ranks)
    assert set(years[held_out]) == {2025.0}
    assert set(range(5)) <= set(fitting)
    assert warnings == ["5 rows without year count as the oldest"]


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (["soon"] * 100, '"day" has "soon"; expected dates or numbers'),
        ([None] * 100, "has no values"),
    ],
)
def test_a_column_that_is_no_time_is_refused(days: list[str | None], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        in_time(noise(100, 1)["label"], pd.Series(days, name="day", dtype=object), TINY)


def test_a_part_without_a_class_is_refused() -> None:
    table = dated().sort_values("day")
    table["label"] = np.repeat(["no", "yes"], 50)
    with pytest.raises(RecipeError, match='the newest fifth has no row of "no"'):
        in_time(table["label"], table["day"], TINY)
    with pytest.raises(RecipeError, match="give one of the two"):
        Recipe(group="a", time="day").check()


def test_an_input_that_tells_the_class_of_later_rows_is_warned_about() -> None:
    table = dated(200)
    table["refund"] = (table["label"] == "yes").astype(float)
    recipe = Recipe(folds=2, space={"n_estimators": [5]}, time="day")
    trained = train(table, infer(table, "label"), recipe, jobs=1, accelerate=False)
    (warning,) = [text for text in trained.warnings if text.startswith("refund:")]
    assert "by itself" in warning
    assert trained.held_out.rows == 40
