"""`manage.py migrate`: past a pooler where there is a way, and patient."""

from typing import Any

import msgspec
import pytest
from django.core.management import CommandError, call_command
from django.core.management.commands import migrate as django
from django.db import OperationalError, connection, connections
from pytest_django import Settings

from clfsite.management.commands import migrate

pytestmark = pytest.mark.dialect


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that were tried, where connecting fails until the list says otherwise."""
    tried: list[str] = []
    monkeypatch.setattr(migrate, "FIRST_PAUSE_SECONDS", 0.0)
    # it would read from a database that nothing connects to here
    monkeypatch.setattr(migrate, "_refuse_half_migrated", lambda _alias: None)
    monkeypatch.setattr(django.Command, "handle", lambda *_, **__: tried.append("migrated"))
    return tried


def connects(monkeypatch: pytest.MonkeyPatch, attempts: list[str], failures: int) -> None:
    def ensure(_self: Any) -> None:
        attempts.append(connection.settings_dict["HOST"])
        if len(attempts) <= failures:
            raise OperationalError("the endpoint is suspended")

    monkeypatch.setattr(type(connections["default"]), "ensure_connection", ensure)


@pytest.mark.django_db
def test_a_database_that_wakes_up_is_waited_for(monkeypatch: pytest.MonkeyPatch, attempts: list[str]) -> None:
    connects(monkeypatch, attempts, failures=3)
    call_command("migrate")
    assert len(attempts) == 5
    assert attempts[-1] == "migrated"


@pytest.mark.django_db
def test_a_database_that_stays_away_is_told(monkeypatch: pytest.MonkeyPatch, attempts: list[str]) -> None:
    connects(monkeypatch, attempts, failures=99)
    with pytest.raises(CommandError, match="did not answer in 6 attempts: the endpoint is suspended"):
        call_command("migrate")


@pytest.mark.django_db(transaction=True)
def test_the_direct_way_is_taken_for_this_alone(
    monkeypatch: pytest.MonkeyPatch, attempts: list[str], settings: Settings
) -> None:
    connects(monkeypatch, attempts, failures=0)
    before = connection.settings_dict
    direct = "postgresql://direct.example/another"
    settings.ENV = msgspec.structs.replace(settings.ENV, DATABASE_DIRECT_URL=direct)
    call_command("migrate")
    assert attempts == ["direct.example", "migrated"]
    assert connection.settings_dict is before
