"""JSON of the managing calls: what DRF's own parser lets through to a 500, or silently mends, is refused."""

from typing import Any

import pytest
from django.test import Client

from tests.integration.conftest import problem_of
from tests.support.factories import ApiKeyFactory, DatasetFactory
from training.models import Run

pytestmark = pytest.mark.django_db

BODIES: dict[str, tuple[bytes, str]] = {
    "blank": (b" ", "not JSON"),
    "truncated": (b'{"dataset": 1', "not JSON"),
    "NaN": (b'{"dataset": 1, "max_minutes": NaN}', "NaN is not JSON"),
    "Infinity": (b'{"dataset": 1, "max_minutes": Infinity}', "Infinity is not JSON"),
    "duplicate name": (b'{"dataset": 1, "dataset": 2}', 'duplicate name "dataset"'),
    "depth 2,000": (b'{"space": ' + b"[" * 2_000 + b"]" * 2_000 + b"}", "nested too deeply"),
    "lone surrogate": (b'{"dataset": 1, "scoring": "\\ud800"}', "surrogate"),
    "invalid UTF-8": (b'{"scoring": "\xff"}', "not UTF-8"),
}


NULS = {
    "text": b'{"dataset": 1, "classifier": "a\\u0000b"}',
    "deep in a list": b'{"dataset": 1, "space": {"max_depth": [1, "\\u0000"]}}',
    "name": b'{"dataset": 1, "space": {"\\u0000": [1]}}',
}


@pytest.fixture
def headers() -> dict[str, str]:
    """A key that may train."""
    ApiKeyFactory.create(secret="clf_trainer", scopes=("train",))
    return {"authorization": "Bearer clf_trainer"}


@pytest.mark.parametrize("case", BODIES)
def test_a_body_that_is_no_json_to_keep_is_refused(
    client: Client, headers: dict[str, str], case: str
) -> None:
    body, words = BODIES[case]
    response = client.post("/api/runs", body, "application/json", headers=headers)
    assert words in problem_of(response, 400)["detail"]
    assert not Run.objects.exists()


@pytest.mark.parametrize("place", NULS)
def test_a_nul_which_no_database_can_keep_is_refused(
    client: Client, headers: dict[str, str], place: str
) -> None:
    response = client.post("/api/runs", NULS[place], "application/json", headers=headers)
    assert "NUL" in problem_of(response, 422)["detail"]


def test_a_body_over_the_limit_is_too_large(client: Client, headers: dict[str, str], settings: Any) -> None:
    settings.CLFSITE_BODY_BYTES = 100
    response = client.post("/api/runs", b" " * 101, "application/json", headers=headers)
    assert "CLFSITE_BODY_BYTES" in problem_of(response, 413)["detail"]


def test_a_form_with_too_many_fields_is_refused(
    client: Client, headers: dict[str, str], settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 5
    fields = {f"field{number}": "x" for number in range(6)}
    problem_of(client.post("/api/datasets", fields, headers=headers), 400)


def test_a_form_field_over_the_limit_is_too_large(
    client: Client, headers: dict[str, str], settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    response = client.post("/api/datasets", {"name": "x" * 101}, headers=headers)
    assert "CLFSITE_BODY_BYTES" in problem_of(response, 413)["detail"]


def test_json_is_read_as_it_stands(client: Client, headers: dict[str, str]) -> None:
    dataset = DatasetFactory.create()
    body = {"dataset": dataset.pk, "space": {"n_estimators": [5, 7]}}
    response = client.post("/api/runs", body, "application/json", headers=headers)
    assert response.status_code == 201, response.content
    assert response.json()["recipe"]["space"] == {"n_estimators": [5, 7]}


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_another_media_type_is_refused(client: Client, headers: dict[str, str], content_type: str) -> None:
    problem_of(client.post("/api/runs", b"a=1", content_type, headers=headers), 415)
