"""Dates as inputs: what callers may send, and what becomes of it."""

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from predictions.batches.counts import groups_of
from predictions.protocols.open_inference import datatype_of
from training.ml.files.notation import Notation
from training.ml.tables import times
from training.ml.tables.checks import check_cells, check_records, read_cell
from training.ml.tables.contract import Contract, ContractError, Feature, Kind
from training.ml.tables.findings import find
from training.ml.tables.inference import infer
from training.ml.tables.profile import describe

DAY = Feature("day", Kind.DATE, False, "2021-05-15", first="2020-01-13", last="2022-06-23")
GAPS = Feature(
    "day",
    Kind.DATE,
    True,
    "2021-05-15T10:00:00",
    notation=Notation(date="%d/%m/%Y"),
    first="2020-01-13T00:00:00",
    last="2022-06-23T18:30:00",
)
EPOCH = Feature(
    "day",
    Kind.DATE,
    True,
    "2021-05-15",
    notation=Notation(date="epoch_ms"),
    first="2020-01-13",
    last="2022-06-23",
)


def contract_of(feature: Feature) -> Contract:
    return Contract("label", (feature,), ("no", "yes"), {}, positive="yes")


def moment(*parts: int) -> datetime:
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


@pytest.mark.parametrize(
    ("value", "date_format", "expected"),
    [
        ("2021-05-15", "", moment(2021, 5, 15)),
        (" 2021-05-15T10:30 ", "", moment(2021, 5, 15, 10, 30)),
        ("2021-05-15 10:30:59.25", "", moment(2021, 5, 15, 10, 30, 59, 250_000)),
        ("2021-05-15T10:30:00Z", "", moment(2021, 5, 15, 10, 30)),
        ("2021-05-15T00:30:00+02:00", "", moment(2021, 5, 14, 22, 30)),
        ("2021-05-15 10:30:00 UTC", "", moment(2021, 5, 15, 10, 30)),
        ("2021-05-15", "%d/%m/%Y", moment(2021, 5, 15)),
        ("15/05/2021", "%d/%m/%Y", moment(2021, 5, 15)),
        ("15/05/2021", "", None),
        ("05/15/2021", "%d/%m/%Y", None),
        ("2021-02-30", "", None),
        ("20210515", "", None),
        ("2021-W20-6", "", None),
        ("0001-01-01T00:00:00+10:00", "", None),
        (86_400, "epoch", moment(1970, 1, 2)),
        ("86400000", "epoch_ms", moment(1970, 1, 2)),
        (86_400, "", None),
        (True, "epoch", None),
        (1e300, "epoch", None),
        (float("nan"), "epoch", None),
        (None, "", None),
        (["2021-05-15"], "", None),
    ],
)
def test_dates_are_read_strictly(value: Any, date_format: str, expected: datetime | None) -> None:
    assert times.read(value, date_format) == expected


@pytest.mark.parametrize("feature", [DAY, GAPS, EPOCH])
@pytest.mark.parametrize(
    "value",
    [
        "2021-05-15", "2030-01-01", "2019-12-31", "2019-12-31T23:59:59+00:00", "15/05/2021", "soon", "", None, 5, True,
        1_620_000_000_000, ["2021-05-15"],
    ],
)  # fmt: skip
def test_many_rows_are_judged_as_one(feature: Feature, value: Any) -> None:
    contract = contract_of(feature)
    errors, warnings = contract.check({"day": value})
    checked = check_records(contract, [{"day": value}, {"day": "2021-05-15"}])
    assert checked.errors.get(0, []) == errors
    assert checked.warnings.get(0, []) == warnings
    if not errors:
        pd.testing.assert_frame_equal(
            checked.frame(), contract.frame([{"day": value}, {"day": "2021-05-15"}])
        )


def test_refusal_says_what_was_found_and_which_forms_are_accepted() -> None:
    (error,), _ = contract_of(GAPS).check({"day": "soon"})
    assert (error.code, error.message) == (
        "not_a_date",
        'expected a date in ISO 8601 such as 2022-06-23T18:30:00, or day/month/year, got "soon"',
    )
    (missing,), _ = contract_of(DAY).check({"day": None})
    assert missing.code == "null_not_allowed"


