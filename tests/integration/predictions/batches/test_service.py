"""CSV files as jobs: checked whole, scored in pieces, written as CSV."""

import csv
import io
from typing import Any

import numpy as np
import pytest
from django.core.files.base import ContentFile

from clfsite.core.errors import InvalidInput, NotFound
from predictions.batches import downloads as batch_downloads
from predictions.batches.models import Batch
from predictions.batches.service import create_batch, execute_batch, files
from predictions.models import Prediction
from tests.support.factories import tiny
from training.ml.files import blocks
from training.models import Version

pytestmark = pytest.mark.dialect

HEADER = "spend,tenure,member,plan"


def upload(text: str | bytes, name: str = "customers.csv") -> ContentFile:  # type: ignore[type-arg]
    return ContentFile(text if isinstance(text, bytes) else text.encode(), name=name)


def run(text: str) -> Batch:
    batch = create_batch(source=upload(text), caller="tests")
    execute_batch(batch)
    batch.refresh_from_db()
    return batch


def result_of(batch: Batch) -> list[dict[str, str]]:
    content: bytes = batch_downloads.answers(batch).getvalue()
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_a_file_is_scored_logged_and_written(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "ROWS", 7)
    rows = "".join(
        f"{90 + number}.5,{1 + number},{'true' if number % 2 else 'False'},pro\n" for number in range(20)
    )
    batch = run(f"{HEADER}\n{rows}")
    assert (batch.state, batch.rows_done, batch.rows_total, batch.error) == ("succeeded", 20, 20, "")
    result = result_of(batch)
    logged = {str(row.pk): row for row in Prediction.objects.filter(batch=batch)}
    assert [logged[line["prediction_id"]].row for line in result] == list(range(20))
    assert all(line["label"] == logged[line["prediction_id"]].label for line in result)
    assert [line["tenure"] for line in result] == [str(number) for number in range(1, 21)]
    assert {row.source for row in logged.values()} == {"csv"}


@pytest.mark.parametrize("bad", ["short", '"short"'], ids=["plain", "quoted"])
@pytest.mark.parametrize("first", [0, 2], ids=["first", "last"])
def test_a_part_of_bad_rows_alone_is_left_out(
    version: Version, monkeypatch: pytest.MonkeyPatch, bad: str, first: int
) -> None:
    monkeypatch.setattr(blocks, "ROWS", 2)
    rows = ["90.5,5,true,pro"] * 3 + ["90.5,5,true,gold"]
    rows[first:first] = [bad, bad]
    batch = create_batch(
        source=upload("\n".join([HEADER, *rows, ""])), caller="tests", mode=Batch.Mode.LENIENT
    )
    execute_batch(batch)
    batch.refresh_from_db()
    assert (batch.state, batch.error, batch.rows_bad) == ("succeeded", "", 2)
    result = result_of(batch)
    assert [line["row"] for line in result] == [
        str(row) for row in range(1, 7) if row - 1 - first not in (0, 1)
    ]
    assert [line["warnings"] for line in result[:3]] == [""] * 3
    assert result[3]["warnings"].startswith("plan: ")


@pytest.mark.promise(13)
def test_a_file_is_answered_as_json_records_are(version: Version) -> None:
    batch = run(f"{HEADER}\n,5,true,\n120.25,40,false,basic\n")
    records: list[dict[str, Any]] = [
        {"spend": None, "tenure": 5, "member": True, "plan": None},
        {"spend": 120.25, "tenure": 40, "member": False, "plan": "basic"},
    ]
    expected = tiny().trained.pipeline.predict_proba(tiny().contract.frame(records))
    result = [[float(line["probability_no"]), float(line["probability_yes"])] for line in result_of(batch)]
    np.testing.assert_allclose(result, expected, atol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "plan,member,tenure,spend\npro,true,5,100\n",
        f"{HEADER},left\n100,5,true,pro,yes\n",
        "spend;tenure;member;plan\n100;5;true;pro\n",
        "\ufeffspend,tenure,member,plan\r\n100,5,true,pro\r\n",
    ],
    ids=["reordered", "with the target", "semicolons", "BOM and CRLF"],
)
def test_columns_are_found_by_name(version: Version, text: str) -> None:
    batch = run(text)
    assert (batch.state, batch.error) == ("succeeded", "")
    assert Prediction.objects.get(batch=batch).features == {
        "spend": 100.0,
        "tenure": 5,
        "member": True,
        "plan": "pro",
    }


