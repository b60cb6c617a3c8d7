"""Settings from the environment: a bad value stops the start and names itself."""

import os
import pprint
import stat
import traceback
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from clfsite import env

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
SECRET = "a-very-secret-key"


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "DATABASE_URL",
        "DATABASE_DIRECT_URL",
        "CLFSITE_METRICS_TOKEN",
        "CLFSITE_METRICS_OPEN",
        "CLFSITE_PROXIES",
        "CLFSITE_CORS_ORIGINS",
        "CLFSITE_HTTPS",
        "DEBUG",
        "SECRET_KEY",
        "PORT",
        "CELERY_BROKER_URL",
        "CLFSITE_STORAGE_URL",
        *CREDENTIALS,
        *(name for name in os.environ if name.startswith("CLFSITE_SOURCE_")),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(env, "BASE_DIR", tmp_path)
    monkeypatch.setenv("CLFSITE_STATE_DIR", str(tmp_path / "state"))


def test_a_laptop_copy_needs_no_variable(tmp_path: Path) -> None:
    read = env.read()
    assert read.database()["NAME"] == str(tmp_path / "state" / "db.sqlite3")
    assert read.CELERY_BROKER_URL.startswith("filesystem://")
    assert read.wandb_mode == "disabled"


@pytest.mark.parametrize("name", ["secret_key", "metrics_token"])
def test_a_secret_is_made_once_and_readable_by_its_owner_alone(name: str, tmp_path: Path) -> None:
    first = getattr(env.read(), name)()
    assert len(first) >= 32
    assert getattr(env.read(), name)() == first
    kept = tmp_path / "state" / name
    assert kept.read_text() == first
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    kept.write_text("")
    with pytest.raises(ImproperlyConfigured, match=name):
        getattr(env.read(), name)()


