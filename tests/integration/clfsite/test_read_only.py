"""A folder that cannot be written is told, and answered with 503 rather than 500."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from pytest_django import Settings

from clfsite.core.storage import files
from tests.support.factories import tiny_csv, trained_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def _state_is_read_only(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """As the kernel tells it for a file system that is mounted to read only; root may write anywhere else."""
    settings.STATE_DIR.mkdir(exist_ok=True)
    real, folder = os.access, str(settings.STATE_DIR)

    def access(path: Any, mode: int, **options: Any) -> bool:
        return not (mode & os.W_OK and str(path).startswith(folder)) and real(path, mode, **options)

    monkeypatch.setattr(os, "access", access)


@pytest.mark.usefixtures("_state_is_read_only")
def test_readiness_names_the_folder(client: Client, settings: Settings) -> None:
    trained_version(activate=True, default=True)
    checks = client.get("/health/ready").json()["checks"]
    assert checks["disk"].startswith(f"{settings.STATE_DIR} cannot be written")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has no file here")
def test_a_site_is_not_ready_if_its_database_file_cannot_be_written(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_version(activate=True, default=True)
    assert client.get("/health/ready").status_code == 200
    path = Path(connection.settings_dict["NAME"])
    monkeypatch.setattr(os, "access", lambda place, mode: place != path.parent)
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert "only allows reading" in answer.json()["checks"]["database"]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
@pytest.mark.usefixtures("_state_is_read_only")
def test_an_upload_gets_503(admin_client: Client, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.DurableFileSystemStorage, "_save", refuse)
    file = SimpleUploadedFile("a.csv", tiny_csv())
    answer = admin_client.post("/api/datasets", {"name": "t", "target": "left", "file": file})
    assert answer.status_code == 503
    assert "cannot be written" in answer.json()["detail"]
