"""Who may open which page of the portal: every address is in one table, and a new one has to be added to it."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from predictions.alerts import outbox, service
from predictions.alerts.models import Alert, Receiver
from predictions.alerts.service import Finding, sync
from predictions.batches import service as batches
from tests.support.factories import (
    ApiKeyFactory,
    BatchFactory,
    DatasetFactory,
    PredictionFactory,
    RunFactory,
    UserFactory,
)
from tests.support.portal import staff_client
from tests.support.routes import portal_names
from training.models import Version

# name: what a page needs beyond being staff, and what posting needs on top (None: nobody can)
ACCESS: dict[str, tuple[str, str | None]] = {
    "predictions:home": ("", None),
    "predictions:classifier-list": ("", None),
    "predictions:classifier-detail": ("", "training.change_classifier"),
    "predictions:analytics": ("", None),
    "predictions:monitoring": ("", None),
    "predictions:predict": ("predictions.add_prediction", ""),
    "predictions:predict-what-if": ("predictions.add_prediction", ""),
    "predictions:batch-list": ("", "predictions.add_batch"),
    "predictions:batch-sample": ("predictions.add_batch", None),
    "predictions:batch-detail": ("", None),
    "predictions:batch-progress": ("", None),
    "predictions:batch-feature": ("", None),
    "predictions:batch-start": ("predictions.add_batch", ""),
    "predictions:batch-resume": ("predictions.add_batch", ""),
    "predictions:batch-cancel": ("predictions.add_batch", ""),
    "predictions:batch-errors": ("", None),
    "predictions:batch-result": ("", None),
    "predictions:prediction-list": ("", None),
    "predictions:prediction-export": ("", None),
    "predictions:prediction-export-parquet": ("", None),
    "predictions:prediction-export-unjudged": ("", None),
    "predictions:prediction-detail": ("", None),
    "predictions:prediction-feedback": ("predictions.add_feedback", ""),
    "predictions:feedback-list": ("", "predictions.add_feedback"),
    "predictions:review-list": ("", None),
    "predictions:review-answer": ("predictions.add_feedback", ""),
    "predictions:key-list": ("predictions.view_apikey", "predictions.add_apikey"),
    "predictions:storage": ("", None),
    "predictions:key-revoke": ("predictions.view_apikey", "predictions.change_apikey"),
    "predictions:alert-list": ("", None),
    "predictions:alert-detail": ("", None),
    "predictions:alert-acknowledge": ("predictions.change_alert", ""),
    "predictions:alert-close": ("predictions.change_alert", ""),
    "predictions:alert-settings": ("", "predictions.change_receiver"),
    "predictions:silence-create": ("predictions.change_receiver", ""),
    "predictions:silence-end": ("predictions.change_receiver", ""),
    "predictions:receiver-list": ("predictions.change_receiver", ""),
    "predictions:receiver-test": ("predictions.change_receiver", ""),
    "predictions:receiver-switch": ("predictions.change_receiver", ""),
    "predictions:receiver-delete": ("predictions.change_receiver", ""),
    "predictions:message-again": ("predictions.change_receiver", ""),
    "predictions:erasure-list": ("predictions.add_erasure", ""),
    "predictions:retraining": ("training.add_run", ""),
    "predictions:log-dataset": ("training.add_dataset", ""),
    "profile": ("", ""),
    "help": ("", None),
    "predictions:version-report": ("", None),
    "training:dataset-list": ("", "training.add_dataset"),
    "training:dataset-detail": ("", None),
    "training:dataset-changes": ("", None),
    "training:upload-detail": ("training.add_dataset", ""),
    "training:query-create": ("training.query_source", ""),
    "training:query-again": ("training.query_source", ""),
    "training:run-list": ("", None),
    "training:run-create": ("training.add_run", ""),
    "training:run-repeat": ("training.add_run", ""),
    "training:run-columns": ("training.add_run", None),
    "training:run-fits": ("training.add_run", None),
    "training:run-detail": ("", None),
    "training:run-progress": ("", None),
    "training:run-resume": ("training.add_run", ""),
    "training:run-cancel": ("training.add_run", ""),
    "training:run-stop": ("training.add_run", ""),
    "training:version-list": ("", None),
    "training:version-compare": ("", None),
    "training:version-detail": ("", "training.activate_version"),
    "training:version-card": ("", None),
    "training:classifier-history": ("", None),
    "training:classifier-archive": ("training.change_classifier", ""),
    "training:dataset-archive": ("training.add_dataset", ""),
    "training:run-archive": ("training.add_run", ""),
    "training:version-archive": ("training.activate_version", ""),
    "training:version-artifact": ("", None),
    "training:version-retrain": ("training.add_run", ""),
}
NAMES = sorted(ACCESS)
# addresses that cannot be opened, only posted to
POSTED = {
    "predictions:batch-start",
    "predictions:batch-resume",
    "predictions:batch-cancel",
    "predictions:prediction-feedback",
    "predictions:review-answer",
    "predictions:key-revoke",
    "predictions:log-dataset",
    "predictions:alert-acknowledge",
    "predictions:alert-close",
    "predictions:silence-create",
    "predictions:silence-end",
    "predictions:receiver-test",
    "predictions:receiver-switch",
    "predictions:receiver-delete",
    "predictions:message-again",
    "predictions:predict-what-if",
    "training:run-resume",
    "training:run-cancel",
    "training:run-stop",
    "training:version-retrain",
    "training:classifier-archive",
    "training:dataset-archive",
    "training:query-again",
    "training:run-archive",
    "training:version-archive",
}

# asked for of what is not there: who gets past the door is told without the second that writing a report takes, and an
# upload is only there for the person who sent it
ABSENT = {"predictions:version-report", "training:upload-detail"}


def things(version: Version) -> dict[str, list[Any]]:
    """What each address with a variable part is asked for: things that exist."""
    csv = ContentFile(b"spend,tenure,member,plan\n100,5,true,pro\nmuch,5,true,pro\n", name="two.csv")
    batch = batches.create_batch(source=csv, caller="tests", mode="lenient")
    batches.execute_batch(batch)
    dataset = version.run.dataset
    sync(version, [Finding("drift", "tenure has moved.", "tenure")], {"drift"})
    alert = Alert.objects.get(version=version)
    receiver = Receiver.objects.create(
        name="on call", kind="webhook", target="https://example.org/hook", events=["alert"]
    )
    silence = service.silence(
        version.classifier, until=timezone.now() + timedelta(days=1), reason="a migration", actor="tests"
    )
    return {
        "predictions:batch-detail": [batch.pk],
        "predictions:batch-progress": [BatchFactory.create(version=version).pk],
        "predictions:batch-feature": [batch.pk],
        "predictions:batch-start": [BatchFactory.create(version=version, checked=True).pk],
        "predictions:batch-resume": [BatchFactory.create(version=version, failed=True).pk],
        "predictions:batch-cancel": [BatchFactory.create(version=version).pk],
        "predictions:batch-errors": [batch.pk],
        "predictions:batch-result": [batch.pk],
        "predictions:prediction-detail": [PredictionFactory.create(version=version).pk],
        "predictions:prediction-feedback": [PredictionFactory.create(version=version).pk],
        "predictions:review-answer": [PredictionFactory.create(version=version).pk],
        "predictions:key-revoke": [ApiKeyFactory.create().pk],
        **{f"predictions:alert-{name}": [alert.pk] for name in ("detail", "acknowledge", "close")},
        "predictions:alert-settings": [version.classifier_id],
        "predictions:retraining": [version.classifier_id],
        "predictions:log-dataset": [version.classifier_id],
        "predictions:silence-create": [version.classifier_id],
        "predictions:silence-end": [silence.pk],
        **{f"predictions:receiver-{name}": [receiver.pk] for name in ("test", "switch", "delete")},
        "predictions:message-again": [outbox.queue_test(receiver).pk],
        "predictions:version-report": [0, "html"],
        "training:dataset-detail": [version.run.dataset_id],
        "training:dataset-changes": [DatasetFactory.create(name=dataset.name, number=2, target="plan").pk],
        "training:upload-detail": [0],
        "training:query-again": [version.run.dataset_id],
        "training:run-repeat": [version.run_id],
        "training:run-detail": [version.run_id],
        "training:run-resume": [RunFactory.create(failed=True).pk],
        "training:run-cancel": [RunFactory.create(running=True).pk],
        "training:run-stop": [RunFactory.create(running=True).pk],
        "training:run-progress": [RunFactory.create(running=True).pk],
        "training:version-detail": [version.pk],
        "training:version-card": [version.pk],
        "help": ["user-guide"],
        "predictions:classifier-detail": [version.classifier_id],
        "training:classifier-history": [version.classifier_id],
        "training:classifier-archive": [version.classifier_id],
        "training:dataset-archive": [version.run.dataset_id],
        "training:run-archive": [version.run_id],
        "training:version-archive": [version.pk],
        "training:version-artifact": [version.pk, "model"],
        "training:version-retrain": [version.pk],
    }


@pytest.fixture
def paths(version: Version) -> dict[str, str]:
    """A path for each name."""
    arguments = things(version)
    return {name: reverse(name, args=arguments.get(name, [])) for name in NAMES}


@pytest.mark.promise(9)
def test_every_address_is_in_the_table() -> None:
    assert {*portal_names(), "profile", "help"} == set(ACCESS)


def opened(name: str) -> int:
    """What opening an address answers to someone who may."""
    if name in ABSENT:
        return 404
    return 405 if name in POSTED else 200


def statuses(paths: dict[str, str], send: Any) -> dict[str, int]:
    """What each address answers; downloads are read to their end, which closes the file."""
    result = {}
    for name, path in paths.items():
        response = send(path)
        response.getvalue()
        result[name] = response.status_code
    return result


def test_someone_unknown_logs_in_first_and_then_comes_back(paths: dict[str, str], client: Client) -> None:
    for path in paths.values():
        for response in (client.get(path), client.post(path)):
            assert response.status_code == 302
            assert response["Location"] == f"{reverse('login')}?next={path}"


def test_someone_outside_the_staff_is_refused_whatever_else_they_may(
    paths: dict[str, str], client: Client
) -> None:
    client.force_login(UserFactory.create(is_staff=False, is_superuser=True, password=None))
    assert statuses(paths, client.get) == dict.fromkeys(NAMES, 403)
    assert statuses(paths, client.post) == dict.fromkeys(NAMES, 403)
    assert "members of staff" in client.get(paths["predictions:home"]).content.decode()


def test_staff_without_a_permission_open_and_post_to_what_needs_none(paths: dict[str, str]) -> None:
    client = staff_client()
    assert statuses(paths, client.get) == {name: 403 if ACCESS[name][0] else opened(name) for name in NAMES}
    posted = {name: 405 if ACCESS[name][1] is None else 200 for name in NAMES}
    assert statuses(paths, client.post) == {
        name: 403 if any(ACCESS[name]) else posted[name] for name in NAMES
    }


@pytest.mark.parametrize("permission", sorted({item for pair in ACCESS.values() for item in pair if item}))
def test_a_permission_opens_its_pages_and_no_others(permission: str, paths: dict[str, str]) -> None:
    client = staff_client(permission)
    allowed = {"", permission}
    # what needs none is open to everybody, see above
    asked = {name: path for name, path in paths.items() if any(ACCESS[name])}
    assert statuses(asked, client.get) == {
        name: opened(name) if ACCESS[name][0] in allowed else 403 for name in asked
    }
    posted = statuses(asked, client.post)
    for name in asked:
        needs, to_post = ACCESS[name]
        if to_post is None:
            assert posted[name] == (405 if needs in allowed else 403), name
        else:
            assert (posted[name] == 403) == (not {needs, to_post} <= allowed), name


@pytest.mark.case("U20")
def test_a_post_without_the_token_is_refused(version: Version) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    assert client.post(reverse("predictions:predict")).status_code == 403
    assert client.post(reverse("training:version-detail", args=[version.pk])).status_code == 403


def test_a_piece_of_a_page_asks_for_the_whole_page_when_the_login_is_over(
    paths: dict[str, str], client: Client
) -> None:
    response = client.get(paths["training:run-progress"], headers={"HX-Request": "true"})
    assert response["HX-Refresh"] == "true"


@pytest.mark.parametrize(
    "path",
    [
        "/portal/runs/0",
        "/portal/runs/-1",
        "/portal/runs/999999999999999999",
        "/portal/runs/99999999999999999999999",
        "/portal/versions/1%00",
        "/portal/datasets/..%2f..%2fetc",
        "/portal/batches/one",
        "/portal/predictions/not-a-uuid",
        "/portal/predictions/00000000-0000-0000-0000-000000000000",
        "/portal/nothing",
    ],
)
@pytest.mark.django_db
@pytest.mark.case("U01", "U02", "U04")
def test_an_address_of_nothing_gets_the_page_that_says_so(path: str) -> None:
    response = staff_client().get(path)
    assert response.status_code == 404
    assert "No page at this address" in response.content.decode()
