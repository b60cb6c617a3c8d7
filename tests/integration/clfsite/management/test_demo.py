"""What `make run` finds set up, and what it has to make."""

import io

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from clfsite.management import demo
from predictions.keys import service as keys
from predictions.models import ApiKey
from tests.support.factories import trained_version
from training.models import Activation

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEMO_PASSWORD", raising=False)
    monkeypatch.delenv("DEMO_API_KEY", raising=False)
    trained_version(classifier="churn", activate=True)
    User.objects.create_superuser(demo.LOGIN, password="as-it-was")
    keys.create(name=demo.KEY_NAME, scopes=demo.KEY_SCOPES)


def test_demo_that_is_there_is_left_alone() -> None:
    text = io.StringIO()
    assert demo.is_set_up()
    call_command("setup_demo", stdout=text, stderr=text)
    assert text.getvalue() == ""


def test_demo_without_an_active_version_is_not_set_up() -> None:
    Activation.objects.all().delete()
    assert not demo.is_set_up()


def test_login_that_is_missing_is_made_and_its_password_printed() -> None:
    User.objects.all().delete()
    text = io.StringIO()
    assert not demo.is_set_up()
    call_command("setup_demo", stdout=text)
    password = text.getvalue().partition("Password:")[2].split()[0]
    assert User.objects.get(username=demo.LOGIN).check_password(password)
    assert "API key" not in text.getvalue()
    assert demo.is_set_up()


def test_password_that_is_asked_for_replaces_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_PASSWORD", "another-one")
    assert not demo.is_set_up()
    call_command("setup_demo", stdout=io.StringIO())
    assert User.objects.get(username=demo.LOGIN).check_password("another-one")
    assert demo.is_set_up()


def test_key_that_is_asked_for_is_made_beside_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_API_KEY", "a-key-of-twenty-letters-and-more")
    assert not demo.is_set_up()
    call_command("setup_demo", stdout=io.StringIO())
    assert ApiKey.objects.filter(name=demo.KEY_NAME).count() == 2
    assert demo.is_set_up()


def test_migration_that_was_not_applied_is_noticed() -> None:
    newest = MigrationLoader(connection).graph.leaf_nodes("jobs")[0]
    MigrationRecorder(connection).record_unapplied(*newest)
    assert not demo.is_migrated()
    assert not demo.is_set_up()