def test_only_dates_before_training_are_told() -> None:
    _, (early,) = contract_of(DAY).check({"day": "2019-12-31"})
    assert early.code == "out_of_range"
    assert early.message == '"2019-12-31" is before the training range: training saw 2020-01-13 to 2022-06-23'
    assert contract_of(DAY).check({"day": "2042-01-01"}) == ([], [])


def test_cells_keep_their_text_and_other_notations_become_iso() -> None:
    cells = ["15/05/2021", "2021-05-15T10:00:00Z", "NA", "soon"]
    checked = check_cells(contract_of(GAPS), [cells])
    assert checked.texts == [['"15/05/2021"', '"2021-05-15T10:00:00Z"', "null", '"soon"']]
    assert list(checked.errors) == [3]
    assert read_cell(GAPS, "05/15/2021", Notation(date="%m/%d/%Y")) == "2021-05-15"


def dated(values: Any) -> pd.DataFrame:
    rows = len(values)
    label = np.where(np.random.default_rng(0).random(rows) < 0.5, "yes", "no")
    return pd.DataFrame(
        {"day": pd.to_datetime(pd.Series(values)), "noise": np.arange(rows) % 7, "label": label}
    )


def test_dates_are_inferred_and_never_taken_for_identifiers() -> None:
    table = dated([f"2021-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 11)])
    feature = infer(table, "label").features[0]
    assert (feature.kind, feature.first, feature.last) == (Kind.DATE, "2021-01-01", "2021-12-10")
    assert (feature.has_times, feature.default, feature.missing) == (False, "2021-07-01", False)
    assert Contract.from_dict(infer(table, "label").to_dict()) == infer(table, "label")
    table["day"] += pd.Timedelta(hours=3)
    assert infer(table, "label").features[0].first == "2021-01-01T03:00:00"


def test_date_that_decides_the_label_is_told_as_a_leak() -> None:
    table = dated(pd.date_range("2021-01-01", periods=200))
    table["label"] = np.where(table["day"] < "2021-03-01", "early", "late")
    assert "leak" in {finding.code for finding in find(table, infer(table, "label"))}


def test_frames_take_texts_and_times_with_a_zone() -> None:
    contract = contract_of(GAPS)
    expected = pd.DataFrame({"day": np.array(["2021-05-15T08:00", "NaT"], dtype="datetime64[us]")})
    zoned = pd.DataFrame({"day": pd.to_datetime(pd.Series(["2021-05-15T10:00+02:00", None]))})
    texts = pd.DataFrame({"day": ["2021-05-15T08:00", None]})
    for table in (zoned, texts):
        pd.testing.assert_frame_equal(contract.prepare(table), expected)
    assert contract.prepare(pd.DataFrame({"day": [np.nan, np.nan]}))["day"].isna().all()
    with pytest.raises(ContractError, match='holds "soon", which is not a date'):
        contract.prepare(pd.DataFrame({"day": ["soon"]}))


def test_profile_of_dates_has_texts_for_quantiles_and_seconds_for_edges() -> None:
    table = dated(["2021-01-01", "2021-01-02", "2021-01-04", None, "2021-01-11"])
    (profile, *_) = describe(table, "label")
    assert (profile["kind"], profile["missing"], profile["distinct"]) == ("date", 1, 4)
    assert profile["quantiles"] == ["2021-01-01", "2021-01-01", "2021-01-03", "2021-01-05", "2021-01-11"]
    assert profile["edges"][0] == times.seconds(moment(2021, 1, 1))
    assert sum(profile["counts"]) == 4
    assert all(isinstance(group["median"], str | None) for group in profile["by_class"])


@pytest.mark.parametrize("feature", [DAY, GAPS])
def test_batches_group_dates_by_periods(feature: Feature) -> None:
    groups = groups_of(feature)
    assert groups.names[0].startswith("before 2020-01-13")
    assert len(groups.names) == 13
    asked = np.array(["2019-12-31", "2020-01-13", "2022-06-23", "2024-01-01", "NaT"], dtype="datetime64[us]")
    assert groups.place(asked).tolist() == [0, 1, 10, 11, 12]


def test_a_single_date_is_a_group() -> None:
    one = Feature("day", Kind.DATE, False, "2021-05-15", first="2021-05-15", last="2021-05-15")
    assert groups_of(one).names == ("before 2021-05-15", "2021-05-15", "after 2021-05-15", "missing")


def test_open_inference_takes_dates_as_texts() -> None:
    assert datatype_of(GAPS) == "BYTES"