def test_metrics_are_not_open_where_a_proxy_stands_in_front(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not env.read().CLFSITE_METRICS_OPEN
    monkeypatch.setenv("CLFSITE_METRICS_OPEN", "true")
    assert env.read().CLFSITE_METRICS_OPEN
    monkeypatch.setenv("CLFSITE_PROXIES", "1")
    with pytest.raises(ImproperlyConfigured, match="CLFSITE_METRICS_OPEN"):
        env.read()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "0"),
        ("DEBUG", "perhaps"),
        ("SECRET_KEY", "short"),
        ("DATABASE_URL", "mysql://localhost/x"),
        ("DATABASE_URL", "postgresql://clfsite:change-me@db/clfsite"),
        ("DATABASE_DIRECT_URL", "sqlite:///somewhere"),
        ("DATABASE_DIRECT_URL", "https://db.example"),
        ("SECRET_KEY", "change-me-change-me-change-me-change-me"),
        ("SECRET_KEY", "django-insecure-0123456789abcdefghijklmnopqrstuvwxyz"),
        ("SECRET_KEY", "<the output of openssl rand -hex 32>"),
        ("SECRET_KEY", "a" * 64),
        ("CLFSITE_METRICS_TOKEN", "short"),
        ("CLFSITE_METRICS_OPEN", "perhaps"),
        ("CLFSITE_METRICS_TOKEN", "changeme-changeme-changeme"),
        ("CLFSITE_CORS_ORIGINS", "*"),
        ("CLFSITE_CORS_ORIGINS", "https://shop.example.org/page"),
        ("CLFSITE_CORS_ORIGINS", "shop.example.org"),
        ("CLFSITE_WORKER_METRICS_PORT", "-1"),
        ("CELERY_BROKER_URL", "amqp://localhost"),
        ("WANDB_MODE", "sometimes"),
        ("CLFSITE_LOG_LEVEL", "loud"),
        ("CLFSITE_BATCH_ROWS", "-1"),
        ("CLFSITE_KEY_RATE", "-1"),
        ("CLFSITE_KEY_RATE", "many"),
        ("CLFSITE_PROXIES", "-1"),
        ("CLFSITE_WEB_SERVERS", "0"),
        ("CLFSITE_DASK_ADDRESS", "127.0.0.1:8786"),
        ("CLFSITE_DASK_ADDRESS", "http://127.0.0.1:8787"),
        ("CLFSITE_DASK_ADDRESS", "tcp://127.0.0.1"),
        ("CLFSITE_STORAGE_URL", "/mnt/shared"),
        ("CLFSITE_STORAGE_URL", "gs://bucket"),
        ("CLFSITE_STORAGE_URL", "s3://"),
        ("CLFSITE_STORAGE_URL", "s3://No_Bucket/prefix"),
        ("CLFSITE_STORAGE_URL", "s3://bucket/../outside"),
        ("CLFSITE_STORAGE_URL", "s3://bucket/a//b"),
        ("CLFSITE_STORAGE_URL", "s3://bucket?endpoint_url=localhost:9000"),
        ("CLFSITE_STORAGE_URL", "s3://bucket?region_name=Frankfurt am Main"),
        ("CLFSITE_STORAGE_URL", "s3://[bucket"),
        ("CLFSITE_SOURCE_SECONDS", "0"),
        ("CLFSITE_SOURCE_ROWS", "all"),
        ("CLFSITE_SOURCE_SHOP", "mysql://shop.example/shop"),
        ("CLFSITE_SOURCE_SHOP", "shop.example"),
        ("CLFSITE_SOURCE_SHOP", "postgresql://reader:change-me@shop.example/shop"),
        ("CLFSITE_SOURCE_SHOP", "postgresql://reader:secret@shop.example:port/shop"),
        ("CLFSITE_SOURCE_SHOP", "sqlite://:memory:"),
        ("CLFSITE_SOURCE_shop", "sqlite:///shop.db"),
        ("CLFSITE_SOURCE_", "sqlite:///shop.db"),
    ],
)
def test_a_bad_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=name):
        env.read()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CLFSITE_BATCH_ROWS", "many", "CLFSITE_BATCH_ROWS is 'many'; expected a whole number above 0"),
        ("DEBUG", "perhaps", "DEBUG is 'perhaps'; expected one of true, 1, yes, on, false, 0, no, off"),
        (
            "CLFSITE_LOG_LEVEL",
            "loud",
            "CLFSITE_LOG_LEVEL is 'loud'; expected DEBUG, INFO, WARNING, ERROR or CRITICAL",
        ),
        (
            "CELERY_BROKER_URL",
            "amqp://guest:secret@localhost",
            "CELERY_BROKER_URL begins with 'amqp'; expected a URL that begins with redis:// or rediss:// or filesystem://",
        ),
        ("SECRET_KEY", "short", "SECRET_KEY has 5 characters; expected at least 32 characters"),
        (
            "DATABASE_URL",
            "postgresql://user:secret@db:port/clfsite",
            "DATABASE_URL is not a URL; expected postgresql://user:password@host:5432/name or sqlite:///file",
        ),
    ],
)
def test_a_refusal_says_what_was_found_and_what_is_expected(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured) as caught:
        env.read()
    assert str(caught.value) == message
    assert "secret" not in "".join(traceback.format_exception(caught.value)).split("ImproperlyConfigured")[-1]


def test_the_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "db.sqlite3"
    env.read()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    env.read()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "name", ["clfsite_log_level", "CLFSIT_LOG_LEVEL", "CLF_SITE_LOG_LEVEL", "CLFSITE_Log_Level"]
)
def test_a_name_in_another_case_or_with_another_beginning_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "DEBUG")
    with pytest.raises(
        ImproperlyConfigured, match=f"{name} is not a setting; did you mean CLFSITE_LOG_LEVEL"
    ):
        env.read()


