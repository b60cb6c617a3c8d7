"""A disk without room: what writes files is refused with the reason, everything else goes on, and nothing has to be restarted."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2.errors
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from clfsite.core.storage import space
from predictions.batches.models import Batch
from predictions.monitoring import gauges
from tests.integration.conftest import Files, Post, problem_of
from tests.support.disk import fill, small_disk
from tests.support.factories import ApiKeyFactory, tiny_csv
from tests.support.portal import staff_client
from training.models import Dataset, Version

# more than Django keeps in a buffer of its own
ROWS = "spend,tenure,member,plan\n" + "60,1,true,pro\n" * 10_000


@pytest.fixture
def disk(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """A small disk that holds the state folder's files."""
    with small_disk(tmp_path / "disk", megabytes=20) as folder:
        (folder / "uploads").mkdir()
        settings.STATE_DIR = folder
        settings.FILE_UPLOAD_TEMP_DIR = folder / "uploads"
        settings.STORAGES = {
            **settings.STORAGES,
            **{
                name: {**settings.STORAGES[name], "OPTIONS": {"location": folder / name}}
                for name in ("datasets", "artifacts", "batches")
            },
        }
        yield folder


def api_upload(client: Client, headers: dict[str, str]) -> Any:
    files = {"name": "small", "target": "left", "file": SimpleUploadedFile("small.csv", tiny_csv() * 200)}
    return client.post("/api/datasets", files, headers=headers)


def api_batch(client: Client, headers: dict[str, str]) -> Any:
    return client.post("/api/batches", {"file": SimpleUploadedFile("a.csv", ROWS.encode())}, headers=headers)


def api_feedback(client: Client, headers: dict[str, str]) -> Any:
    rows = "id,label\n" + "01936f5e-8a4c-7c3e-9d2b-5f0c00000000,yes\n" * 3_000
    return client.post("/api/feedback", {"file": SimpleUploadedFile("a.csv", rows.encode())}, headers=headers)


@pytest.mark.django_db
@pytest.mark.parametrize("call", [api_upload, api_batch, api_feedback])
@pytest.mark.parametrize("left", [0, 100_000])
def test_uploads_to_a_full_disk_get_503_with_the_reason_and_leave_nothing(
    call: Callable[..., Any], left: int, disk: Path, version: Version, client: Client, files: Files
) -> None:
    ApiKeyFactory.create(secret="clf_all", scopes=("train", "predict", "feedback", "read"))
    headers = {"authorization": "Bearer clf_all"}
    before = (Dataset.objects.count(), Batch.objects.count())
    filler = fill(disk, but=left)
    stored = set(disk.rglob("*"))
    response = call(client, headers)
    assert problem_of(response, 503)["detail"] == space.FULL
    assert response["Retry-After"]
    assert {path for path in disk.rglob("*") if path.is_file()} <= stored
    assert (Dataset.objects.count(), Batch.objects.count()) == before
    filler.unlink()
    assert call(client, headers).status_code in {201, 422}


def test_a_form_on_a_full_disk_is_a_page_that_says_so(disk: Path, version: Version) -> None:
    analyst = staff_client("predictions.add_batch", "training.add_dataset")
    analyst.raise_request_exception = False
    fill(disk)
    upload = SimpleUploadedFile("customers.csv", ROWS.encode())
    response = analyst.post(reverse("predictions:batch-list"), {"model": "churn", "file": upload})
    assert response.status_code == 503
    assert "the disk is full" in response.content.decode()
    assert response["Retry-After"]
    assert not Batch.objects.exists()


def test_a_full_disk_is_named_by_health_metrics_and_the_first_page_and_predictions_go_on(
    disk: Path, version: Version, client: Client, post: Post, example: dict[str, Any]
) -> None:
    filler = fill(disk)
    response = client.get("/health/ready")
    assert response.status_code == 200
    assert response.json()["checks"]["disk"].startswith("the disk of the state folder has 0.0 MB left")
    assert post("/predict", {"features": example}).status_code == 200
    gauges.forget()
    assert "clfsite_disk_free_bytes 0.0" in gauges.exposition().decode().splitlines()
    assert "runs and batches wait" in staff_client().get(reverse("predictions:home")).content.decode()
    filler.unlink()
    assert client.get("/health/ready").json()["checks"]["disk"] == "ok"


def test_a_full_sqlite_is_told_from_one_that_does_not_answer(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", megabytes=1) as disk:
        connection = sqlite3.connect(disk / "db.sqlite3")
        connection.execute("CREATE TABLE numbers (number)")
        fill(disk)
        with pytest.raises(sqlite3.OperationalError) as caught, connection:
            connection.executemany("INSERT INTO numbers VALUES (?)", ([row] for row in range(100_000)))
        connection.close()
    # as Django hands it on
    error = OperationalError(str(caught.value))
    error.__cause__ = caught.value
    assert space.says_full(error)
    assert not space.says_full(OperationalError("the database is locked"))
    assert not space.says_full(OSError("no such file"))


def test_a_full_disk_of_postgresql_is_told_too() -> None:
    assert space.says_full(psycopg2.errors.DiskFull("could not extend file"))
    assert not space.says_full(psycopg2.OperationalError("server closed the connection"))
