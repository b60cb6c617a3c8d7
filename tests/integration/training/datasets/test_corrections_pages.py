"""Correcting a contract in the form that starts a run."""

import io
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.integration.training.runs.test_form import filled
from tests.support.factories import DatasetFactory, RunFactory
from tests.support.portal import staff_client
from training.datasets.service import import_dataset
from training.ml.tables.corrections import Choice, Corrections
from training.models import Dataset, Run
from training.runs.column_forms import MAX_SELECTS, Column, ColumnsForm

NEW = reverse("training:run-create")
COLUMNS = reverse("training:run-columns")


@pytest.fixture
def trainer(db: None) -> Client:
    return staff_client("training.add_run")


def shops(name: str = "shops", wide: int = 0) -> Dataset:
    """A table with a counter that is left out, a code, and as many further columns as wanted."""
    more = [f"c{place}" for place in range(wide)]
    lines = [
        ",".join([str(row), str(10 + row % 3), *[str(row % 4)] * wide, "yes" if row % 3 else "no"])
        for row in range(40)
    ]
    content = "\n".join([",".join(["id", "code", *more, "left"]), *lines]).encode()
    return import_dataset(name=name, target="left", source=io.BytesIO(content))


def lines_of(form: ColumnsForm) -> dict[str, Column]:
    return {column.name: column for column in form.columns()}


def chosen(dataset: Dataset, **choices: str) -> dict[str, Any]:
    """What a browser sends: these choices, and all other columns as inferred."""
    form = ColumnsForm(None, dataset=dataset, start=Corrections(), positive=None)
    selects = {column.field.html_name: choices.get(name, "") for name, column in lines_of(form).items()}
    return {"columns_of": str(dataset.pk), **selects}


def test_every_column_is_listed_with_what_was_inferred_and_what_it_can_be(trainer: Client) -> None:
    dataset = shops()
    response = trainer.get(NEW)
    result = lines_of(response.context["columns"])
    assert list(result) == ["code", "id"]
    assert result["id"].reason.startswith("identifier-like")
    assert result["code"].feature == dataset.contract.features[0]
    offered = {name: [option.data["value"] for option in column.field] for name, column in result.items()}
    assert offered == {
        "code": ["", "number", "category", "merge", "text", "leave_out"],
        "id": ["", "take_in", "text", "number", "category", "merge"],
    }
    shown = response.content.decode()
    assert "As inferred: integer" in shown
    assert 'aria-label="Use code as"' in shown
    assert "Before you train" in shown


def test_choices_become_the_corrections_of_the_run(trainer: Client) -> None:
    dataset = shops()
    data = {**filled(dataset), **chosen(dataset, code="category", id="take_in"), "strict": "on"}
    assert trainer.post(NEW, data).status_code == 302
    run = Run.objects.get()
    columns = {"code": Choice.CATEGORY, "id": Choice.TAKE_IN}
    assert run.corrections == Corrections(columns, strict=True)
    shown = trainer.get(reverse("training:run-detail", args=[run.pk])).content.decode()
    assert "code: a category;" in shown
    assert "id: included;" in shown


def test_form_without_any_choice_corrects_nothing(trainer: Client) -> None:
    dataset = shops()
    assert trainer.post(NEW, {**filled(dataset), **chosen(dataset)}).status_code == 302
    assert not Run.objects.get().corrections


def test_choice_that_cannot_be_is_refused_where_it_is_wrong(trainer: Client) -> None:
    dataset = shops()
    response = trainer.post(NEW, {**filled(dataset), **chosen(dataset, code="date")})
    assert list(response.context["columns"].errors) == ["column-0"]
    assert '<details class="mb-3" open>' in response.content.decode()
    assert not Run.objects.exists()


def test_nothing_left_to_learn_from_is_said_above_the_form(trainer: Client) -> None:
    dataset = shops()
    response = trainer.post(NEW, {**filled(dataset), **chosen(dataset, code="leave_out")})
    assert "No column is left as an input" in response.context["form"].non_field_errors()[0]
    assert lines_of(response.context["columns"])["code"].field.value() == "leave_out"
    assert not Run.objects.exists()


