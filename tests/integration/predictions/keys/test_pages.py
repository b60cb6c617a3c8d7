"""Keys in the portal: made and shown once, looked at, revoked."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from predictions.models import ApiKey
from tests.support.factories import ApiKeyFactory
from tests.support.portal import staff_client
from training.models import Version

KEYS = reverse("predictions:key-list")
ALL = ("predictions.view_apikey", "predictions.add_apikey", "predictions.change_apikey")


@pytest.fixture
def approver(db: None) -> Client:
    return staff_client(*ALL)


def make(client: Client, **values: Any) -> Any:
    return client.post(KEYS, {"name": "phone app", "scopes": ["predict"], "expires": "90", **values})


def revoke(client: Client, key: ApiKey) -> str:
    path = reverse("predictions:key-revoke", args=[key.pk])
    return client.post(path, follow=True).content.decode()


def works(key: str) -> bool:
    return Client().get("/info", headers={"authorization": f"Bearer {key}"}).status_code == 200


def test_a_key_is_shown_once_and_works(approver: Client, version: Version) -> None:
    response = make(approver, scopes=["predict", "read"], rate="600")
    row, key = response.context["made"]
    assert key in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    assert works(key)
    assert key not in approver.get(KEYS).content.decode()
    row.refresh_from_db()
    assert (row.name, row.scopes, row.rate, row.created_by) == ("phone app", ["predict", "read"], 600, "ada")
    assert timedelta(days=89) < row.expires_at - timezone.now() <= timedelta(days=90)


def test_a_key_may_be_made_without_end_and_limit(approver: Client) -> None:
    row, _ = make(approver, expires="", rate="0").context["made"]
    assert (row.expires_at, row.rate) == (None, 0)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["fly"]}, "scopes"),
        ({"rate": "-1"}, "rate"),
        ({"rate": "many"}, "rate"),
        ({"rate": str(10**9)}, "rate"),
        ({"expires": "100000000"}, "expires"),
    ],
)
def test_what_makes_no_key_is_said_beside_its_field(
    values: dict[str, Any], field: str, approver: Client
) -> None:
    assert make(approver, **values).context["form"].errors[field]
    assert not ApiKey.objects.exists()


def test_a_key_says_how_it_is_and_how_it_was_used(approver: Client, version: Version) -> None:
    key = ApiKeyFactory.create(name="shop", secret="clf_used", scopes=("predict", "read"))
    assert "never" in approver.get(KEYS).content.decode()
    assert works("clf_used")
    key.refresh_from_db()
    assert key.last_used_at is not None
    ApiKeyFactory.create(name="late", expires_at=timezone.now() - timedelta(days=1))
    shown = approver.get(KEYS).content.decode()
    for text in ("shop", "predict, read", "Active", "Expired", "the command line"):
        assert text in shown
    assert key.digest not in shown


def test_a_revoked_key_opens_nothing_and_says_by_whom(approver: Client, version: Version) -> None:
    key = ApiKeyFactory.create(name="shop", secret="clf_shop")
    assert works("clf_shop")
    assert "data-confirm" in approver.get(KEYS).content.decode()
    assert "was revoked. It stops working within 5 seconds" in revoke(approver, key)
    assert not works("clf_shop")
    key.refresh_from_db()
    assert key.revoked_by == "ada"
    first = key.revoked_at
    assert "is already revoked" in revoke(approver, key)
    key.refresh_from_db()
    assert key.revoked_at == first


def test_who_may_look_alone_sees_no_buttons(db: None) -> None:
    ApiKeyFactory.create()
    client = staff_client("predictions.view_apikey")
    shown = client.get(KEYS).content.decode()
    assert "Create key" not in shown
    assert "Revoke</button>" not in shown
    assert make(client).status_code == 403


@pytest.mark.case("U26")
def test_names_are_escaped(approver: Client) -> None:
    shown = make(approver, name="<script>alert(1)</script>").content.decode()
    assert "<script>alert" not in shown


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("name", ["a", "b", "c"]),
        ("-name", ["c", "b", "a"]),
        ("created", ["b", "a", "c"]),
        ("", ["c", "a", "b"]),
        ("digest", ["c", "a", "b"]),
        ("-used", ["b", "c", "a"]),
        ("used", ["b", "c", "a"]),
    ],
)
def test_the_list_is_sorted_by_what_it_shows_and_nothing_else(
    sort: str, names: list[str], approver: Client
) -> None:
    for name in ("b", "a", "c"):
        ApiKeyFactory.create(name=name)
    ApiKey.objects.filter(name="b").update(last_used_at=timezone.now())
    page = approver.get(KEYS, {"sort": sort}).context["page"]
    assert [key.name for key in page] == names


def test_more_keys_take_no_more_queries(approver: Client, django_assert_max_num_queries: Any) -> None:
    for _ in range(30):
        ApiKeyFactory.create()
    with django_assert_max_num_queries(6):
        response = approver.get(KEYS)
    assert len(response.context["page"]) == 25
    assert "Page 1 of 2" in response.content.decode()
