"""Alerts and receivers in the portal and the API, for people and programs that may."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from predictions.alerts import channels, outbox
from predictions.alerts.models import Alert, Delivery, Receiver, Silence
from predictions.alerts.service import Finding, sync
from predictions.monitoring import gauges
from tests.integration.conftest import problem_of
from tests.support.factories import ActivationFactory, ApiKeyFactory
from tests.support.portal import staff_client
from training.models import Version

pytestmark = pytest.mark.django_db
HOOK = "https://hooks.example.org/services/T0/secret"
FORM = {"name": "on call", "kind": "webhook", "target": HOOK, "events": ["alert"]}
RECEIVERS = reverse("predictions:receiver-list")


@pytest.fixture
def version() -> Version:
    """An active version with an open alert."""
    version: Version = ActivationFactory.create().version
    sync(version, [Finding("drift", "tenure has moved.", "tenure")], {"drift"})
    return version


@pytest.fixture
def approver() -> Client:
    return staff_client("predictions.change_alert", "predictions.change_receiver")


@pytest.fixture
def call(client: Client) -> Any:
    """Call the API with a key that may read and activate."""
    ApiKeyFactory.create(name="ops", secret="clf_ops", scopes=("read", "activate"))

    def send(method: str, path: str, body: Any = None) -> Any:
        headers = {"authorization": "Bearer clf_ops"}
        return getattr(client, method)(path, body, content_type="application/json", headers=headers)

    return send


def text_of(response: Any) -> str:
    return str(response.content.decode())


def test_home_list_and_page_show_an_alert_until_it_is_closed(version: Version, approver: Client) -> None:
    alert = Alert.objects.get()
    home = text_of(approver.get(reverse("predictions:home")))
    assert "1 open alert" in home
    assert f"Alert for {version.classifier}" in home
    assert "tenure has moved." in text_of(approver.get(reverse("predictions:alert-list")))
    for action, state in (("acknowledge", "acknowledged"), ("close", "closed")):
        approver.post(reverse(f"predictions:alert-{action}", args=[alert.pk]), {"note": f"note on {action}"})
        alert.refresh_from_db()
        assert alert.state == state
    page = text_of(approver.get(reverse("predictions:alert-detail", args=[alert.pk])))
    assert "note on acknowledge" in page
    assert "note on close" in page
    assert "open alert" not in text_of(approver.get(reverse("predictions:home")))
    assert "No open alerts" in text_of(approver.get(reverse("predictions:alert-list")))
    assert "tenure has moved." in text_of(approver.get(reverse("predictions:alert-list"), {"closed": "1"}))
    again = approver.post(reverse("predictions:alert-close", args=[alert.pk]), follow=True)
    assert "already closed" in text_of(again)


def test_a_new_receiver_shows_its_secret_once_and_its_address_without_the_end(approver: Client) -> None:
    made = text_of(approver.post(RECEIVERS, FORM))
    receiver = Receiver.objects.get()
    assert channels.secret_of(receiver) in made
    assert (receiver.created_by, receiver.events) == ("ada", ["alert"])
    page = text_of(approver.get(RECEIVERS))
    assert channels.secret_of(receiver) not in page
    assert "https://hooks.example.org/…cret" in page
    assert HOOK not in page


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "http://169.254.169.254/latest"}, "private network"),
        ({"target": "http://[::1]/"}, "private network"),
        ({"target": "http://2130706433/"}, "private network"),
        ({"target": "http://0x7f.1/"}, "private network"),
        ({"target": "http://0/"}, "private network"),
        ({"target": "ftp://example.org"}, "not a URL"),
        ({"kind": "email", "target": "ann@example.org, bob"}, "not a mail address"),
        ({"events": []}, "Choose at least one"),
    ],
)
def test_a_receiver_that_cannot_work_is_refused(
    changes: dict[str, Any], message: str, approver: Client
) -> None:
    assert message in text_of(approver.post(RECEIVERS, {**FORM, **changes}))
    assert not Receiver.objects.exists()


def test_a_receiver_is_tested_switched_and_deleted(approver: Client) -> None:
    receiver = Receiver.objects.create(**FORM)
    approver.post(reverse("predictions:receiver-test", args=[receiver.pk]))
    delivery = Delivery.objects.get()
    Delivery.objects.update(state="failed", attempts=1, error="the receiver answered 404")
    page = text_of(approver.get(RECEIVERS))
    assert "the receiver answered 404" in page
    assert "Given up." in page
    assert "could not be sent" in text_of(approver.get(reverse("predictions:alert-list")))
    approver.post(reverse("predictions:message-again", args=[delivery.pk]))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("waiting", 0)
    approver.post(reverse("predictions:receiver-switch", args=[receiver.pk]))
    assert not Delivery.objects.due(timezone.now()).exists()
    approver.post(reverse("predictions:receiver-delete", args=[receiver.pk]))
    assert not Receiver.objects.exists()


def test_limits_and_silences_are_set_on_the_page_of_the_classifier(
    version: Version, approver: Client
) -> None:
    page = reverse("predictions:alert-settings", args=[version.classifier_id])
    approver.post(page, {"rule": "accuracy", "is_on": "on", "value": "12.5"})
    assert version.classifier.thresholds.get().value == 0.125
    assert 'value="12.5"' in text_of(approver.get(page))
    approver.post(page, {"rule": "accuracy"})
    assert version.classifier.thresholds.get().value is None
    assert "expected a percentage" in text_of(
        approver.post(page, {"rule": "accuracy", "value": "x"}, follow=True)
    )
    late = approver.post(
        reverse("predictions:silence-create", args=[version.classifier_id]),
        {"until": "2020-01-01", "reason": "x"},
    )
    assert "has to be in the future" in text_of(late)
    approver.post(
        reverse("predictions:silence-create", args=[version.classifier_id]),
        {"until": "2999-01-01", "reason": "x"},
    )
    assert "2999" in text_of(approver.get(page))
    approver.post(reverse("predictions:silence-end", args=[Silence.objects.get().pk]))
    assert "Alerts are sent to the receivers" in text_of(approver.get(page))


def test_the_api_lists_acknowledges_and_closes(version: Version, call: Any) -> None:
    (item,) = call("get", "/api/alerts?state=open").json()["results"]
    assert (item["model"], item["column"], item["state"]) == (version.classifier.name, "tenure", "open")
    assert call("get", "/api/alerts?model=other").json()["results"] == []
    problem_of(call("get", "/api/alerts?state=opened"), 400)
    path = f"/api/alerts/{item['id']}"
    answer = call("post", f"{path}/acknowledge", {"note": "looking"}).json()
    assert [(event["state"], event["actor"]) for event in answer["events"]] == [
        ("open", ""),
        ("acknowledged", "key ops"),
    ]
    problem_of(call("post", f"{path}/acknowledge", {}), 409)
    assert call("post", f"{path}/close", {}).json()["state"] == "closed"
    problem_of(call("post", f"{path}/close", {}), 409)
    problem_of(call("post", f"{path}/close", {"notes": "x"}), 422)


def test_the_api_creates_changes_tests_and_deletes_receivers(version: Version, call: Any) -> None:
    made = call("post", "/api/receivers", {**FORM, "model": version.classifier.name})
    assert made.status_code == 201
    receiver = Receiver.objects.get()
    assert made.json()["secret"] == channels.secret_of(receiver)
    assert "secret" not in made.json()["target"]
    problem_of(call("post", "/api/receivers", FORM), 409)
    problem_of(call("post", "/api/receivers", {**FORM, "model": "nobody"}), 404)
    private = problem_of(call("post", "/api/receivers", {**FORM, "target": "http://10.0.0.1/"}), 422)
    assert private["errors"][0]["field"] == "target"
    path = f"/api/receivers/{receiver.pk}"
    changed = call("patch", path, {"enabled": False, "model": None}).json()
    assert (changed["enabled"], changed["model"], changed["secret"]) == (False, None, None)
    tested = call("post", f"{path}/test")
    assert (tested.status_code, tested.json()["state"]) == (201, "waiting")
    assert [row["type"] for row in call("get", f"{path}/deliveries").json()] == [outbox.TEST]
    assert call("delete", path).status_code == 204
    assert not Receiver.objects.exists()


def test_the_api_sets_limits_and_silences(version: Version, call: Any) -> None:
    path = f"/api/classifiers/{version.classifier.name}"
    limits = call("patch", f"{path}/alerts", {"rule": "accuracy", "value": 0.2}).json()["limits"]
    assert next(item for item in limits if item["rule"] == "accuracy")["value"] == 0.2
    limits = call("patch", f"{path}/alerts", {"rule": "accuracy", "enabled": False}).json()["limits"]
    assert not next(item for item in limits if item["rule"] == "accuracy")["enabled"]
    problem_of(call("patch", f"{path}/alerts", {"rule": "accuracy", "value": 2}), 422)
    problem_of(call("patch", f"{path}/alerts", {"rule": "acuracy"}), 422)
    until = (timezone.now() + timedelta(days=1)).isoformat()
    silence = call("post", f"{path}/silences", {"until": until, "reason": "a test"})
    assert silence.status_code == 201
    assert len(call("get", f"{path}/alerts").json()["silences"]) == 1
    problem_of(call("post", f"{path}/silences", {"until": "soon", "reason": "a test"}), 422)
    assert call("delete", f"/api/silences/{silence.json()['id']}").status_code == 204
    assert call("get", f"{path}/alerts").json()["silences"] == []


def test_prometheus_is_told_of_alerts_and_unsent_messages(version: Version) -> None:
    Delivery.objects.create(receiver=Receiver.objects.create(**FORM), key="x", payload={}, state="failed")
    gauges.forget()
    text = gauges.exposition().decode()
    assert f'clfsite_alerts{{classifier="{version.classifier.name}",rule="drift",state="open"}} 1.0' in text
    assert "clfsite_unsent_messages 1.0" in text