def test_text_that_is_no_number_is_listed_by_line_and_column(trainer: Client) -> None:
    dataset = DatasetFactory.create()
    shown = trainer.post(NEW, {**filled(dataset), **chosen(dataset, plan="number")}).content.decode()
    assert "Fix these rows" in shown
    assert '<td class="number" data-label="Line">3</td>' in shown
    assert '<td data-label="Column">plan</td>' in shown
    assert not Run.objects.exists()


def test_another_dataset_brings_its_own_columns(trainer: Client) -> None:
    other = DatasetFactory.create(name="other")
    shops()
    piece = trainer.get(COLUMNS, {"dataset": other.pk})
    assert list(lines_of(piece.context["columns"])) == ["spend", "tenure", "member", "plan"]
    assert "<html" not in piece.content.decode()
    for odd in ("", "x", "0", "9" * 30, "1\x00"):
        assert "code" in trainer.get(COLUMNS, {"dataset": odd}).content.decode()


def test_choices_for_another_dataset_are_not_taken_over_unseen(trainer: Client) -> None:
    before, dataset = DatasetFactory.create(name="other"), shops()
    response = trainer.post(NEW, {**filled(dataset), **chosen(before, spend="leave_out")})
    columns = response.context["columns"]
    assert "were for another table" in columns.non_field_errors()[0]
    assert {column.field.value() or "" for column in columns.columns()} == {""}
    assert columns["columns_of"].value() == str(dataset.pk)
    assert not Run.objects.exists()
    data = {**filled(dataset), **chosen(before), "strict": "on"}
    assert trainer.post(NEW, data).status_code == 302
    assert Run.objects.get().corrections == Corrections(strict=True)


def test_repeated_run_starts_from_the_corrections_of_the_one_before(trainer: Client) -> None:
    dataset = shops()
    corrections = {"columns": {"code": "category", "gone": "leave_out"}, "strict": True}
    before = RunFactory.create(dataset=dataset, corrections_data=corrections)
    path = reverse("training:run-repeat", args=[before.pk])
    columns = trainer.get(path).context["columns"]
    assert columns.is_open
    data = {
        columns[name].html_name: columns[name].value() for name in columns.fields if columns[name].value()
    }
    assert trainer.post(path, {**filled(dataset), **data}).status_code == 302
    assert Run.objects.latest("pk").corrections == Corrections({"code": Choice.CATEGORY}, strict=True)


def test_wide_table_has_selects_for_the_columns_in_question_and_lines_for_the_rest(trainer: Client) -> None:
    dataset = shops(wide=MAX_SELECTS + 30)
    columns = trainer.get(NEW).context["columns"]
    result = lines_of(columns)
    assert len(result) == MAX_SELECTS
    # left out, and duplicates of the first
    assert {"id", "c1", "c2"} <= set(result)
    rest = next(name for name in dataset.contract.names if name not in {*result, "code"})
    data = {**filled(dataset), **chosen(dataset), "others": f"{rest}: leave out\r\n\r\ncode: category"}
    assert trainer.post(NEW, data).status_code == 302
    run = Run.objects.get()
    assert run.corrections.columns == {rest: Choice.LEAVE_OUT, "code": Choice.CATEGORY}
    path = reverse("training:run-repeat", args=[run.pk])
    assert f"{rest}: leave_out" in trainer.get(path).content.decode()


@pytest.mark.parametrize("line", ["code", "code: date", "category"])
def test_line_that_is_not_a_column_and_a_choice_is_refused(line: str, trainer: Client) -> None:
    dataset = shops(wide=MAX_SELECTS)
    response = trainer.post(NEW, {**filled(dataset), **chosen(dataset), "others": line})
    assert "write it as zip: category" in response.context["columns"].errors["others"][0]
    assert not Run.objects.exists()


def test_column_in_the_lines_that_there_is_not_is_refused(trainer: Client) -> None:
    dataset = shops(wide=MAX_SELECTS)
    response = trainer.post(NEW, {**filled(dataset), **chosen(dataset), "others": "gone: category"})
    assert "no column &quot;gone&quot; to correct" in response.content.decode()
    assert not Run.objects.exists()
