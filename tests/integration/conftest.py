"""Callers with and without a key, an active tiny classifier, and what workers were told."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.files.storage import storages
from django.test import Client

from clfsite.celery import app as celery_app
from tests.support.factories import ApiKeyFactory, tiny, trained_version
from training.models import Version

Post = Callable[..., Any]
SECRET = "clf_secret-of-the-fixture"


@pytest.fixture
def version(db: None) -> Version:
    """The active version of the default classifier `churn`."""
    return trained_version(classifier="churn", activate=True, default=True)


@pytest.fixture
def example() -> dict[str, Any]:
    """A record that the contract accepts."""
    return tiny().contract.example


@pytest.fixture
def post(client: Client, db: None) -> Post:
    """Post a body, JSON where it is not bytes already, with a key that may do everything."""
    ApiKeyFactory.create(secret=SECRET, scopes=("predict", "read", "train", "activate"))

    def call(
        path: str, body: Any, *, key: str = SECRET, content_type: str = "application/json", **headers: str
    ) -> Any:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        if key:
            headers["authorization"] = f"Bearer {key}"
        return client.post(path, data, content_type=content_type, headers=headers)

    return call


def problem_of(response: Any, status: int) -> dict[str, Any]:
    """The problem document of a refusal, checked for its shape."""
    assert response.status_code == status, response.content[:500]
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = orjson.loads(response.content)
    assert set(body) == {"type", "title", "status", "detail", "errors"}
    assert body["status"] == status
    return body


Told = Callable[[], list[tuple[str, list[int]]]]
Files = Callable[[str], list[str]]


@pytest.fixture
def told() -> Told:
    """Take the messages that wait for a worker, as (task, arguments); what other tests sent is gone."""

    def take() -> list[tuple[str, list[int]]]:
        for thread in threading.enumerate():
            if thread.name.startswith("wake "):
                thread.join()
        found = []
        with celery_app.connection_for_read() as connection:
            channel: Any = connection.default_channel
            while message := channel.basic_get("celery", no_ack=True):
                found.append((message.headers["task"], message.decode()[0]))
        return found

    # the queue is not there before something is sent
    celery_app.send_task("nothing")
    take()
    return take


@pytest.fixture
def files() -> Files:
    """Name every file of a storage, those half written too."""

    def names(storage: str) -> list[str]:
        folder = Path(storages[storage].path(""))
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    return names
