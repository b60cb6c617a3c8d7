"""What a file holds beside its features: columns come back in the result, empty lines are told or are rows."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import reverse

from clfsite.core.errors import InvalidInput
from predictions.batches import downloads
from predictions.batches.check import carried, check_columns, check_rows, features_of
from predictions.batches.models import Batch
from predictions.batches.service import create_batch, execute_batch
from predictions.models import Prediction
from tests.support.factories import ApiKeyFactory, tiny
from tests.support.portal import staff_client
from training.ml.files.blocks import read_blocks, rows
from training.ml.tables.contract import Kind
from training.models import Version

pytestmark = pytest.mark.django_db
ORDERS = b"order_no,spend,tenure,member,plan,\xc3\xa9tat\nA-7,1,2,true,pro,x\nA-8,1,2,true,pro,=1+1\n"


def scored(content: bytes, **options: Any) -> Batch:
    batch = create_batch(source=ContentFile(content, name="orders.csv"), caller="tests", **options)
    execute_batch(batch)
    batch.refresh_from_db()
    return batch


def result(batch: Batch) -> list[dict[str, str]]:
    text = downloads.answers(batch).getvalue().decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("mode", Batch.Mode.values)
def test_columns_that_are_no_features_come_back_in_the_result(mode: str, version: Version) -> None:
    batch = scored(ORDERS, mode=mode)
    assert batch.state == Batch.State.SUCCEEDED, batch.error
    assert [(row["order_no"], row["état"]) for row in result(batch)] == [("A-7", "x"), ("A-8", "'=1+1")]
    assert "order_no" not in Prediction.objects.all()[0].features


def test_they_are_told_before_the_start(version: Version, client: Client) -> None:
    batch = scored(ORDERS, hold=True)
    assert batch.state == Batch.State.CHECKED
    page = staff_client().get(reverse("predictions:batch-detail", args=[batch.pk])).content.decode()
    assert "Not used, but kept in the result: order_no, état" in page
    ApiKeyFactory.create(secret="clf_reader", scopes=("read",))
    answer = client.get(f"/api/batches/{batch.pk}", headers={"authorization": "Bearer clf_reader"}).json()
    assert answer["carried_columns"] == ["order_no", "état"]
    assert answer["empty_lines"] == 0


@pytest.mark.parametrize("name", ["tenur", "Tenure", "tenures"])
def test_a_column_that_looks_like_a_missing_feature_is_an_error(name: str, version: Version) -> None:
    content = f"spend,{name},member,plan,order_no\n1,2,true,pro,7\n".encode()
    with pytest.raises(InvalidInput) as refused:
        create_batch(source=ContentFile(content, name="orders.csv"), caller="tests")
    assert [fault["column"].strip() for fault in refused.value.errors] == ["tenure", name.strip()]
    assert "did you mean the column" in refused.value.errors[0]["message"]


def test_a_column_like_a_feature_that_is_there_is_carried(tmp_path: Any) -> None:
    path = tmp_path / "t.csv"
    path.write_text("spend,tenure,tenur,member,plan\n1,2,3,true,pro\n")
    assert carried(check_columns(path, tiny().contract), tiny().contract) == ["tenur"]


def test_an_empty_line_of_a_file_of_one_column_is_a_row_without_a_value(tmp_path: Any) -> None:
    path = tmp_path / "narrow.csv"
    for text in ("x\n1\n\n3\n\n", 'x\n"1"\n\n3\n\n', "\n\nx\r\n1\r\n\r\n3\r\n\r\n"):
        path.write_bytes(text.encode())
        (block,) = read_blocks(path)
        assert [list(column) for column in block.columns] == [["1", "", "3", ""]]
        assert (block.rows, block.empty) == (4, 0)
        assert [cells for _, cells in rows(path)] == [["x"], ["1"], [""], ["3"], [""]]


def test_a_model_of_one_feature_answers_empty_lines_in_their_order(tmp_path: Any) -> None:
    contract = replace(tiny().contract, features=tiny().contract.features[:1])
    path = tmp_path / "narrow.csv"
    path.write_text("spend\n100\n\n90\n\n\n")
    assert check_columns(path, contract) == ["spend"]
    (block,) = read_blocks(path)
    assert list(block.columns[0]) == ["100", "", "90", "", ""]
    assert list(block.kept) == [0, 1, 2, 3, 4]


def test_empty_lines_of_a_wider_file_are_skipped_and_told(version: Version, client: Client) -> None:
    content = b"spend,tenure,member,plan\n\n1,2,true,pro\n\n\n1,2,true,basic\n\n"
    batch = scored(content, hold=True)
    assert (batch.rows_total, batch.preview["empty_lines"]) == (2, 4)
    page = staff_client().get(reverse("predictions:batch-detail", args=[batch.pk])).content.decode()
    assert "4 empty lines skipped" in page


def test_a_category_that_our_files_mark_as_a_formula_is_read_as_itself(version: Version) -> None:
    features = tuple(
        replace(each, categories=("+", "=1+1", "basic")) if each.kind is Kind.CATEGORY else each
        for each in tiny().contract.features
    )
    contract = replace(tiny().contract, features=features)
    header = list(contract.names)
    marked = ["'=1+1", "'+", "'=2", "'basic", "+"]
    columns = [marked if name == "plan" else ["1"] * len(marked) for name in header]
    block = SimpleNamespace(columns=columns)
    found = features_of(block, header, contract)[header.index("plan")]  # type: ignore[arg-type]
    assert found == ["=1+1", "+", "'=2", "'basic", "+"]


def test_a_feature_whose_name_our_files_mark_has_its_column(tmp_path: Path) -> None:
    contract = replace(tiny().contract, features=(replace(tiny().contract.features[0], name="@spend"),))
    path = tmp_path / "sample.csv"
    for header, names in (
        ("n,'@spend", ["n", "@spend"]),
        ("@spend,'@spend", ["@spend", "'@spend"]),
        ("@spend,'=n", ["@spend", "'=n"]),
    ):
        path.write_text(f"{header}\n1,2\n")
        assert check_columns(path, contract) == names
    answered = {"rows": 0}
    verdict = check_rows(
        path,
        contract,
        strict=False,
        errors=tmp_path / "errors",
        note=lambda rows, _: answered.update(rows=rows),
    )
    assert (verdict.bad, verdict.carried, answered) == (0, ["'=n"], {"rows": 1})
