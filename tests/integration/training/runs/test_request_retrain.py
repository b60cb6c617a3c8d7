"""A recipe once more: on the newest data of the same name and target, whoever asks and from wherever."""

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import reverse

from clfsite.core.errors import InvalidInput
from predictions.keys import service as keys
from tests.integration.conftest import problem_of
from tests.support.factories import DatasetFactory, RunFactory, UserFactory, VersionFactory, tiny_csv
from tests.support.portal import staff_client
from training.datasets.service import import_dataset
from training.models import Dataset, Run, Version
from training.runs.service import request_retrain

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> Version:
    """A version trained on `customers v1`, with a recipe of its own."""
    dataset = import_dataset(name="customers", target="left", source=ContentFile(tiny_csv()))
    recipe = {"estimator": "extra_trees", "folds": 3, "seed": 9, "space": {"n_estimators": [5]}}
    run = RunFactory.create(
        classifier__name="churn",
        dataset=dataset,
        succeeded=True,
        recipe_data={**recipe, "scoring": "f1"},
        corrections_data={"columns": {"tenure": "category"}, "strict": True},
    )
    return VersionFactory.create(classifier=run.classifier, run=run)


def add(name: str = "customers", target: str = "left", seed: int = 1) -> Dataset:
    """The next upload under a name."""
    return import_dataset(name=name, target=target, source=ContentFile(tiny_csv(seed=seed)))


def press(client: Client, version: Version, **data: Any) -> str:
    """The page that one comes to by the button."""
    path = reverse("training:version-retrain", args=[version.pk])
    return client.post(path, data, follow=True).content.decode()


def ask(client: Client, version: Version, body: dict[str, Any] | None = None, scope: str = "train") -> Any:
    _, key = keys.create(name="caller", scopes=tuple(scope.split()))
    return client.post(
        f"/api/versions/{version.pk}/retrain",
        body or {},
        content_type="application/json",
        headers={"authorization": f"Bearer {key}"},
    )


def test_recipe_runs_again_on_the_newest_dataset_of_the_same_name_and_target(version: Version) -> None:
    newest = [add(seed=1), add(seed=2)][-1]
    add(target="plan", seed=3)
    add(name="others", seed=4)
    run = request_retrain(version=version)
    assert (run.dataset, run.classifier, run.state) == (newest, version.classifier, Run.State.QUEUED)
    assert run.recipe == replace(version.run.recipe, positive="yes")
    assert run.corrections == version.run.corrections
    assert run.corrections.strict
    assert not run.activate_when_done


def test_without_newer_data_the_recipe_runs_again_on_the_same(version: Version) -> None:
    assert request_retrain(version=version).dataset == version.run.dataset


def test_dataset_user_and_activation_are_as_asked_for(version: Version) -> None:
    chosen, user = add(seed=1), UserFactory.create()
    add(seed=2)
    run = request_retrain(version=version, dataset=chosen, user=user, activate=True)
    assert (run.dataset, run.created_by, run.activate_when_done) == (chosen, user, True)


def test_table_of_another_name_serves_as_well(version: Version) -> None:
    other = add(name="others")
    assert request_retrain(version=version, dataset=other).dataset == other


def test_dataset_with_another_target_is_refused_with_both(version: Version) -> None:
    with pytest.raises(
        InvalidInput, match=r"predicts left, but the target of customers v2 is plan; choose a dataset"
    ):
        request_retrain(version=version, dataset=add(target="plan"))
    assert not Run.objects.filter(state=Run.State.QUEUED).exists()


def test_recipe_that_does_not_fit_the_newer_rows_is_refused(version: Version) -> None:
    rows = tiny_csv(seed=3).splitlines(keepends=True)
    few = [rows[0], *(row for row in rows[1:] if b",no" in row), next(row for row in rows if b",yes" in row)]
    import_dataset(name="customers", target="left", source=ContentFile(b"".join(few)))
    with pytest.raises(InvalidInput, match='too few rows of "yes"'):
        request_retrain(version=version)


