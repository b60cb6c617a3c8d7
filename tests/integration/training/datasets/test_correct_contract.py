"""A run with corrections: recorded with the run, carried by the version, and kept in serving."""

import io
from typing import Any

import pytest

from clfsite.core.errors import InvalidInput
from predictions.serving.live_models import live_models
from tests.support.factories import ClassifierFactory
from training.datasets.service import import_dataset
from training.ml.search.recipe import Recipe
from training.ml.tables.contract import Kind
from training.ml.tables.corrections import Choice, Corrections
from training.models import Dataset, Run, Version
from training.runs.execution import execute_run
from training.runs.service import request_run
from training.versions.registry import load_model
from training.versions.service import activate_version

RECIPE = Recipe(estimator="logistic_regression", folds=2, space={"C": [1.0]})

# the search reports from a thread of its own, which would not see an open transaction
pytestmark = pytest.mark.django_db(transaction=True)


def upload(content: str, name: str = "shops", **options: Any) -> Dataset:
    return import_dataset(name=name, target="left", source=io.BytesIO(content.encode()), **options)


@pytest.fixture
def dataset() -> Dataset:
    """Shops with a code that has leading zeros, a number to leave out, and a counter."""
    lines = [
        f"{number},{'0' if number % 4 else '1'}{number % 3 + 1},{number % 7}.5,{'yes' if number % 3 else 'no'}"
        for number in range(48)
    ]
    return upload("\n".join(["id,code,size,left", *lines]))


def version_of(dataset: Dataset, corrections: Corrections) -> Version:
    run = request_run(dataset=dataset, recipe=RECIPE, corrections=corrections, queued=False)
    assert run.start()
    version = execute_run(run, jobs=1)
    assert version is not None, Run.objects.get(pk=run.pk).error
    return version


def test_version_keeps_the_contract_as_corrected_and_the_dataset_its_own(dataset: Dataset) -> None:
    corrections = Corrections({"code": Choice.CATEGORY, "size": Choice.LEAVE_OUT, "id": Choice.TAKE_IN})
    version = version_of(dataset, corrections)
    version.refresh_from_db()
    assert version.run.corrections == corrections
    assert version.contract.names == ["id", "code"]
    assert version.contract.left_out == {"size": "left out by choice"}
    assert version.contract.features[1].categories == ("01", "02", "03", "11", "12", "13")
    dataset.refresh_from_db()
    assert dataset.contract.names == ["code", "size"]
    assert dataset.contract.features[0].kind is Kind.CATEGORY


def test_codes_are_answered_as_they_are_written(dataset: Dataset) -> None:
    version = version_of(dataset, Corrections({"code": Choice.CATEGORY}))
    model = load_model(version)
    assert version.contract.check({"code": "01", "size": 1.5}) == ([], [])
    (label,), _ = model.score([{"code": "01", "size": 1.5}])
    assert label in version.contract.classes


@pytest.mark.parametrize(
    ("of_classifier", "of_run", "strict"),
    [(False, False, False), (True, False, True), (False, True, True), (True, True, True)],
    ids=["neither", "classifier", "run", "both"],
)
def test_strictness_comes_from_the_run_or_is_forced_by_the_classifier(
    dataset: Dataset, of_classifier: bool, of_run: bool, strict: bool
) -> None:
    ClassifierFactory.create(name=dataset.name, strict=of_classifier)
    version = version_of(dataset, Corrections(strict=of_run))
    activate_version(version=version, actor="tests", reason="a test needs it")
    assert live_models.get(dataset.name).strict is strict


def test_run_without_corrections_has_the_contract_of_its_dataset(dataset: Dataset) -> None:
    version = version_of(dataset, Corrections())
    assert version.contract == dataset.contract
    assert version.run.corrections_data == {"columns": {}, "strict": False, "labels": None}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"gone": Choice.CATEGORY}, 'no column "gone" to correct'),
        ({"left": Choice.CATEGORY}, '"left" is the target'),
        ({"code": Choice.LEAVE_OUT, "size": Choice.LEAVE_OUT}, "no column is left as an input"),
    ],
    ids=["unknown", "target", "nothing left"],
)
def test_correction_that_cannot_be_is_refused_before_anything_is_queued(
    dataset: Dataset, columns: dict[str, Choice], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        request_run(dataset=dataset, recipe=RECIPE, corrections=Corrections(columns))
    assert not Run.objects.exists()


def test_text_that_is_no_number_is_named_by_line_and_column() -> None:
    dataset = upload("age,left\n" + "1,yes\nyoung,no\nold,yes\n" * 10)
    with pytest.raises(InvalidInput, match='got "young"') as caught:
        request_run(dataset=dataset, recipe=RECIPE, corrections=Corrections({"age": Choice.NUMBER}))
    assert [(fault["line"], fault["column"]) for fault in caught.value.errors[:2]] == [(3, "age"), (4, "age")]
    assert not Run.objects.exists()


CODES = "code,left\n" + "100,yes\n200,no\n" * 20 + "A12,yes\n"


def test_codes_that_are_mostly_numbers_are_taken_as_a_category_where_it_is_said() -> None:
    with pytest.raises(InvalidInput, match="use the column as a category"):
        upload(CODES)
    dataset = upload(CODES, categories=["code"])
    assert dataset.contract.features[0].categories == ("100", "200", "A12")
    assert version_of(dataset, Corrections()).contract == dataset.contract


def test_category_of_the_dataset_can_be_a_number_again_where_all_of_it_is() -> None:
    dataset = upload("code,left\n" + "100,yes\n200,no\n" * 20, categories=["code"])
    version = version_of(dataset, Corrections({"code": Choice.NUMBER}))
    assert (version.contract.features[0].kind, version.contract.features[0].high) == (Kind.NUMBER, 200)


def test_column_of_codes_that_the_table_does_not_have_is_refused() -> None:
    with pytest.raises(InvalidInput, match='no column "zip" to correct; the table has: code, left'):
        upload(CODES.replace("A12", "300"), categories=["zip"])


def test_warnings_are_stored_with_the_dataset_and_told_to_its_runs() -> None:
    lines = [f"{number * 3},{number % 5},{'yes' if number % 3 else 'no'}" for number in range(40)]
    dataset = upload("\n".join(["number,size,left", *lines]))
    assert [(warning["code"], warning["column"]) for warning in dataset.warnings] == [
        ("identifier", "number")
    ]
    run = request_run(dataset=dataset, recipe=RECIPE, queued=False)
    assert run.data_warnings == dataset.warnings
    corrections = Corrections({"number": Choice.LEAVE_OUT})
    run = request_run(dataset=dataset, recipe=RECIPE, corrections=corrections, queued=False)
    assert run.data_warnings == []
