"""`manage.py keys`: what works is listed, and what is revoked stops working."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from predictions.models import ApiKey
from tests.support.factories import ApiKeyFactory

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("keys", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def rows() -> dict[str, ApiKey]:
    now = timezone.now()
    return {
        "shop": ApiKeyFactory.create(name="shop", actor="ada"),
        "crm": ApiKeyFactory.create(name="crm", actor="ada"),
        "old": ApiKeyFactory.create(name="old", actor="ada", expires_at=now - timedelta(days=1)),
        "other": ApiKeyFactory.create(name="other", actor="bob"),
    }


def test_keys_that_work_are_listed(rows: dict[str, ApiKey]) -> None:
    lines = run("list").splitlines()
    assert lines[0].split("  ")[0] == "id"
    assert len(lines) == 4
    listed = [json.loads(line) for line in run("list", "--made-by", "ada", "--json").splitlines()]
    assert [(item["id"], item["name"], item["state"]) for item in listed] == [
        (rows["shop"].pk, "shop", "works"),
        (rows["crm"].pk, "crm", "works"),
    ]
    assert len(run("list", "--all").splitlines()) == 5


def test_keys_are_revoked_by_id(rows: dict[str, ApiKey]) -> None:
    assert "1 keys revoked" in run("revoke", str(rows["shop"].pk))
    assert [key.name for key in ApiKey.objects.exclude(revoked_at=None)] == ["shop"]
    assert "0 keys revoked" in run("revoke", str(rows["shop"].pk))


def test_all_keys_of_a_person_are_revoked(rows: dict[str, ApiKey]) -> None:
    run("revoke", "--made-by", "ada")
    assert set(ApiKey.objects.filter(revoked_at=None).values_list("name", flat=True)) == {"other"}


@pytest.mark.parametrize("arguments", [["999999"], [], ["1", "--made-by", "ada"]])
def test_what_names_no_keys_revokes_none(rows: dict[str, ApiKey], arguments: list[str]) -> None:
    if arguments == ["999999"]:
        arguments = [str(rows["shop"].pk), *arguments]
    with pytest.raises(CommandError):
        run("revoke", *arguments)
    assert not ApiKey.objects.exclude(revoked_at=None).exists()
