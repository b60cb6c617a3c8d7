"""What is counted for Prometheus: by whom it is told apart, and that no label can grow without end."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from prometheus_client import REGISTRY

from clfsite.core.shared_memory import FOLDER
from predictions.serving import metrics
from tests.support.factories import ApiKeyFactory, tiny, trained_version
from tests.support.site import ROOT

pytestmark = pytest.mark.django_db


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def predict(client: Client, secret: str | None, **body: Any) -> int:
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    content = {"features": tiny().contract.example, **body}
    return client.post("/predict", content, content_type="application/json", headers=headers).status_code


@pytest.mark.parametrize(
    ("reason", "secret", "status"),
    [
        ("missing", None, 401),
        ("not_valid", "clf_nobody", 401),
        ("scope", "clf_reader", 403),
        ("too_often", "clf_slow", 429),
    ],
)
def test_a_refused_key_is_counted_by_its_reason(
    client: Client, reason: str, secret: str | None, status: int
) -> None:
    trained_version(classifier="churn", activate=True, default=True)
    ApiKeyFactory.create(secret="clf_reader", scopes=("read",))
    ApiKeyFactory.create(secret="clf_slow", rate=1)
    if reason == "too_often":
        assert predict(client, secret) == 200
    before = sample("clfsite_key_refusals_total", reason=reason)
    assert predict(client, secret) == status
    assert sample("clfsite_key_refusals_total", reason=reason) == before + 1


def test_a_key_without_the_scope_of_a_managing_call_is_counted(client: Client) -> None:
    ApiKeyFactory.create(secret="clf_caller")
    before = sample("clfsite_key_refusals_total", reason="scope")
    response = client.get("/api/runs", headers={"authorization": "Bearer clf_caller"})
    assert response.status_code == 403
    assert sample("clfsite_key_refusals_total", reason="scope") == before + 1


def test_check_score_and_commit_are_timed_apart(client: Client) -> None:
    trained_version(classifier="timed", activate=True, default=True)
    ApiKeyFactory.create(secret="clf_caller")
    steps, name = ("check", "score", "commit"), "clfsite_step_seconds_count"
    before = [sample(name, classifier="timed", step=step) for step in steps]
    assert predict(client, "clf_caller") == 200
    assert [sample(name, classifier="timed", step=step) for step in steps] == [item + 1 for item in before]


@pytest.mark.django_db(transaction=True)
def test_a_commit_of_the_log_is_timed_and_leaves_no_queue(client: Client) -> None:
    trained_version(classifier="churn", activate=True, default=True)
    ApiKeyFactory.create(secret="clf_caller")
    before = sample("clfsite_log_commit_seconds_count")
    assert predict(client, "clf_caller") == 200
    assert sample("clfsite_log_commit_seconds_count") == before + 1
    assert sample("clfsite_log_queue_rows") == 0


def test_a_category_and_a_range_that_training_never_saw_are_counted_apart(client: Client) -> None:
    trained_version(classifier="odd", activate=True, default=True)
    ApiKeyFactory.create(secret="clf_caller")
    features = {**tiny().contract.example, "plan": "gold", "tenure": 10_000}
    assert predict(client, "clf_caller", features=features) == 200
    for code in ("unknown_category", "out_of_range"):
        assert sample("clfsite_prediction_warnings_total", classifier="odd", code=code) == 1


def test_labels_of_series_are_few_and_short() -> None:
    many = tuple(f"class {number:03}" for number in range(100))
    shown = {metrics.shown(label, many) for label in many}
    assert len(shown) == metrics.MOST_LABELS + 1
    assert metrics.OTHER in shown
    long = ("a" * 1_000, "b")
    assert len(metrics.shown(long[0], long)) == metrics.LONGEST_LABEL
    assert metrics.shown("b", long) == "b"


COUNT = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clfsite.settings")
import django
django.setup()
from clfsite.core.web import metrics
from predictions.serving.metrics import log_queue_rows
metrics.refused_key("missing")
log_queue_rows.set(7)
if sys.argv[1] == "tell":
    print(metrics.exposition().decode())
"""


def test_processes_that_share_a_folder_are_summed_and_the_dead_wait_for_nothing(tmp_path: Path) -> None:
    def process(what: str) -> str:
        environment = {**os.environ, FOLDER: str(tmp_path)}
        command = [sys.executable, "-c", COUNT, what]
        return subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout

    process("die")
    process("die")
    answer = process("tell")
    assert 'clfsite_key_refusals_total{reason="missing"} 3.0' in answer
    assert "clfsite_log_queue_rows 7.0" in answer
    assert len(list(tmp_path.glob("gauge_livesum_*.db"))) == 1
