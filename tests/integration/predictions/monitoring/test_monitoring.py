"""Monitoring as API, page and command: the same facts in three shapes."""

import io
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clfsite.core.errors import InvalidInput
from predictions.alerts.models import Alert
from predictions.alerts.rules import look_at
from predictions.models import ApiKey, HourlyRefusal, Prediction
from predictions.monitoring import refusals
from predictions.serving.live_models import live_models
from predictions.serving.predict import Query, predict
from tests.support.counted import only, serve
from tests.support.factories import ApiKeyFactory, tiny, trained_version
from tests.support.portal import staff_client
from training.models import Version

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> Version:
    return trained_version(classifier="churn", activate=True, default=True)


@pytest.fixture
def moved(version: Version) -> Version:
    """A version whose input `plan` moved."""
    for step in range(10):
        shares = {"plan": only(5, 3)}
        serve(version, timezone.now() - timedelta(hours=step), 200, seed=step, shares=shares)
    return version


def ask(client: Client, name: str = "churn", **query: str) -> Any:
    key = "clf_secret-of-monitoring"
    if not ApiKey.objects.exists():
        ApiKeyFactory.create(secret=key, scopes=("read",))
    url = reverse("api:classifier-monitoring", args=[name])
    return client.get(url, query, headers={"Authorization": f"Bearer {key}"})


def test_the_api_answers_in_the_agreed_shape(client: Client, moved: Version) -> None:
    answer = ask(client, days="1").json()
    assert list(answer) == [
        *("model", "version", "window", "status", "columns", "label_mix"),
        *("probabilities", "quality", "accuracy", "alerts", "judged"),
        *("inspected_at", "segments", "protected", "whole_table"),
    ]
    assert (answer["model"], answer["version"], answer["status"]) == ("churn", moved.number, "attention")
    assert list(answer["window"]) == ["from", "until", "predictions"]
    assert answer["window"]["predictions"] == 2_000
    first = answer["columns"][0]
    assert list(first) == ["name", "kind", "moved", "shift", "p", "importance", "since"]
    assert (first["name"], first["kind"], first["moved"]) == ("plan", "category", True)
    assert first["since"]
    assert list(answer["label_mix"]) == ["moved", "shift", "p"]
    assert answer["quality"]["unseen"] == {"plan": 1.0}
    assert list(answer["accuracy"]["estimated"]) == ["value", "low", "high", "holds"]
    assert answer["accuracy"]["measured"] is None
    assert answer["alerts"] == []
    look_at(moved)
    alerts = ask(client, days="1").json()["alerts"]
    assert ("unseen", "plan", "open") in {
        (alert["rule"], alert["column"], alert["state"]) for alert in alerts
    }
    assert list(alerts[0]) == ["id", "rule", "column", "state", "since"]


def test_without_predictions_there_is_not_enough_data(client: Client, version: Version) -> None:
    answer = ask(client).json()
    assert answer["status"] == "not_enough_data"
    assert answer["accuracy"] == {"estimated": None, "measured": None}
    assert {(item["shift"], item["p"], item["moved"]) for item in answer["columns"]} == {(None, None, False)}


@pytest.mark.parametrize("days", ["0", "91", "x", "", "1.5", "-1", "1e3", "\u0661"])
def test_other_days_are_refused(client: Client, version: Version, days: str) -> None:
    answer = ask(client, days=days)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "days"


def test_an_unknown_classifier_is_not_found(client: Client, version: Version) -> None:
    assert ask(client, "nothing").status_code == 404


def test_the_page_says_what_moved_and_what_to_do(moved: Version) -> None:
    page = staff_client().get(reverse("predictions:monitoring"), {"classifier": "churn"}).content.decode()
    assert "1 input moved" in page
    assert "plan: training and this period" in page
    assert "Check the source of these values" in page


def test_the_page_has_a_word_for_each_state(version: Version) -> None:
    client = staff_client()
    assert (
        "made 0 predictions in this period" in client.get(reverse("predictions:monitoring")).content.decode()
    )
    version.classifier.activations.all().delete()
    assert "No active version" in client.get(reverse("predictions:monitoring")).content.decode()


def test_the_command_prints_findings_or_json(moved: Version) -> None:
    out = io.StringIO()
    call_command("monitor", stdout=out)
    assert out.getvalue().startswith("attention: churn version 1")
    assert "1 input moved" in out.getvalue()
    assert Alert.objects.open().filter(rule="unseen", subject="plan").exists()
    out = io.StringIO()
    call_command("monitor", "--classifier", "churn", "--json", stdout=out)
    assert orjson.loads(out.getvalue())["status"] == "attention"
    with pytest.raises(CommandError, match="no classifier"):
        call_command("monitor", "--classifier", "nothing")
    with pytest.raises(CommandError, match="expected 1 to 90"):
        call_command("monitor", "--days", "0")


def test_refused_records_are_counted_by_reason(client: Client, version: Version) -> None:
    live_models.forget()
    live, good = live_models.get(), tiny().contract.example
    for _ in range(3):
        with pytest.raises(InvalidInput):
            predict(
                Query(live, [good, {**good, "tenure": "many"}], Prediction.Source.API, "tests"),
                lambda answer: answer,
            )
    predict(Query(live, [good], Prediction.Source.API, "tests"), lambda answer: answer)
    refusals.flush()
    assert dict(HourlyRefusal.objects.values_list("code", "predictions")) == {"not_a_number": 3}
    assert ask(client).json()["quality"]["refused"] == pytest.approx(0.75)


def test_refusals_of_a_deleted_version_are_dropped(version: Version) -> None:
    refusals.add(version.pk, ["not_a_number"])
    refusals.add(version.pk + 1, ["not_a_number", "missing"])
    refusals.flush()
    assert list(HourlyRefusal.objects.values_list("version", "predictions")) == [(version.pk, 1)]
