"""What cannot work is refused before anything is queued, the same by portal, API, command and service."""

import json
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from clfsite.core.storage import files
from predictions.keys import service as keys
from tests.integration.conftest import Messages
from tests.integration.training.runs.test_form import filled
from tests.support.factories import DatasetFactory, tiny, tiny_csv
from tests.support.portal import staff_client
from training.efforts import machine
from training.models import Classifier, Dataset, Run, Version


@dataclass(frozen=True)
class Case:
    """A recipe that cannot work, as an API caller writes it; `words` are what each way says, at least."""

    recipe: dict[str, Any]
    words: str
    # what a field of the form or of the API says by itself
    in_portal: str = ""
    in_api: str = ""


CASES = {
    "unknown parameter": Case({"space": {"wings": [2]}}, "has no parameter 'wings'"),
    "no values of a parameter": Case({"space": {"max_depth": []}}, "expected a list of values"),
    "value that a parameter cannot have": Case({"space": {"max_depth": ["deep"]}}, "cannot take max_depth"),
    "folds beyond the smallest class": Case({"folds": 60}, "oo few rows of"),
    "scorer that there is not": Case({"scoring": "luck"}, "luck", "Select a valid choice"),
    "scorer of regressions": Case({"scoring": "r2"}, "r2", "Select a valid choice"),
    "budget of no fits": Case(
        {"max_fits": 0}, "the budget is 0 fits", "greater than or equal to 1", "greater than or equal to 1"
    ),
    "budget below the folds": Case({"max_fits": 2}, "2 fits", "Expected at least 3 fits"),
    "budget of no minutes": Case({"max_minutes": 0}, "0.0 minutes", "greater than or equal to 0.01"),
}

pytestmark = pytest.mark.django_db


def by_portal(case: Case, dataset: Dataset) -> str:
    data = filled(dataset, **case.recipe)
    if isinstance(data["space"], dict):
        data["space"] = json.dumps(data["space"])
    response = staff_client("training.add_run").post(reverse("training:run-create"), data)
    assert response.status_code == 200
    errors = response.context["form"].errors
    return " ".join(message for messages in errors.values() for message in messages)


def by_api(case: Case, dataset: Dataset, client: Client) -> str:
    _, key = keys.create(name="caller", scopes=("train",))
    response = client.post(
        "/api/runs",
        {"dataset": dataset.pk, "folds": 3, **case.recipe},
        content_type="application/json",
        headers={"authorization": f"Bearer {key}"},
    )
    assert response.status_code == 422, response.content
    problem = response.json()
    return " ".join([problem["detail"], *(error["message"] for error in problem["errors"])])


def by_command(case: Case, folder: Path) -> str:
    path = folder / "table.csv"
    path.write_bytes(tiny_csv())
    options = []
    for name, value in {"folds": 3, **case.recipe}.items():
        text = json.dumps(value) if name == "space" else str(value)
        options += [f"--{name.replace('_', '-')}", text]
    with pytest.raises(CommandError) as caught:
        call_command("train", str(path), "--target", "left", "--jobs", "1", *options, stdout=StringIO())
    return str(caught.value)


@pytest.mark.parametrize("way", ["portal", "api", "command"])
@pytest.mark.parametrize("name", CASES)
def test_recipe_that_cannot_work_is_refused_before_anything_is_queued(
    name: str, way: str, client: Client, tmp_path: Path, messages: Messages
) -> None:
    case, dataset = CASES[name], DatasetFactory.create()
    if way == "portal":
        text = by_portal(case, dataset)
        assert (case.in_portal or case.words) in text
    elif way == "api":
        assert (case.in_api or case.words) in by_api(case, dataset, client)
    else:
        assert case.words in by_command(case, tmp_path)
    assert not Run.objects.exists()
    assert not Classifier.objects.exists()
    assert not [sent for sent in messages() if sent[0] != machine.TASK]


GONE = "is missing from storage; upload the table again"


@pytest.mark.parametrize("way", ["portal", "api"])
def test_dataset_deleted_from_storage_is_refused_before_anything_is_queued(
    way: str, client: Client, messages: Messages
) -> None:
    dataset = DatasetFactory.create()
    files.datasets().delete(dataset.file_name)
    if way == "portal":
        assert GONE in by_portal(Case({}, ""), dataset)
    else:
        _, key = keys.create(name="caller", scopes=("train",))
        headers = {"authorization": f"Bearer {key}"}
        body = {"dataset": dataset.pk, "folds": 3}
        response = client.post("/api/runs", body, content_type="application/json", headers=headers)
        assert (response.status_code, GONE in response.json()["detail"]) == (404, True)
    assert not Run.objects.exists()
    assert not [sent for sent in messages() if sent[0] != machine.TASK]


@pytest.mark.django_db(transaction=True)
def test_command_brings_a_dataset_deleted_from_storage_back(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(tiny().csv)
    call_command("importdataset", str(path), "--target", "left", stdout=StringIO(), stderr=StringIO())
    files.datasets().delete(Dataset.objects.get().file_name)
    quick = ["--estimator", "logistic_regression", "--folds", "2", "--space", '{"C": [1.0]}', "--jobs", "1"]
    call_command("train", str(path), "--target", "left", *quick, stdout=StringIO(), stderr=StringIO())
    assert Version.objects.get().run.dataset == Dataset.objects.get()
    assert files.datasets().exists(Dataset.objects.get().file_name)
