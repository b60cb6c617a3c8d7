"""Which services this machine has: used when reachable, named when not, and a failure when required."""

import os
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any

import psycopg2
import redis

DATABASE_URL = os.environ.get("TEST_DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
# beside the environment that runs the tests, as .venv-clients is beside .venv
CLIENTS_PYTHON = Path(f"{sys.prefix}-clients") / "bin" / "python"
# the first is Chromium without windows: in half the time and memory
BROWSERS = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)


@cache
def missing() -> dict[str, str]:
    """The services that cannot be used, each with why."""
    return {name: why for name, find in _FINDERS.items() if (why := find())}


def required() -> set[str]:
    """The services that must be there, from CLFSITE_REQUIRE; an unknown name is an error."""
    names = {name for name in os.environ.get("CLFSITE_REQUIRE", "").split(",") if name}
    unknown = names - set(_FINDERS)
    if unknown:
        raise SystemExit(
            f"CLFSITE_REQUIRE names {', '.join(sorted(unknown))}; expected {', '.join(_FINDERS)}"
        )
    return names


def browser_path() -> str:
    """Where Chromium is, or an empty string."""
    named = os.environ.get("CHROMIUM", "")
    return named or next((path for name in BROWSERS if (path := shutil.which(name))), "")


def postgresql_settings(name: str) -> dict[str, Any]:
    """Connection arguments for another database of the test server."""
    return {**psycopg2.extensions.parse_dsn(DATABASE_URL), "dbname": name}


def _no_postgresql() -> str:
    try:
        psycopg2.connect(DATABASE_URL, connect_timeout=3).close()
    except psycopg2.OperationalError as error:
        return f"TEST_DATABASE_URL does not answer: {str(error).strip().splitlines()[0]}"
    return ""


def _no_redis() -> str:
    try:
        client = redis.Redis.from_url(REDIS_URL, socket_timeout=3, socket_connect_timeout=3)
        client.ping()
        client.close()
    except redis.RedisError as error:
        return f"TEST_REDIS_URL does not answer: {error}"
    return ""


def _no_browser() -> str:
    return "" if browser_path() else f"none of {', '.join(BROWSERS)} is installed; CHROMIUM may name one"


def _no_prometheus() -> str:
    return "" if shutil.which("prometheus") and shutil.which("promtool") else "prometheus is not installed"


def _no_npm() -> str:
    return "" if shutil.which("npm") and shutil.which("node") else "npm is not installed"


def _no_nginx() -> str:
    return _no_proxy("nginx")


def _no_haproxy() -> str:
    return _no_proxy("haproxy")


def _no_proxy(name: str) -> str:
    lacking = next((program for program in (name, "openssl") if not shutil.which(program)), "")
    return f"{lacking} is not installed" if lacking else ""


def _no_clients() -> str:
    return "" if CLIENTS_PYTHON.exists() else f"{CLIENTS_PYTHON} is not there; `make test` installs it"


_FINDERS = {
    "postgresql": _no_postgresql,
    "redis": _no_redis,
    "browser": _no_browser,
    "prometheus": _no_prometheus,
    "npm": _no_npm,
    "nginx": _no_nginx,
    "haproxy": _no_haproxy,
    "clients": _no_clients,
}
