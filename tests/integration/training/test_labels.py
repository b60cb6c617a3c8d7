"""The positive class and the spelling of labels, through every door: terminal, form, API, and the feedback that follows."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from clfsite.core.errors import InvalidInput
from predictions.models import Feedback
from tests.integration.conftest import problem_of
from tests.support.factories import ApiKeyFactory, PredictionFactory, VersionFactory
from tests.support.portal import staff_client
from training.datasets.service import import_dataset
from training.ml.search.recipe import Recipe
from training.ml.tables.contract import Contract
from training.ml.tables.corrections import Corrections, Spellings
from training.models import Dataset, Run, Version
from training.runs.execution import execute_run
from training.runs.service import request_retrain, request_run

# the search reports from a thread of its own, which would not see an open transaction
pytestmark = pytest.mark.django_db(transaction=True)

QUICK = ("--estimator", "logistic_regression", "--folds", "2", "--jobs", "1", "--space", '{"C": [1.0]}')
RECIPE = Recipe(estimator="logistic_regression", folds=2, space={"C": [1.0]})
FRAUD = {"legit": 560, "fraud": 40}
MIXED = {"Yes": 40, "yes": 10, "No": 60}


def csv(rows: dict[str, int]) -> bytes:
    """So many rows of each label, which a number tells apart with errors."""
    random = np.random.default_rng(8)
    label = np.repeat(list(rows), list(rows.values()))
    level = np.repeat([len(name) + ord(name[0].lower()) for name in rows], list(rows.values()))
    x = level + random.normal(0, 2, len(label))
    table = pd.DataFrame({"x": x.round(3), "z": random.normal(size=len(label)).round(3), "kind": label})
    return table.sample(frac=1, random_state=8).to_csv(index=False).encode()


def upload(rows: dict[str, int]) -> Dataset:
    return import_dataset(name="cases", target="kind", source=ContentFile(csv(rows)))


def done(run: Run) -> Version:
    assert run.start()
    version = execute_run(run, jobs=1)
    run.refresh_from_db()
    assert version, run.error
    return version


def train(path: Path, *options: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("train", str(path), "--target", "kind", *QUICK, *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.fixture
def fraud(tmp_path: Path) -> Path:
    path = tmp_path / "cases.csv"
    path.write_bytes(csv(FRAUD))
    return path


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    path = tmp_path / "cases.csv"
    path.write_bytes(csv(MIXED))
    return path


@pytest.fixture
def call(client: Client) -> Callable[..., Any]:
    """Post JSON with a key that may do everything."""
    ApiKeyFactory.create(secret="clf_all", scopes=("train", "read", "feedback"))
    headers = {"authorization": "Bearer clf_all"}

    def post(path: str, body: Any) -> Any:
        return client.post(path, json.dumps(body), "application/json", headers=headers)

    return post


def filled(form: Any, dataset: Dataset) -> dict[str, Any]:
    """What a browser sends of a form that nobody has changed."""
    values = {name: form[name].value() for name in form.fields}
    sent = {name: "" if value is None else value for name, value in values.items() if value is not False}
    return {**sent, "dataset": dataset.pk, "columns_of": dataset.pk}


def test_rare_class_is_positive_and_a_dear_miss_is_answered(fraud: Path) -> None:
    shown, _ = train(fraud, "--aim", "cost=50")
    assert shown.index("positive class: fraud.") < shown.index("cross-validation")
    version = Version.objects.get()
    assert version.contract.positive == "fraud"
    predicted = dict(
        zip(version.contract.classes, map(sum, zip(*version.held_out["confusion"], strict=True)), strict=True)
    )
    assert predicted["fraud"] >= 8
    curve = version.held_out["curves"]["roc"][0]
    assert curve["label"] == "fraud"
    recall = {row["label"]: row["recall"] for row in version.held_out["per_class"]}
    assert version.metrics["recall"] == recall["fraud"]


def test_other_class_is_positive_by_choice(fraud: Path) -> None:
    result = json.loads(train(fraud, "--positive", "legit", "--json")[0])
    assert result["positive"] == "legit"
    version = Version.objects.get()
    assert (version.contract.positive, version.run.recipe.positive) == ("legit", "legit")


def test_positive_class_that_is_none_is_refused_with_those_there_are(fraud: Path) -> None:
    with pytest.raises(CommandError, match='cannot be "theft"; choose from "fraud", "legit"'):
        train(fraud, "--positive", "theft")


def test_import_names_the_positive_class_before_training(fraud: Path) -> None:
    out = StringIO()
    call_command("importdataset", str(fraud), "--target", "kind", stdout=out)
    assert "classes: fraud, legit" in out.getvalue()
    assert "positive class: fraud" in out.getvalue()


def test_alike_labels_are_refused_on_the_terminal_until_merged(mixed: Path) -> None:
    with pytest.raises(
        CommandError,
        match=r'"Yes" and "yes" look like different spellings of one class.*--merge-labels.*--keep-labels',
    ):
        train(mixed)
    train(mixed, "--merge-labels")
    merged = Version.objects.get()
    assert (merged.contract.classes, merged.contract.positive) == (("No", "Yes"), "Yes")
    assert sum(merged.held_out["confusion"][1]) == 10
    train(mixed, "--keep-labels")
    assert Version.objects.latest("number").contract.classes == ("No", "Yes", "yes")


def test_retraining_keeps_the_positive_class_though_the_other_became_rarer() -> None:
    version = done(request_run(dataset=upload(FRAUD), recipe=RECIPE, queued=False))
    upload({"legit": 40, "fraud": 560})
    again = request_retrain(version=version, queued=False)
    assert (again.dataset.contract.positive, again.recipe.positive) == ("legit", "fraud")


def test_version_from_before_is_retrained_as_it_was_meant() -> None:
    version = done(request_run(dataset=upload(FRAUD), recipe=RECIPE, queued=False))
    old = {name: value for name, value in version.contract_data.items() if name not in {"positive", "merged"}}
    Version.objects.filter(pk=version.pk).update(contract_data=old)
    recipe = {name: value for name, value in version.run.recipe_data.items() if name != "positive"}
    Run.objects.filter(pk=version.run_id).update(recipe_data=recipe)
    before = Version.objects.select_related("run__dataset", "classifier").get()
    assert before.contract.positive == "legit"
    assert request_retrain(version=before, queued=False).recipe.positive == "legit"


def test_version_that_learned_alike_labels_as_classes_keeps_them_apart() -> None:
    corrections = Corrections(labels=Spellings.KEEP)
    version = done(request_run(dataset=upload(MIXED), recipe=RECIPE, corrections=corrections, queued=False))
    Run.objects.filter(pk=version.run_id).update(corrections_data={"columns": {}, "strict": False})
    before = Version.objects.select_related("run__dataset", "classifier").get()
    assert request_retrain(version=before, queued=False).corrections.labels is Spellings.KEEP


def test_api_takes_the_positive_class_and_tells_it(call: Callable[..., Any]) -> None:
    dataset = upload(FRAUD)
    body = {"dataset": dataset.pk, "folds": 2, "positive": "legit"}
    response = call("/api/runs", body)
    assert response.status_code == 201, response.content
    assert response.json()["recipe"]["positive"] == "legit"
    guessed = call("/api/runs", {"dataset": dataset.pk, "folds": 2})
    assert guessed.json()["recipe"]["positive"] == "fraud"
    refused = problem_of(call("/api/runs", {**body, "positive": "theft"}), 422)
    assert 'choose from "fraud", "legit"' in refused["detail"]


def test_api_refuses_alike_labels_until_it_is_said_what_they_are(call: Callable[..., Any]) -> None:
    dataset = upload(MIXED)
    assert [warning["code"] for warning in dataset.warnings] == ["alike_labels"]
    body = {"dataset": dataset.pk, "folds": 2}
    assert "look like different spellings of one class" in problem_of(call("/api/runs", body), 422)["detail"]
    for labels in ("merge", "keep"):
        response = call("/api/runs", {**body, "corrections": {"labels": labels}})
        assert response.status_code == 201, response.content
        assert response.json()["corrections"]["labels"] == labels
    problem_of(call("/api/runs", {**body, "corrections": {"labels": "guess"}}), 422)


def test_form_shows_the_positive_class_and_takes_the_other() -> None:
    dataset, trainer = upload(FRAUD), staff_client("training.add_run")
    new = reverse("training:run-create")
    context = trainer.get(new).context
    assert context["columns"]["positive"].value() == "fraud"
    data = {**filled(context["form"], dataset), "positive": "legit"}
    assert trainer.post(new, data).status_code == 302
    run = Run.objects.get()
    assert run.recipe.positive == "legit"
    page = trainer.get(reverse("training:dataset-detail", args=[dataset.pk])).content.decode()
    assert "Positive class" in page


def test_form_asks_what_alike_labels_are() -> None:
    dataset, trainer = upload(MIXED), staff_client("training.add_run")
    new = reverse("training:run-create")
    data = filled(trainer.get(new).context["form"], dataset)
    assert list(trainer.post(new, data).context["columns"].errors) == ["labels"]
    assert trainer.post(new, {**data, "labels": "merge", "positive": "No"}).status_code == 302
    run = Run.objects.get()
    assert (run.corrections.labels, run.recipe.positive) == (Spellings.MERGE, "No")


def test_form_asks_nothing_of_more_classes() -> None:
    upload({"a": 20, "bbb": 20, "ccccc": 20})
    columns = staff_client("training.add_run").get(reverse("training:run-create")).context["columns"]
    assert not {"positive", "labels"} & set(columns.fields)


SPELLED = {
    # as contracts before kept it: TRUE and FALSE had become True and False, 01 had become 1
    "True": (("False", "True"), {}, ["True", "TRUE", "true", True]),
    "TRUE": (("FALSE", "TRUE"), {}, ["TRUE", "True", "true", True]),
    "1": (("0", "1"), {}, ["1", "1.0", "01", 1, 1.0]),
    "03": (("01", "02", "03"), {}, ["03", "3", 3]),
    "1.0": (("0.0", "1.0"), {}, ["1.0", "1", 1]),
    "Yes": (("No", "Yes"), {"yes": "Yes", "YES ": "Yes"}, ["Yes", "yes", "YES "]),
}


def spelled(classes: tuple[str, ...], merged: dict[str, str]) -> Version:
    contract = {
        **Contract("kind", (), classes, {}, merged=merged).to_dict(),
        "positive": classes[-1] if len(classes) == 2 else None,
    }
    return VersionFactory.create(contract_data=contract)


@pytest.mark.parametrize(("classes", "merged", "ways"), SPELLED.values(), ids=SPELLED)
def test_truth_is_read_as_the_target_column_by_every_door(
    classes: tuple[str, ...],
    merged: dict[str, str],
    ways: list[Any],
    call: Callable[..., Any],
    client: Client,
) -> None:
    version, label = spelled(classes, merged), classes[-1]
    for way in ways:
        single = PredictionFactory.create(version=version, label=classes[0])
        response = call(f"/api/predictions/{single.pk}/feedback", {"label": way})
        assert (response.status_code, response.json()["label"]) == (201, label), way
    texts = [way for way in ways if isinstance(way, str)]
    for door in ("api", "portal"):
        logged = [PredictionFactory.create(version=version, label=classes[0]) for _ in texts]
        lines = [f'{prediction.pk},"{text}"' for prediction, text in zip(logged, texts, strict=True)]
        file = SimpleUploadedFile("truth.csv", "\n".join(["id,label", *lines]).encode(), "text/csv")
        if door == "api":
            response = client.post(
                "/api/feedback", {"file": file}, headers={"authorization": "Bearer clf_all"}
            )
            assert response.json()["created"] == len(texts), response.content
        else:
            judge = staff_client("predictions.add_feedback")
            assert judge.post(reverse("predictions:feedback-list"), {"file": file}).status_code == 302
        given = Feedback.objects.filter(prediction__in=logged)
        assert set(given.values_list("label", flat=True)) == {label}


def test_truth_that_is_no_spelling_of_a_class_is_refused(call: Callable[..., Any]) -> None:
    prediction = PredictionFactory.create(version=spelled(("No", "Yes"), {}), label="No")
    for label in ("yes", "YES", "1", True):
        problem = problem_of(call(f"/api/predictions/{prediction.pk}/feedback", {"label": label}), 422)
        assert 'expected "No", "Yes"' in problem["detail"]


def test_request_refuses_a_positive_class_of_three() -> None:
    dataset = upload({"a": 20, "bbb": 20, "ccccc": 20})
    with pytest.raises(InvalidInput, match="has 3"):
        request_run(dataset=dataset, recipe=Recipe(folds=2, positive="a"), queued=False)
