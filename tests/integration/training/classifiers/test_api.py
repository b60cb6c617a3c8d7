"""Classifiers over HTTP: read one, change what people note, choose the default, archive."""

from typing import Any

import orjson
import pytest
from django.test import Client

from tests.support.factories import ApiKeyFactory, ClassifierFactory
from training.models import Classifier, Version

SECRET = "clf_secret-of-approver"


@pytest.fixture
def patch(client: Client, version: Version) -> Any:
    ApiKeyFactory.create(secret=SECRET, scopes=("read", "activate"))

    def call(name: str, /, **changes: Any) -> Any:
        return client.patch(
            f"/api/classifiers/{name}",
            orjson.dumps(changes),
            content_type="application/json",
            headers={"authorization": f"Bearer {SECRET}"},
        )

    return call


def test_notes_are_changed_and_read(patch: Any) -> None:
    response = patch("churn", owner="Team A", tags=[" new ", "new"], notes="Not for business customers.")
    assert response.status_code == 200
    body = response.json()
    assert (body["owner"], body["tags"], body["is_default"]) == ("Team A", ["new"], True)
    assert patch("churn").json()["notes"] == "Not for business customers."


def test_the_default_moves_and_only_then_can_the_first_be_archived(patch: Any) -> None:
    ClassifierFactory.create(name="second")
    assert patch("churn", archived=True).status_code == 409
    assert patch("churn", is_default=False).status_code == 409
    assert patch("second", is_default=True).status_code == 200
    assert patch("churn", archived=True, owner="nobody").json()["archived_at"]
    assert patch("churn", is_default=True).status_code == 409
    assert Classifier.objects.get(is_default=True).name == "second"
    assert patch("churn", archived=False, is_default=True).json()["is_default"]


@pytest.mark.parametrize(
    "changes", [{"tags": ["a,b"]}, {"owner": 5}, {"name": "other"}, {"notes": "x" * 4_001}]
)
def test_what_does_not_fit_is_refused_and_nothing_changes(changes: dict[str, Any], patch: Any) -> None:
    assert patch("churn", **changes).status_code == 422
    assert patch("absent", owner="x").status_code == 404
    assert Classifier.objects.get().owner == ""
