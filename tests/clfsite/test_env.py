"""Settings from the environment: a bad value stops the start and names itself."""

import stat
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from clfsite import env


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DATABASE_URL", "SECRET_KEY", "PORT", "CELERY_BROKER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(env, "BASE_DIR", tmp_path)
    monkeypatch.setenv("CLFSITE_STATE_DIR", str(tmp_path / "state"))


def test_a_laptop_copy_needs_no_variable(tmp_path: Path) -> None:
    read = env.read()
    assert read.database["NAME"] == str(tmp_path / "state" / "db.sqlite3")
    assert read.broker_url.startswith("filesystem://")
    assert read.wandb_mode == "offline"


def test_the_secret_key_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    first = env.read().secret_key
    assert len(first) >= 32
    assert env.read().secret_key == first
    assert stat.S_IMODE((tmp_path / "state" / "secret_key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "0"),
        ("DEBUG", "perhaps"),
        ("SECRET_KEY", "short"),
        ("DATABASE_URL", "mysql://localhost/x"),
        ("CELERY_BROKER_URL", "amqp://localhost"),
        ("WANDB_MODE", "sometimes"),
        ("CLFSITE_BATCH_ROWS", "-1"),
    ],
)
def test_a_bad_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=name):
        env.read()


def test_a_postgresql_url_is_safe_for_a_pooler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:secret@db.example/clfsite?sslmode=require")
    database = env.read().database
    assert database["ENGINE"].endswith("postgresql")
    assert database["DISABLE_SERVER_SIDE_CURSORS"]
    assert database["OPTIONS"] == {"sslmode": "require"}
