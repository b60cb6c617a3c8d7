"""Weights & Biases, with its real client.

What an offline run's file holds, what an online run sends to a server, and what an unreachable one costs.
"""

import hashlib
import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.urls import reverse

from predictions.keys import service as keys
from tests.support.factories import RunFactory, tiny, trained_version
from tests.support.portal import staff_client
from tests.support.site import ROOT, free_port, wait_for
from tests.support.wandb_server import ENTITY, WandbServer, wandb_server
from training.ml.search.recipe import Recipe
from training.models import Run, Version
from training.runs import tracking
from training.runs.execution import track_version

pytestmark = [
    pytest.mark.django_db,
    # wandb's client and its service talk over a socket of this machine and leave closing it to the end of the process
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
BLOCK = 32 * 1024
SECRET = "local-0123456789abcdef0123456789abcdef01234567"
PASSWORD = "a-password-of-the-database"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`record` sets variables for wandb; they go again with the test."""
    for name in ("WANDB_MODE", "WANDB_SILENT", "WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, "")


def record(version: Version) -> tracking.Tracked:
    return tracking.record(version, tiny().trained)


def records_of(state: Path) -> list[Any]:
    """Every record of the one offline run below a state folder, once wandb's service has written the last."""

    def complete() -> list[Any] | None:
        result = parse(state)
        return result if any(record.HasField("exit") for record in result) else None

    records: list[Any] = wait_for(complete, "the offline run to be written", 20)
    return records


def parse(state: Path) -> list[Any]:
    """The records in the file so far.

    The file is a LevelDB log: blocks of 32 KiB with pieces of records, each after a header of 7 bytes (checksum, length,
    and 1 for a whole record, 2 for its first, 3 for a middle and 4 for its last piece); 7 bytes name the format.
    """
    from wandb.proto import wandb_internal_pb2

    (file,) = state.glob("wandb/offline-run-*/run-*.wandb")
    data, place, pieces, result = file.read_bytes(), 7, b"", []
    assert data[:4] == b":W&B"
    while place + 7 <= len(data):
        left = BLOCK - place % BLOCK
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        pieces = (b"" if kind in {1, 2} else pieces) + data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in {1, 4}:
            record = wandb_internal_pb2.Record()  # type: ignore[attr-defined]  # made by protobuf
            record.ParseFromString(pieces)
            result.append(record)
    return result


def models_in(records: list[Any]) -> list[Any]:
    """The models logged as artifacts."""
    logged = [
        item.request.log_artifact.artifact if item.request.HasField("log_artifact") else item.artifact
        for item in records
        if item.HasField("artifact") or item.request.HasField("log_artifact")
    ]
    return [prediction for prediction in logged if prediction.type == "model"]


def test_offline_run_holds_recipe_metrics_tables_and_the_artifact(settings: Any, tmp_path: Path) -> None:
    settings.CLFSITE_WANDB_MODE = "offline"
    version = trained_version(classifier="churn")
    assert record(version) == tracking.Tracked()
    records = records_of(tmp_path / "state")
    config = {
        item.key: json.loads(item.value_json)
        for entry in records
        if entry.HasField("run")
        for item in entry.run.config.update
    }
    assert config["recipe"] == version.run.recipe_data
    assert config["dataset"]["sha256"] == version.run.dataset.sha256
    history = [
        {(item.key or "/".join(item.nested_key)): json.loads(item.value_json) for item in entry.history.item}
        for entry in records
        if entry.HasField("history")
    ]
    means = [row["candidate/mean"] for row in history if "candidate/mean" in row]
    assert sorted(means) == sorted(candidate.mean for candidate in tiny().trained.candidates)
    logged = {key.split("/")[0] for row in history for key in row}
    assert {"candidates", "confusion", "roc", "precision_recall"} <= logged
    summary = {
        (item.key or "/".join(item.nested_key)): json.loads(item.value_json)
        for entry in records
        if entry.HasField("summary")
        for item in entry.summary.update
    }
    assert summary["held_out/roc_auc"] == tiny().trained.held_out.metrics["roc_auc"]
    (artifact,) = models_in(records)
    assert json.loads(artifact.metadata)["sha256"] == version.artifacts["pipeline"]["sha256"]


@pytest.mark.case("F29")
def test_unreachable_server_costs_a_warning_and_nothing_else(
    settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CLFSITE_WANDB_MODE = "online"
    monkeypatch.setattr(tracking, "CONNECT_SECONDS", 3)
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    version = trained_version(classifier="churn")
    track_version(version, tiny().trained)
    version.run.refresh_from_db()
    assert (version.run.state, version.run.tracking_url) == ("succeeded", "")
    assert "Weights & Biases" in version.run.warnings[0]
    assert SECRET not in " ".join(version.run.warnings) + caplog.text
    kept = [
        path for path in (tmp_path / "state").rglob("*") if path.is_file() and "artifacts" not in path.parts
    ]
    assert not any(SECRET.encode() in path.read_bytes() for path in kept)


def test_disabled_tracking_writes_nothing(tmp_path: Path) -> None:
    assert record(trained_version()) == tracking.Tracked()
    assert not (tmp_path / "state" / "wandb").exists()


def test_artifact_of_a_bucket_is_kept_for_the_run_to_send(bucket: str, settings: Any, tmp_path: Path) -> None:
    settings.CLFSITE_WANDB_MODE = "offline"
    version = trained_version(classifier="churn")
    assert record(version) == tracking.Tracked()
    (artifact,) = models_in(records_of(tmp_path / "state"))
    (entry,) = artifact.manifest.contents
    assert entry.path == "pipeline.joblib"
    kept = Path(entry.local_path).read_bytes()
    assert hashlib.sha256(kept).hexdigest() == version.artifacts["pipeline"]["sha256"]


def tables_of(state: Path) -> dict[str, list[list[Any]]]:
    """The rows of every table of the one offline run, by the table's name."""
    result = {}
    for path in state.glob("wandb/offline-run-*/files/media/table/*.table.json"):
        result[path.name.rsplit("_", 2)[0]] = json.loads(path.read_text())["data"]
    return result


def test_tables_hold_every_candidate_the_whole_confusion_matrix_and_both_curves(
    settings: Any, tmp_path: Path
) -> None:
    settings.CLFSITE_WANDB_MODE = "offline"
    record(trained_version(classifier="churn"))
    records_of(tmp_path / "state")
    tables, trained = tables_of(tmp_path / "state"), tiny().trained
    assert [row[:2] + row[3:5] for row in tables["candidates"]] == [
        [candidate.rank, candidate.family, candidate.mean, candidate.std] for candidate in trained.candidates
    ]
    classes = tiny().contract.classes
    assert tables["confusion"] == [
        [truth, predicted, trained.held_out.confusion[row][column]]
        for row, truth in enumerate(classes)
        for column, predicted in enumerate(classes)
    ]
    for kind in ("roc", "precision_recall"):
        assert tables[kind] == [
            [curve["label"], x, y]
            for curve in trained.held_out.curves[kind]
            for x, y in zip(curve["x"], curve["y"], strict=True)
        ]


def test_artifact_carries_the_number_of_its_version(settings: Any, tmp_path: Path) -> None:
    settings.CLFSITE_WANDB_MODE = "offline"
    trained_version(classifier="churn")
    record(trained_version(classifier="churn"))
    (artifact,) = models_in(records_of(tmp_path / "state"))
    assert (artifact.name, set(artifact.aliases)) == ("churn", {"v2", "latest"})
    assert json.loads(artifact.metadata)["version"] == 2


@pytest.mark.django_db(transaction=True)
def test_secrets_reach_neither_log_nor_database_nor_file(tmp_path: Path) -> None:
    """A whole run in a process of its own, as a worker starts it."""
    secrets = {
        "WANDB_API_KEY": SECRET,
        "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-bucket",
        "SECRET_KEY": "a-key-that-signs-sessions-0123456789",
    }
    run, log = run_in_a_process(tmp_path, {**secrets, "AWS_ACCESS_KEY_ID": "an-id", "WANDB_MODE": "offline"})
    assert run.state == "succeeded", log
    for secret in (*secrets.values(), PASSWORD):
        assert secret not in log + rows()
        assert not kept(secret, tmp_path)


@pytest.mark.django_db(transaction=True)
def test_with_a_key_a_run_goes_online_and_its_page_is_linked(tmp_path: Path) -> None:
    """The key alone turns it on; the variable with the server's address is W&B's own, for those who run one."""
    with wandb_server() as server:
        run, log = run_in_a_process(tmp_path, {"WANDB_API_KEY": SECRET, "WANDB_BASE_URL": server.url})
    assert (run.state, run.warnings, server.unknown, server.keys) == ("succeeded", [], [], {SECRET}), log
    (name,) = {variable["name"] for variable in server.variables("UpsertBucket")}
    assert run.tracking_url == f"{server.url}/{ENTITY}/clfsite/runs/{name}"
    page = staff_client().get(reverse("training:run-detail", args=[run.pk])).content.decode()
    assert f'<a href="{run.tracking_url}"' in page
    _, key = keys.create(name="caller", scopes=("read",))
    answer = Client().get(f"/api/runs/{run.pk}", headers={"authorization": f"Bearer {key}"})
    assert answer.json()["tracking_url"] == run.tracking_url
    assert SECRET not in log + rows() + page + answer.content.decode()
    assert not kept(SECRET, tmp_path)
    check_what_arrived(server, Version.objects.get(run=run))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("refused", "warning", "linked"),
    [
        ("UpsertBucket", "Weights & Biases did not accept the run: ", False),
        ("CommitArtifact", "Weights & Biases did not confirm the model: ", True),
    ],
)
def test_what_a_server_refuses_costs_a_warning_and_nothing_else(
    refused: str, warning: str, linked: bool, tmp_path: Path
) -> None:
    with wandb_server(refused) as server:
        run, log = run_in_a_process(tmp_path, {"WANDB_API_KEY": SECRET, "WANDB_BASE_URL": server.url})
    assert server.variables(refused)
    assert (run.state, bool(run.tracking_url)) == ("succeeded", linked), log
    (answer,) = run.warnings
    assert answer.startswith(warning)
    assert "permission denied" in answer
    assert SECRET not in log + rows()
    assert not kept(SECRET, tmp_path)


def check_what_arrived(server: WandbServer, version: Version) -> None:
    """The recipe, every candidate, the final metrics, tables and the very bytes of the version's artifact."""
    run = version.run
    assert server.config["recipe"] == run.recipe_data
    assert server.config["dataset"]["sha256"] == run.dataset.sha256
    history = server.lines("wandb-history.jsonl")
    means = [line["candidate/mean"] for line in history if "candidate/mean" in line]
    assert (len(means), means) == (3, [candidate["mean"] for candidate in reversed(run.candidates)])
    summary = server.lines("wandb-summary.json")[-1]
    for metric, value in version.held_out["metrics"].items():
        assert summary[f"held_out/{metric}"] == value
    for table in ("candidates", "confusion", "roc", "precision_recall"):
        assert f"run/{summary[table]['path']}" in server.files
    assert (server.streamed[-1]["complete"], server.streamed[-1]["exitcode"]) == (True, 0)
    place, sent = next(
        (f"artifact{number}", variable["input"])
        for number, variable in enumerate(server.variables("CreateArtifact"), 1)
        if variable["input"]["artifactTypeName"] == "model"
    )
    assert sent["artifactCollectionName"] == version.classifier.name
    assert {aliase["alias"] for aliase in sent["aliases"]} == {"v1", "latest"}
    sha256 = version.artifacts["pipeline"]["sha256"]
    assert json.loads(sent["metadata"]) == {"version": 1, "sha256": sha256}
    assert hashlib.sha256(server.files[f"{place}/pipeline.joblib"]).hexdigest() == sha256
    assert {"artifactID": place} in server.variables("CommitArtifact")


def run_in_a_process(folder: Path, environment: dict[str, str]) -> tuple[Run, str]:
    """Execute a run as a worker does, with nothing of W&B's set beyond what is given; the run and all that was written."""
    recipe = Recipe(folds=3, space={"n_estimators": [4, 5, 6]})
    run = RunFactory.create(recipe_data=recipe.to_dict(), fits_total=recipe.fits)
    assert run.start()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    mine = {
        "DATABASE_URL": own_database(PASSWORD),
        "CLFSITE_STATE_DIR": str(folder / "state"),
        "CLFSITE_LOG_LEVEL": "DEBUG",
        # where a client would keep the login of its user
        "HOME": str(folder / "home"),
    }
    command = [sys.executable, "manage.py", "execute_run", str(run.pk), str(run.claim)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**inherited, **mine, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    run.refresh_from_db()
    return run, done.stdout + done.stderr


def rows() -> str:
    """Everything in the database."""
    return "".join(str(list(model._default_manager.values())) for model in apps.get_models())


def kept(secret: str, folder: Path) -> bool:
    """Whether a file below a folder holds a secret."""
    return any(secret.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def own_database(password: str) -> str:
    """The URL of this test's database, with a password where it takes one."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    parts = urlsplit(os.environ["DATABASE_URL"])
    login = f"{parts.username or 'postgres'}:{parts.password or password}"
    return parts._replace(netloc=f"{login}@{parts.hostname}:{parts.port or 5432}", path=f"/{name}").geturl()