def test_button_names_the_newer_dataset_and_starts_the_run_in_one_click(version: Version) -> None:
    newest = add()
    trainer = staff_client("training.add_run")
    for page in ("version", "run"):
        pk = version.pk if page == "version" else version.run_id
        shown = trainer.get(reverse(f"training:{page}-detail", args=[pk])).content.decode()
        assert "Retrain on customers v2 (newest)" in shown
        assert f'name="dataset" value="{newest.pk}"' in shown
    shown = press(trainer, version, dataset=newest.pk)
    run = Run.objects.latest("pk")
    assert (run.dataset, run.recipe) == (newest, replace(version.run.recipe, positive="yes"))
    assert run.created_by is not None
    assert f"Run {run.pk} retrains churn v1 on customers v2." in shown


def test_button_says_when_the_data_is_the_newest(version: Version) -> None:
    trainer = staff_client("training.add_run")
    shown = trainer.get(reverse("training:version-detail", args=[version.pk])).content.decode()
    assert "Retrain on the same data" in shown
    assert "the newest of its name" in shown
    press(trainer, version)
    assert Run.objects.latest("pk").dataset == version.run.dataset


def test_no_button_where_nothing_came_of_a_run_or_training_is_not_allowed(version: Version) -> None:
    failed = RunFactory.create(failed=True, classifier=version.classifier)
    trainer = staff_client("training.add_run")
    path = reverse("training:run-detail", args=[failed.pk])
    assert "Retrain" not in trainer.get(path).content.decode()
    viewer = staff_client(username="bob")
    path = reverse("training:version-detail", args=[version.pk])
    assert "Retrain" not in viewer.get(path).content.decode()


@pytest.mark.parametrize("dataset", ["0", "many", "99999999999999999999", "\x00"], ids=repr)
def test_dataset_that_there_is_not_starts_nothing(version: Version, dataset: str) -> None:
    shown = press(staff_client("training.add_run"), version, dataset=dataset)
    assert "Nothing was started: the dataset does not exist." in shown
    assert Run.objects.count() == 1


def test_refusal_is_shown_on_the_version_s_page(version: Version) -> None:
    shown = press(staff_client("training.add_run"), version, dataset=add(target="plan").pk)
    assert "Nothing was started: churn v1 predicts left" in shown
    assert Run.objects.count() == 1


def test_button_needs_the_token(version: Version) -> None:
    client = Client(enforce_csrf_checks=True)
    person = UserFactory.create()
    person.user_permissions.add(Permission.objects.get(codename="add_run"))
    client.force_login(person)
    path = reverse("training:version-retrain", args=[version.pk])
    assert client.post(path).status_code == 403
    assert Run.objects.count() == 1


def test_api_queues_the_run_and_answers_with_it(client: Client, version: Version) -> None:
    newest = add()
    response = ask(client, version)
    assert response.status_code == 201, response.content
    answer = response.json()
    assert (answer["state"], answer["classifier"], answer["dataset"]) == ("queued", "churn", newest.pk)
    assert answer["recipe"]["estimator"] == "extra_trees"
    response = ask(client, version, {"dataset": version.run.dataset_id})
    assert response.json()["dataset"] == version.run.dataset_id


def test_api_refuses_what_cannot_be(client: Client, version: Version) -> None:
    problem_of(client.post(f"/api/versions/{version.pk}/retrain"), 401)
    problem_of(ask(client, version, scope="read predict activate"), 403)
    problem_of(ask(client, version, {"dataset": 10**9}), 422)
    assert (
        "predicts left" in problem_of(ask(client, version, {"dataset": add(target="plan").pk}), 422)["detail"]
    )
    version.pk = 0
    problem_of(ask(client, version), 404)
    assert Run.objects.count() == 1


def test_key_that_may_not_activate_cannot_do_so_by_training(client: Client, version: Version) -> None:
    problem = problem_of(ask(client, version, {"activate": True}), 403)
    assert "does not have the scope activate" in problem["detail"]
    assert Run.objects.count() == 1
    response = ask(client, version, {"activate": True}, scope="train activate")
    assert response.status_code == 201
    assert Run.objects.latest("pk").activate_when_done


def test_newest_of_a_table_nobody_added_to_is_itself() -> None:
    dataset = DatasetFactory.create()
    assert dataset.newest == dataset