def test_a_name_like_no_setting_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLFSITE_COLOUR", "blue")
    monkeypatch.setenv("CLFSITE_SOURCE_SHOP", "sqlite:///shop.db")
    env.read()
    assert "CLFSITE_COLOUR" in env.unknown()
    assert "CLFSITE_SOURCE_SHOP" not in env.unknown()


@pytest.mark.parametrize("value", ["debug", "Debug", "DEBUG"])
def test_a_log_level_may_be_written_in_any_case(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CLFSITE_LOG_LEVEL", value)
    assert env.read().CLFSITE_LOG_LEVEL == "DEBUG"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CLFSITE_LOGLEVEL", "CLFSITE_LOG_LEVEL"),
        ("CLFSITE_UPLOAD_BYTE", "CLFSITE_UPLOAD_BYTES"),
        ("CLFSITE_METRIC_TOKEN", "CLFSITE_METRICS_TOKEN"),
        ("CLFSITE_BATCH_SIZE", "CLFSITE_BATCH_ROWS"),
        ("CLFSITE_SOURCE_SECOND", "CLFSITE_SOURCE_SECONDS"),
        ("CLFSITE_SOURCES_SHOP", "CLFSITE_SOURCE_SHOP"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(ImproperlyConfigured, match=f"{name} is not a setting; did you mean {meant}"):
        env.read()


@pytest.mark.parametrize("name", ["CLFSITE_SERVICE_HOST", "CLFSITE_PORT", "CLFSITE_REQUIRE"])
def test_a_variable_like_no_setting_is_left_to_others(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Kubernetes sets some for a service of this name."""
    monkeypatch.setenv(name, "1")
    env.read()


def test_a_file_fills_what_the_environment_leaves_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    (tmp_path / ".env").write_text(
        "# a comment\nPORT=9000  # where it listens\nCLFSITE_LOG_LEVEL=ERROR\n"
        "DATABASE_URL='postgresql://user:pa$$word@db/clfsite'\n"
    )
    monkeypatch.setenv("CLFSITE_LOG_LEVEL", "WARNING")
    read = env.read()
    assert (read.PORT, read.CLFSITE_LOG_LEVEL) == (9000, "WARNING")
    assert read.database()["PASSWORD"] == "pa$$word"


def test_a_secret_is_not_repeated_when_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "changeme-0123456789-abcdefghijklmnop")
    monkeypatch.setenv("DATABASE_URL", "mysql://user:hunter2hunter2@db/clfsite")
    for name in ("SECRET_KEY", "DATABASE_URL"):
        with pytest.raises(ImproperlyConfigured, match=name) as caught:
            env.read()
        assert "0123456789" not in str(caught.value)
        assert "hunter2" not in str(caught.value)
        monkeypatch.delenv(name)


def test_error_pages_that_show_code_are_refused_where_others_can_see_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEBUG", "true")
    assert env.read().DEBUG
    monkeypatch.setenv("CLFSITE_HTTPS", "true")
    with pytest.raises(ImproperlyConfigured, match="DEBUG"):
        env.read()


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "DATABASE_DIRECT_URL", "SECRET_KEY", "CLFSITE_METRICS_TOKEN"):
        monkeypatch.setenv(name, "")
    read = env.read()
    assert read.database()["ENGINE"].endswith("sqlite3")
    assert read.direct_database() is None


def test_migrations_may_have_a_way_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:secret@pooler.example/clfsite")
    monkeypatch.setenv("DATABASE_DIRECT_URL", "postgresql://user:secret@direct.example/clfsite")
    read = env.read()
    assert read.database()["HOST"] == "pooler.example"
    direct = read.direct_database()
    assert direct is not None
    assert direct["HOST"] == "direct.example"


def test_a_postgresql_url_is_safe_for_a_pooler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:secret@db.example/clfsite?sslmode=require")
    database = env.read().database()
    assert database["ENGINE"].endswith("postgresql")
    assert database["DISABLE_SERVER_SIDE_CURSORS"]
    assert database["OPTIONS"].items() >= {"sslmode": "require", "connect_timeout": 5}.items()


def test_without_a_storage_url_files_stay_in_the_state_folder() -> None:
    assert env.read().bucket() is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("s3://bucket", env.Bucket("bucket", "", None, None)),
        ("s3://my.bucket/team/site/", env.Bucket("my.bucket", "team/site", None, None)),
        (
            "s3://bucket/site?endpoint_url=http://127.0.0.1:9000&region_name=eu-central-1",
            env.Bucket("bucket", "site", "http://127.0.0.1:9000", "eu-central-1"),
        ),
    ],
    ids=["bucket", "prefix", "endpoint"],
)
def test_a_storage_url_names_bucket_prefix_and_server(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: env.Bucket
) -> None:
    monkeypatch.setenv("CLFSITE_STORAGE_URL", value)
    assert env.read().bucket() == expected


@pytest.mark.parametrize(
    "value",
    [
        f"s3://key:{SECRET}@bucket/prefix",
        f"s3://bucket?endpoint_url=https://key:{SECRET}@minio.example",
        f"s3://bucket?aws_secret_access_key={SECRET}",
    ],
    ids=["login", "login of the endpoint", "option"],
)
def test_a_secret_in_the_storage_url_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CLFSITE_STORAGE_URL", value)
    with pytest.raises(ImproperlyConfigured, match="CLFSITE_STORAGE_URL") as caught:
        env.read()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("alone", CREDENTIALS)
def test_half_a_pair_of_credentials_is_refused(monkeypatch: pytest.MonkeyPatch, alone: str) -> None:
    monkeypatch.setenv("CLFSITE_STORAGE_URL", "s3://bucket")
    monkeypatch.setenv(alone, SECRET)
    with pytest.raises(ImproperlyConfigured, match=f"{alone} is set alone") as caught:
        env.read()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["", "tcp://10.0.0.7:8786", "tls://dask.example.org:8786", "tcp://[::1]:8786"]
)
def test_an_address_of_a_dask_scheduler_is_taken(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CLFSITE_DASK_ADDRESS", value)
    assert value == env.read().CLFSITE_DASK_ADDRESS


def test_databases_to_query_have_the_names_of_their_variables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert env.read().sources() == {}
    monkeypatch.setenv(
        "CLFSITE_SOURCE_SHOP", "postgresql://reader:pa%2Fss@shop.example:5433/orders?sslmode=require"
    )
    monkeypatch.setenv("CLFSITE_SOURCE_OLD_SHOP", f"sqlite:///{tmp_path / 'old.db'}")
    monkeypatch.setenv("CLFSITE_SOURCE_GONE", "")
    read = env.read()
    shop, old = read.sources()["shop"], read.sources()["old_shop"]
    assert set(read.sources()) == {"shop", "old_shop"}
    assert (shop.kind, shop.config["HOST"], shop.config["PASSWORD"]) == (
        "postgresql",
        "shop.example",
        "pa/ss",
    )
    assert (old.kind, old.config["NAME"]) == ("sqlite", str(tmp_path / "old.db"))
    assert not {
        name
        for name in read.site()
        if name.startswith("CLFSITE_SOURCE_S") and name != "CLFSITE_SOURCE_SECONDS"
    }


def test_the_url_of_a_database_to_query_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLFSITE_SOURCE_SHOP", f"postgresql://reader:{SECRET}@shop.example/orders")
    assert SECRET not in pprint.pformat({"CLFSITE_SOURCES": env.read().sources()})
    monkeypatch.setenv("CLFSITE_SOURCE_SHOP", f"postgresql://reader:{SECRET}@shop.example:port/orders")
    with pytest.raises(ImproperlyConfigured, match="CLFSITE_SOURCE_SHOP is not a URL") as caught:
        env.read()
    assert SECRET not in "".join(traceback.format_exception(caught.value)).split("ImproperlyConfigured")[-1]
