"""What can be archived and deleted, and what has to stay."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clfsite.core.errors import Conflict, NotFound
from clfsite.core.storage import files
from predictions.serving.live_models import live_models
from tests.support.factories import (
    ApiKeyFactory,
    ClassifierFactory,
    DatasetFactory,
    PredictionFactory,
    RunFactory,
    VersionFactory,
    trained_version,
)
from tests.support.portal import staff_client
from training.archive import service
from training.models import Classifier, Dataset, Run, Version
from training.runs.service import request_run
from training.versions.service import activate_version

pytestmark = pytest.mark.django_db
SECRET = "clf_secret-of-archivist"


@pytest.mark.parametrize(
    ("make", "route", "page"),
    [
        (DatasetFactory.create, "training:dataset-list", "training:dataset-detail"),
        (lambda: RunFactory.create(failed=True), "training:run-list", "training:run-detail"),
        (VersionFactory.create, "training:version-list", "training:version-detail"),
        (ClassifierFactory.create, "predictions:classifier-list", "predictions:classifier-detail"),
    ],
)
def test_what_is_archived_is_hidden_from_its_list_and_comes_back(make: Any, route: str, page: str) -> None:
    row, client = make(), staff_client()

    def lists(**query: str) -> str:
        return client.get(reverse(route), query).content.decode()

    link = f'href="{reverse(page, args=[row.pk])}"'
    assert link in lists()
    service.archive(row)
    assert link not in lists()
    assert link in lists(archived="1")
    service.restore(row)
    assert link in lists()


def test_what_is_in_use_is_not_archived(version: Version) -> None:
    for row in (version, version.classifier, RunFactory.create(running=True)):
        with pytest.raises(Conflict):
            service.archive(row)
    busy = RunFactory.create().classifier
    with pytest.raises(Conflict, match="has a run that has not ended"):
        service.archive(busy)


def test_an_archived_classifier_is_not_served_trained_or_activated(version: Version) -> None:
    other = trained_version(classifier="other", activate=True)
    assert live_models.get("other").version_id == other.pk
    assert live_models.get("other", 1).version_id == other.pk
    service.archive(other.classifier)
    live_models.refresh()
    for number in (None, 1):
        with pytest.raises(NotFound, match="archived"):
            live_models.get("other", number)
    second = trained_version(classifier="other")
    with pytest.raises(Conflict, match="archived"):
        activate_version(version=second, actor="tests", reason="a test needs it")
    with pytest.raises(Conflict, match="archived"):
        request_run(dataset=second.run.dataset, recipe=second.run.recipe, classifier="other")


def test_an_archived_version_is_neither_pinned_nor_activated(version: Version) -> None:
    second = trained_version(classifier="churn")
    assert live_models.get("churn", 2).version_id == second.pk
    service.archive(second)
    live_models.refresh()
    with pytest.raises(NotFound, match="archived"):
        live_models.get("churn", 2)
    with pytest.raises(Conflict, match="archived"):
        activate_version(version=second, actor="tests", reason="a test needs it")


def age(row: service.Row) -> None:
    """Archive a row some minutes ago."""
    kind: Any = type(row)
    kind.objects.filter(pk=row.pk).update(archived_at=timezone.now() - timedelta(minutes=5))
    row.refresh_from_db()


def test_nothing_is_deleted_that_another_row_refers_to(version: Version) -> None:
    second = trained_version(classifier="churn")
    PredictionFactory.create(version=second)
    Classifier.objects.update(is_default=False)
    for row, reason in (
        (second, "predictions"),
        (second.run, "version"),
        (second.run.dataset, "runs"),
        (second.classifier, "runs"),
    ):
        age(row)
        with pytest.raises(Conflict, match=reason):
            service.delete(row)


@pytest.mark.django_db(transaction=True)
def test_what_nothing_refers_to_is_deleted_with_its_files() -> None:
    version = trained_version(classifier="churn")
    run, dataset, classifier = version.run, version.run.dataset, version.classifier
    twin = DatasetFactory.create()
    names = [entry["name"] for entry in version.artifacts.values()]
    for row in (version, run, dataset, classifier):
        with pytest.raises(Conflict):
            service.delete(row)
        age(row)
        service.delete(row)
    assert not any(kind.objects.exists() for kind in (Version, Run, Classifier))
    assert not any(files.artifacts().exists(name) for name in names)
    assert files.datasets().exists(twin.file_name)
    age(twin)
    service.delete(twin)
    assert not Dataset.objects.exists()
    assert not files.datasets().exists(twin.file_name)


def test_a_version_is_kept_while_a_process_may_still_serve_it() -> None:
    version = VersionFactory.create()
    service.archive(version)
    version.refresh_from_db()
    with pytest.raises(Conflict, match="less than a minute ago"):
        service.delete(version)


def test_the_page_offers_what_is_possible() -> None:
    dataset = DatasetFactory.create()
    client = staff_client("training.add_dataset")
    page, post = (reverse(f"training:dataset-{name}", args=[dataset.pk]) for name in ("detail", "archive"))
    assert 'value="archive"' in client.get(page).content.decode()
    shown = client.post(post, {"action": "archive"}, follow=True).content.decode()
    assert f"{dataset} is archived." in shown
    assert 'value="restore"' in shown
    assert 'value="delete"' in shown
    client.post(post, {"action": "delete"})
    assert not Dataset.objects.exists()
    assert (
        'value="archive"'
        not in staff_client(username="grace")
        .get(reverse("training:version-detail", args=[VersionFactory.create().pk]))
        .content.decode()
    )


def test_the_api_archives_restores_and_deletes(client: Client) -> None:
    ApiKeyFactory.create(secret=SECRET, scopes=("read", "train"))
    headers = {"authorization": f"Bearer {SECRET}"}
    dataset, used = DatasetFactory.create(), RunFactory.create(failed=True).dataset
    address = f"/api/datasets/{dataset.pk}"

    def archived(value: bool, address: str = address) -> Any:
        body = {"archived": value}
        return client.patch(address, body, content_type="application/json", headers=headers)

    assert "not archived" in client.delete(address, headers=headers).json()["detail"]
    assert archived(True).json()["archived_at"]
    assert archived(False).json()["archived_at"] is None
    archived(True)
    assert client.delete(address, headers=headers).status_code == 204
    assert client.get(address, headers=headers).status_code == 404

    assert archived(True, f"/api/datasets/{used.pk}").status_code == 200
    refused = client.delete(f"/api/datasets/{used.pk}", headers=headers)
    assert (refused.status_code, "it has runs" in refused.json()["detail"]) == (409, True)