def test_bad_cells_are_named_by_line_and_column_and_nothing_is_scored(version: Version) -> None:
    batch = run(
        f"{HEADER}\n100,5,true,pro\nmuch,5,true,pro\n100,5.5,perhaps,pro\n100,,true,pro\n1_000,5,true,pro\n"
    )
    assert batch.state == "failed"
    places = [(problem["line"], problem["column"]) for problem in batch.problems]
    assert places == [(3, "spend"), (4, "tenure"), (4, "member"), (5, "tenure"), (6, "spend")]
    assert "4 of 5 rows" in batch.error
    assert not Prediction.objects.exists()


def test_a_ragged_file_fails_with_its_line(version: Version) -> None:
    batch = run(f"{HEADER}\n100,5,true,pro\n100,5,true\n")
    assert batch.state == "failed"
    assert batch.problems[0]["line"] == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n", "PNG picture"),
        (b"PK\x03\x04rest", "workbook cannot"),
        (b"spend,tenure\n1,2\n", "no column for member, plan"),
        (b"spend,spend,member,plan\n", "is invalid"),
    ],
    ids=["0 bytes", "PNG", "xlsx", "missing columns", "duplicate header"],
)
def test_a_file_that_does_not_fit_is_refused_before_anything_is_stored(
    version: Version, content: bytes, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        create_batch(source=upload(content), caller="tests")
    assert not Batch.objects.exists()


def test_a_file_without_rows_fails(version: Version) -> None:
    assert "no rows" in run(f"{HEADER}\n").error


def test_formulas_are_quoted_in_the_result_and_numbers_are_not(version: Version) -> None:
    batch = run(f'{HEADER}\n-5.5,5,true,"=HYPERLINK(""x"")"\n+1,5,true,@cmd\n')
    result = result_of(batch)
    assert [line["plan"] for line in result] == ['\'=HYPERLINK("x")', "'@cmd"]
    assert [line["spend"] for line in result] == ["-5.5", "+1"]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_rows_with_line_ends_in_a_cell_come_back_as_many(version: Version, end: str) -> None:
    text = "".join(f'{90 + number},5,true,"pro{end}max"\n' for number in range(9))
    batch = run(f"{HEADER}\n{text}")
    result = result_of(batch)
    assert [row["plan"] for row in result] == [f"pro{end}max"] * 9
    assert Prediction.objects.filter(pk__in=[row["prediction_id"] for row in result]).count() == 9


def test_columns_of_the_file_keep_their_names_beside_those_of_the_result(version: Version) -> None:
    Version.objects.update(
        contract_data={**version.contract_data, "left_out": {"Label": "a note", "probability": ""}}
    )
    batch = run(f"{HEADER},Label,probability\n100,5,true,pro,mine,high\n")
    header, (row,) = batch_downloads.first_rows(batch, 1)
    assert header[:4] == ["prediction_id", "row", "clfsite_label", "clfsite_probability"]
    assert header[-2:] == ["Label", "probability"]
    assert row[-2:] == ["mine", "high"]
    assert row[2] in version.contract.classes


def test_a_hostile_file_name_is_kept_as_a_name_only(version: Version) -> None:
    batch = create_batch(source=upload(f"{HEADER}\n1,2,true,pro\n", name="../../etc/passwd"), caller="tests")
    assert batch.file_name == "passwd"
    assert files().exists(batch.source_name)


def test_a_message_delivered_five_times_scores_once(version: Version) -> None:
    batch = create_batch(source=upload(f"{HEADER}\n100,5,true,pro\n"), caller="tests")
    for _ in range(5):
        execute_batch(Batch.objects.get(pk=batch.pk))
    assert Prediction.objects.filter(batch=batch).count() == 1


def test_a_file_is_scored_out_of_a_bucket_and_into_it(bucket: str, version: Version) -> None:
    batch = run(f"{HEADER}\n100,5,true,pro\n120.25,40,false,basic\n")
    assert (batch.state, batch.error) == ("succeeded", "")
    assert [line["tenure"] for line in result_of(batch)] == ["5", "40"]
    files().delete(batch.part_name(0))
    with pytest.raises(NotFound):
        result_of(batch)
