"""An active tiny classifier, and callers with and without a key."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.test import Client

from tests.factories import ApiKeyFactory, tiny, trained_version
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
