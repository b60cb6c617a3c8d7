"""Columns that are the parts of one date: recognised, and learned as one."""

import itertools

import numpy as np
import pandas as pd
import pytest

from training.ml.judge.decision import Decision
from training.ml.search.families import FAMILIES
from training.ml.search.recipe import Recipe
from training.ml.serve.compiled import agrees, compile_pipeline, edge_rows
from training.ml.tables.contract import Contract, ContractError
from training.ml.tables.corrections import Corrections
from training.ml.tables.date_parts import recognise
from training.ml.tables.findings import find
from training.ml.tables.inference import correct, infer
from training.ml.trainer import Trained, train

ROWS = 600
DAY = ("year", "month", "day")
AS_DATE = Corrections(date_parts=(DAY,))


def flights(names: tuple[str, ...] = DAY, *, gaps: bool = False) -> pd.DataFrame:
    """Flights whose delay depends on the weekday."""
    random = np.random.default_rng(0)
    when = pd.Series(
        pd.Timestamp("2021-01-01") + pd.to_timedelta(random.integers(0, 900 * 24, ROWS), unit="h")
    )
    parts = [when.dt.year, when.dt.month, when.dt.day, when.dt.hour][: len(names)]
    table = pd.DataFrame(dict(zip(names, parts, strict=True)))
    if gaps:
        table = table.mask(random.random(table.shape) < 0.03)
    return table.assign(
        noise=random.normal(size=ROWS), label=np.where(when.dt.day_of_week >= 5, "late", "in time")
    )


def trained(table: pd.DataFrame, family: str, corrections: Corrections) -> Trained:
    recipe = Recipe(estimator=family, folds=2, search="random", max_fits=2)
    return train(table, infer(table, "label", corrections), recipe, jobs=1, accelerate=False)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (DAY, [DAY]),
        (("Year", "Month", "DayOfMonth", "Hour"), []),
        (
            ("dep_year", "dep_month", "dep_day", "dep_hour"),
            [("dep_year", "dep_month", "dep_day", "dep_hour")],
        ),
        (("depYear", "depMonth", "depDay"), [("depYear", "depMonth", "depDay")]),
        (("yr", "mnth", "dd", "hr"), [("yr", "mnth", "dd", "hr")]),
        (("dep_year", "arr_month", "arr_day"), []),
        (("day", "month", "year"), []),
    ],
)
def test_parts_are_recognised_by_names_and_ranges(
    names: tuple[str, ...], expected: list[tuple[str, ...]]
) -> None:
    table = flights(names)
    contract = infer(table, "label")
    assert recognise(contract) == expected
    told = [finding for finding in find(table, contract) if finding.code == "date_parts"]
    assert len(told) == len(expected)
    if expected:
        assert f"--date-parts {','.join(expected[0])}" in told[0].message


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_of_a_date_are_learned_as_one(family: str) -> None:
    table = flights()
    alone, joined = (trained(table, family, choice) for choice in (Corrections(), AS_DATE))
    assert joined.held_out.metrics["roc_auc"] > alone.held_out.metrics["roc_auc"] + 0.1
    assert joined.engine["reason"] == ""
    assert joined.contract.names == alone.contract.names


@pytest.mark.parametrize("names", [DAY, (*DAY, "hour")])
def test_compiled_form_agrees_on_every_kind_of_date(names: tuple[str, ...]) -> None:
    table = flights(names, gaps=True)
    contract = infer(table, "label", Corrections(date_parts=(names,)))
    model = train(table, contract, Recipe(folds=2, max_fits=2), jobs=1, accelerate=False)
    compiled = compile_pipeline(model.pipeline, contract)
    assert compiled
    odd = [np.nan, -5, 0, 1, 2, 12, 13, 28.5, 29, 30, 31, 32, 99, 1e30]
    years = [np.nan, -1, 0, 99, 999, 2023, 2024, 2100, 9_999, 1e30]
    rows = pd.DataFrame(
        [
            {**dict(zip(names, [year, month, day, 24.0], strict=False)), "noise": 0.0}
            for year, month, day in itertools.product(years, odd, odd)
        ]
    )
    decision = Decision(contract.classes, contract.positive, 0.5)
    for asked in (rows, contract.prepare(table), edge_rows(contract, contract.prepare(table))):
        assert agrees(compiled, model.pipeline, asked, decision)
    record = {**dict.fromkeys(names), "noise": 0.5}
    frame = contract.frame([record])
    np.testing.assert_array_equal(
        compiled.preprocessor.records([record]), model.pipeline.named_steps["preprocessor"].transform(frame)
    )


def test_choice_is_kept_in_contract_and_corrections() -> None:
    table = flights()
    contract = correct(infer(table, "label"), table, AS_DATE)
    assert contract == infer(table, "label", AS_DATE)
    assert contract.date_parts[0].columns == DAY
    assert Contract.from_dict(contract.to_dict()) == contract
    assert Corrections.from_dict(AS_DATE.to_dict()) == AS_DATE
    assert "date_parts" not in infer(table, "label").to_dict()
    assert [finding.code for finding in find(table, contract) if finding.code == "date_parts"] == []


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (("year", "month"), "year, month, day and perhaps hour, in this order"),
        (("year", "month", "nowhere"), '"nowhere" is no input of numbers'),
        (("day", "month", "year"), "are no year, month and day of one date"),
    ],
)
def test_columns_that_are_no_date_are_refused(columns: tuple[str, ...], expected: str) -> None:
    with pytest.raises(ContractError, match=expected):
        infer(flights(), "label", Corrections(date_parts=(columns,)))
