"""API keys: who is let in, for what, and how long."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from clfsite.core.errors import InvalidInput
from predictions.keys import service as keys
from predictions.models import ApiKey
from tests.integration.conftest import Post, problem_of
from tests.support.factories import ApiKeyFactory
from training.models import Version

pytestmark = [pytest.mark.django_db, pytest.mark.dialect]


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic abc",
        "Bearer clf_wrong",
        "Bearer \xff\xfe",
        "Bearer " + "x" * 10_240,
        "clf_wrong",
    ],
)
@pytest.mark.case("U11", "U12", "U15", "U16")
def test_a_call_without_a_valid_key_is_refused(client: Client, version: Version, authorization: str) -> None:
    response = client.get("/info", headers={"authorization": authorization})
    problem_of(response, 401)
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Basic", "Token", ""])
def test_a_valid_key_needs_the_scheme_bearer(client: Client, version: Version, scheme: str) -> None:
    ApiKeyFactory.create(secret="clf_valid")
    assert client.get("/info", headers={"authorization": "bearer clf_valid"}).status_code == 200
    detail = problem_of(client.get("/info", headers={"authorization": f"{scheme} clf_valid"}), 401)["detail"]
    assert "the API key is missing" in detail


@pytest.mark.case("U13", "U14")
def test_unknown_expired_and_revoked_keys_look_the_same(client: Client, version: Version) -> None:
    past = timezone.now() - timedelta(seconds=1)
    ApiKeyFactory.create(secret="clf_expired", expires_at=past)
    ApiKeyFactory.create(secret="clf_revoked", revoked_at=past)
    answers = {
        client.get("/info", headers={"authorization": f"Bearer {key}"}).content
        for key in ("clf_unknown", "clf_expired", "clf_revoked")
    }
    assert len(answers) == 1


@pytest.mark.case("U17")
def test_a_key_opens_only_what_its_scopes_name(post: Post, version: Version, example: dict[str, Any]) -> None:
    ApiKeyFactory.create(secret="clf_reader", scopes=("read",))
    assert (
        "scope predict"
        in problem_of(post("/predict", {"features": example}, key="clf_reader"), 403)["detail"]
    )


def test_a_revoked_key_is_refused_once_the_cache_is_old(
    client: Client, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ApiKeyFactory.create(secret="clf_used")
    headers = {"authorization": "Bearer clf_used"}
    assert client.get("/info", headers=headers).status_code == 200
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
    assert keys.CACHE_SECONDS < 5
    monkeypatch.setattr(keys, "CACHE_SECONDS", 0)
    problem_of(client.get("/info", headers=headers), 401)


def test_a_key_that_expires_while_cached_is_refused(client: Client, version: Version) -> None:
    key = ApiKeyFactory.create(secret="clf_short", expires_at=timezone.now() + timedelta(hours=1))
    headers = {"authorization": "Bearer clf_short"}
    assert client.get("/info", headers=headers).status_code == 200
    next(iter(keys._cache.values())).expires_at = timezone.now() - timedelta(seconds=1)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    problem_of(client.get("/info", headers=headers), 401)


@pytest.mark.promise(10)
def test_the_database_holds_no_usable_key() -> None:
    row, key = keys.create(name="caller", scopes=["predict"])
    values = " ".join(str(value) for value in ApiKey.objects.values().get(pk=row.pk).values())
    assert key not in values
    assert len(key.removeprefix(row.hint)) > 30


def test_a_use_is_noted_at_most_once_a_minute(client: Client, version: Version) -> None:
    key = ApiKeyFactory.create(secret="clf_noted")
    for _ in range(2):
        keys.forget()
        client.get("/info", headers={"authorization": "Bearer clf_noted"})
    first = ApiKey.objects.get(pk=key.pk).last_used_at
    keys.forget()
    client.get("/info", headers={"authorization": "Bearer clf_noted"})
    assert ApiKey.objects.get(pk=key.pk).last_used_at == first is not None


def test_createkey_prints_a_key_that_works(
    client: Client, version: Version, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("createkey", "phone app", "--scope", "predict", "--scope", "read")
    key = capsys.readouterr().out.strip()
    assert client.get("/info", headers={"authorization": f"Bearer {key}"}).status_code == 200
    assert ApiKey.objects.get(name="phone app").scopes == ["predict", "read"]


def test_createkey_refuses_an_unknown_scope() -> None:
    with pytest.raises(CommandError, match="fly"):
        call_command("createkey", "phone app", "--scope", "fly")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"scopes": []}, "at least one scope"),
        ({"scopes": ["fly"]}, "unknown scope fly"),
        ({"name": " "}, "has no name"),
        ({"secret": "two words"}, "printable ASCII"),
        ({"secret": "ключ"}, "printable ASCII"),
    ],
)
def test_a_key_that_could_not_be_used_is_not_made(values: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        keys.create(**{"name": "caller", "scopes": ["predict"], **values})
    assert not ApiKey.objects.exists()
