"""Following activations: what answers, and what happens when an artifact is not what it was."""

import gc
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import Client

from clfsite.core.errors import Unavailable
from predictions.models import Prediction
from predictions.serving import live_models
from tests.integration.conftest import Post, problem_of
from tests.support import bucket as buckets
from tests.support.factories import trained_version
from tests.support.site import free_port
from training.models import Activation, Version
from training.versions import registry
from training.versions.service import activate_version


def artifact_of(version: Version) -> Path:
    """The pipeline's file."""
    return Path(storages["artifacts"].path(version.artifacts["pipeline"]["name"]))


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_models, "CHECK_SECONDS", 0.0)


def test_an_activation_is_followed(version: Version) -> None:
    assert live_models.live_models.get("churn").number == version.number
    second = trained_version(classifier="churn", activate=True)
    assert live_models.live_models.get("churn").number == second.number
    activate_version(version=version, actor="tests", reason="back")
    assert live_models.live_models.get("churn").number == version.number


def test_a_changed_threshold_answers_at_once_without_loading_the_model_again(
    version: Version, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = version.contract.example
    before = post("/predict", {"features": features}).json()
    proba = before["probabilities"]["yes"]
    monkeypatch.setattr(registry, "load_model", pytest.fail)
    for threshold, label in ((proba, "yes"), (min(proba + 0.01, 1.0), "no")):
        moved = activate_version(version=version, actor="tests", reason="a test", threshold=threshold)
        answer = post("/predict", {"features": features}).json()
        assert (answer["threshold"], answer["label"]) == (threshold, label)
        assert answer["probabilities"] == before["probabilities"]
        logged = Prediction.objects.get(pk=answer["prediction_id"])
        assert (logged.activation_id, logged.threshold) == (moved.pk, threshold)


def test_a_version_that_stays_active_is_loaded_once(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = live_models.live_models.get("churn")
    monkeypatch.setattr(registry, "load_model", pytest.fail)
    trained_version(classifier="other")
    assert live_models.live_models.get("churn").loaded is first.loaded


@pytest.mark.fault
@pytest.mark.case("F30")
def test_a_thousand_reloads_keep_no_memory(version: Version) -> None:
    def reload(times: int) -> int:
        for _ in range(times):
            live_models.live_models.forget()
            assert live_models.live_models.get("churn").number == version.number
        gc.collect()
        held: int = psutil.Process().memory_info().rss
        return held

    before = reload(200)
    assert reload(800) - before < 20e6


def test_a_changed_artifact_leaves_the_version_before_serving(version: Version) -> None:
    assert live_models.live_models.get("churn").number == version.number
    second = trained_version(classifier="churn")
    path = artifact_of(second)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    # as a process that activated it from an intact copy would leave it
    Activation.objects.create(
        classifier=second.classifier, number=2, version=second, actor="tests", reason="x"
    )
    assert live_models.live_models.get("churn").number == version.number
    assert "SHA-256" in live_models.live_models.problems["churn"]


def test_a_missing_artifact_makes_the_site_unready(client: Client, version: Version) -> None:
    artifact_of(version).unlink()
    with pytest.raises(Unavailable, match="missing from storage"):
        live_models.live_models.get("churn")
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert "missing from storage" in response.json()["checks"]["model"]


def test_a_pinned_version_whose_artifact_is_gone_is_refused(
    post: Post, version: Version, example: dict[str, Any]
) -> None:
    second = trained_version(classifier="churn")
    artifact_of(second).unlink()
    problem_of(post("/predict", {"features": example, "version": second.number}), 503)


def test_a_version_in_a_bucket_answers(bucket: str, version: Version) -> None:
    assert live_models.live_models.get("churn").number == version.number


def test_a_bucket_that_comes_back_is_served_from_without_another_activation(
    version: Version, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_models, "RETRY_SECONDS", 0.0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    entry, port = version.artifacts["pipeline"], free_port()
    content = artifact_of(version).read_bytes()
    settings.STORAGES = buckets.in_bucket(f"http://127.0.0.1:{port}", "late", settings.STORAGES)
    with pytest.raises(Unavailable, match=r"bucket late at .* does not answer"):
        live_models.live_models.get("churn")
    with buckets.s3_server(port) as url:
        buckets.make_bucket(url, "late")
        storages["artifacts"].save(entry["name"], ContentFile(content))
        assert live_models.live_models.get("churn").number == version.number
    assert live_models.live_models.problems == {}


def test_a_storage_that_does_not_answer_is_left_in_peace_for_a_while(
    version: Version, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    settings.STORAGES = buckets.in_bucket(url, "nowhere", settings.STORAGES)
    with pytest.raises(Unavailable):
        live_models.live_models.get("churn")
    monkeypatch.setattr(registry, "load_model", pytest.fail)
    with pytest.raises(Unavailable, match="nowhere"):
        live_models.live_models.get("churn")
