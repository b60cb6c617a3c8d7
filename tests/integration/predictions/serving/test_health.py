"""Health, readiness, /info and /metrics."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from clfsite.core.jobs.models import Heartbeat
from predictions.monitoring import gauges
from predictions.serving import health
from tests.support.factories import ApiKeyFactory, tiny, trained_version

pytestmark = pytest.mark.dialect


@pytest.mark.django_db
def test_alive_without_a_model_but_not_ready(client: Client) -> None:
    assert client.get("/health/live").status_code == 200
    for path in ("/health", "/health/ready", "/health/"):
        response = client.get(path)
        assert response.status_code == 503
        assert response.json()["checks"]["database"] == "ok"
        assert "no version" in response.json()["checks"]["model"]


@pytest.mark.django_db
def test_ready_with_an_active_model(client: Client) -> None:
    trained_version(classifier="churn", activate=True, default=True)
    response = client.get("/health/ready")
    assert response.status_code == 200
    assert response.json()["checks"] == dict.fromkeys(("database", "model", "log", "disk"), "ok")


@pytest.mark.django_db
def test_info_shows_what_is_served_with_an_example_that_works(client: Client) -> None:
    trained_version(classifier="churn", activate=True, default=True)
    trained_version(classifier="silent")
    ApiKeyFactory.create(secret="clf_caller", scopes=("predict",))
    headers = {"authorization": "Bearer clf_caller"}
    body = client.get("/info", headers=headers).json()
    assert body["default"] == "churn"
    assert [classifier["model"] for classifier in body["classifiers"]] == ["churn"]
    served = body["classifiers"][0]
    assert set(served["metrics"]) == {"accuracy", "f1", "roc_auc", "precision", "recall"}
    assert served["contract"] == tiny().contract.to_dict()
    assert served["engine"] == "onnxruntime"
    answer = client.post(
        "/predict", {"features": served["example"]}, content_type="application/json", headers=headers
    )
    assert answer.status_code == 200


@pytest.mark.django_db
def test_a_worker_counts_while_it_was_heard_of_lately() -> None:
    assert "no worker has sent a heartbeat in the last 30 seconds" in health.worker()
    Heartbeat.objects.beat()
    assert health.worker() == "ok"
    assert b"clfsite_workers 1.0" in gauges.exposition()
    gauges.forget()
    Heartbeat.objects.update(at=timezone.now() - timedelta(seconds=31))
    assert health.worker() != "ok"
    assert b"clfsite_workers 0.0" in gauges.exposition()
