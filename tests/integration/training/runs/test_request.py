"""Asking for a run: what cannot work is refused before a worker hears of it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest
from django.core.files.storage import storages
from django.db import connections

from clfsite.core.errors import Conflict, InvalidInput, NotFound
from tests.integration.conftest import Messages
from tests.support.factories import ClassifierFactory, DatasetFactory, UserFactory, tiny
from training.ml.search.recipe import Recipe
from training.ml.tables.corrections import Choice, Corrections
from training.models import Classifier, Run
from training.runs.service import request_run

pytestmark = pytest.mark.dialect

RECIPE = Recipe(folds=3, seed=5, space={"n_estimators": [5]})
OnCommit = Callable[..., Any]

BAD_RECIPES: dict[str, tuple[dict[str, Any], str]] = {
    "folds beyond the smallest class": ({"folds": 50}, "Use fewer folds"),
    "one fold": ({"folds": 1}, "at least 2"),
    "estimator": ({"estimator": "oracle"}, "unknown estimator 'oracle'"),
    "search": ({"search": "luck"}, "unknown search 'luck'"),
    "scoring": ({"scoring": "beauty"}, "unknown scoring 'beauty'"),
    "scoring of regressions": ({"scoring": "r2"}, "r2"),
    "parameter": ({"space": {"depth": [1]}}, "no parameter 'depth'"),
    "no values": ({"space": {"n_estimators": []}}, "expected a list of values"),
    "impossible value": ({"space": {"n_estimators": ["many"]}}, "n_estimators"),
    "seed": ({"seed": -1}, "seed is -1"),
    "group": ({"group": "customer"}, "there is no column"),
}


@pytest.mark.django_db
def test_run_waits_with_all_that_it_needs() -> None:
    dataset, user = DatasetFactory.create(name="churn"), UserFactory.create()
    run = request_run(dataset=dataset, recipe=RECIPE, activate=True, user=user)
    run.refresh_from_db()
    assert (run.state, run.dataset, run.created_by) == (Run.State.QUEUED, dataset, user)
    assert run.recipe == replace(RECIPE, positive="yes")
    assert run.activate_when_done
    assert run.fits_total == 3
    assert run.classifier.name == "churn"


@pytest.mark.django_db
@pytest.mark.parametrize(("choice", "expected"), [(None, "leave_out"), ("number", "number")])
def test_column_of_groups_is_no_input_unless_chosen(choice: str | None, expected: str) -> None:
    corrections = Corrections({"tenure": Choice(choice)} if choice else {})
    run = request_run(
        dataset=DatasetFactory.create(), recipe=replace(RECIPE, group="tenure"), corrections=corrections
    )
    assert run.recipe.group == "tenure"
    assert run.corrections.columns == {"tenure": expected}


@pytest.mark.django_db
def test_classifier_may_have_a_name_of_its_own() -> None:
    run = request_run(dataset=DatasetFactory.create(), recipe=RECIPE, classifier="fraud")
    assert run.classifier.name == "fraud"


@pytest.mark.django_db
def test_first_classifier_answers_by_default_and_later_ones_do_not() -> None:
    for name in ("first", "second", "first"):
        request_run(dataset=DatasetFactory.create(), recipe=RECIPE, classifier=name)
    assert dict(Classifier.objects.values_list("name", "is_default")) == {"first": True, "second": False}


@pytest.mark.django_db
def test_run_of_a_known_classifier_changes_no_default() -> None:
    classifier = ClassifierFactory.create()
    request_run(dataset=DatasetFactory.create(), recipe=RECIPE, classifier=classifier.name)
    classifier.refresh_from_db()
    assert not classifier.is_default


@pytest.mark.django_db
def test_worker_is_told_after_the_commit(
    messages: Messages, django_capture_on_commit_callbacks: OnCommit
) -> None:
    with django_capture_on_commit_callbacks(execute=False) as callbacks:
        run = request_run(dataset=DatasetFactory.create(), recipe=RECIPE)
    assert messages() == []
    for callback in callbacks:
        callback()
    assert messages() == [("training.tasks.train_run", [run.pk])]


@pytest.mark.django_db
def test_nobody_is_told_of_a_run_that_its_caller_executes(
    messages: Messages, django_capture_on_commit_callbacks: OnCommit
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        request_run(dataset=DatasetFactory.create(), recipe=RECIPE, queued=False)
    assert messages() == []


@pytest.mark.django_db
@pytest.mark.parametrize(("change", "message"), BAD_RECIPES.values(), ids=list(BAD_RECIPES))
def test_recipe_that_cannot_work_is_refused_before_anything_is_queued(
    messages: Messages, django_capture_on_commit_callbacks: OnCommit, change: dict[str, Any], message: str
) -> None:
    recipe = Recipe(**{**RECIPE.to_dict(), **change})
    with django_capture_on_commit_callbacks(execute=True), pytest.raises(InvalidInput, match=message):
        request_run(dataset=DatasetFactory.create(), recipe=recipe)
    assert not Run.objects.exists()
    assert not Classifier.objects.exists()
    assert messages() == []


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["a b", "../a", "-a", "a" * 101, "a\n"], ids=repr)
def test_name_that_makes_a_poor_address_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="classifier"):
        request_run(dataset=DatasetFactory.create(), recipe=RECIPE, classifier=name)
    assert not Classifier.objects.exists()


@pytest.mark.django_db
def test_dataset_whose_file_is_gone_is_refused_before_anything_is_queued() -> None:
    dataset = DatasetFactory.create(file=False)
    with pytest.raises(NotFound, match=f"{dataset} is missing from storage"):
        request_run(dataset=dataset, recipe=RECIPE)
    assert not Run.objects.exists()


@pytest.mark.django_db
def test_dataset_whose_file_was_changed_is_refused_before_anything_is_queued() -> None:
    dataset = DatasetFactory.create()
    with open(storages["datasets"].path(dataset.file_name), "ab") as file:
        file.write(b"1,2,True,basic,yes\n")
    with pytest.raises(Conflict, match="was changed; upload it again"):
        request_run(dataset=dataset, recipe=RECIPE)
    assert not Run.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_first_runs_at_once_make_one_default_classifier() -> None:
    dataset, together = DatasetFactory.create(), Barrier(6)
    tiny()

    def one(number: int) -> str:
        try:
            together.wait()
            return request_run(dataset=dataset, recipe=RECIPE, classifier=f"c{number}").classifier.name
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(one, range(6))) == [f"c{number}" for number in range(6)]
    assert Classifier.objects.filter(is_default=True).count() == 1
