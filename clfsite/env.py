"""Every environment variable the site reads, in one place; a bad value stops the start with its name."""

import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from clfsite.core.storage import database

BASE_DIR = Path(__file__).resolve().parent.parent
WANDB_MODES = ("offline", "online", "disabled")
SWITCHES = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}
_TOO_SHORT = 32
_TOKEN_TOO_SHORT = 16
_TOO_FEW_CHARACTERS = 8
# what examples and templates have in place of a secret
_PLACEHOLDER = re.compile(
    r"change[-_ ]?(me|it|this)|replace[-_ ]?(me|it|this)|placeholder|your[-_ ]|insecure|<[^>]*>|\.{3}",
    re.IGNORECASE,
)
_ORIGIN = re.compile(r"https?://([\w.-]+|\[[0-9A-Fa-f:]+\])(:\d{1,5})?")
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?")
_BUCKET_FORM = "s3://bucket/prefix, with ?endpoint_url=https://... and region_name=... where needed"


@dataclass(frozen=True)
class Bucket:
    """Where datasets, artifacts and batch files go in place of the state folder; credentials are boto3's business."""

    name: str
    prefix: str
    endpoint_url: str | None
    region_name: str | None


@dataclass(frozen=True)
class Env:
    """The site's settings from outside, checked and typed."""

    state_dir: Path
    debug: bool
    secret_key: str
    allowed_hosts: list[str]
    csrf_trusted_origins: list[str]
    cors_origins: list[str]
    https: bool
    port: int
    database: dict[str, Any]
    unsafe_database: bool
    direct_database: dict[str, Any] | None
    broker_url: str
    bucket: Bucket | None
    dask_address: str
    metrics_token: str
    wandb_mode: str
    wandb_api_key: str
    batch_rows: int
    body_bytes: int
    upload_bytes: int
    run_minutes: int
    run_memory_bytes: int
    log_seconds: int
    log_rows: int
    proxies: int
    key_rate: int
    web_servers: int
    worker_metrics_port: int
    log_level: str


def read() -> Env:
    """Read and check the environment, after `.env` in the project's folder where there is one.

    Raises:
        ImproperlyConfigured: naming the variable, what was found and what is expected.
    """
    if (BASE_DIR / ".env").exists():
        environ.Env.read_env(BASE_DIR / ".env")
    source = environ.Env()
    state_dir = Path(source.str("CLFSITE_STATE_DIR", default=str(BASE_DIR / "var"))).resolve()
    state_dir.mkdir(parents=True, exist_ok=True)
    sqlite = f"sqlite:///{state_dir / 'db.sqlite3'}"
    wandb_api_key = source.str("WANDB_API_KEY", default="")
    if _switch(source, "DEBUG") and _switch(source, "CLFSITE_HTTPS"):
        raise ImproperlyConfigured(
            "DEBUG and CLFSITE_HTTPS are both true; expected DEBUG=false where others can reach the site, "
            "as its error pages show the code"
        )
    return Env(
        state_dir=state_dir,
        debug=_switch(source, "DEBUG"),
        secret_key=_secret_key(source.str("SECRET_KEY", default=""), state_dir / "secret_key"),
        allowed_hosts=source.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"]),
        csrf_trusted_origins=source.list("CSRF_TRUSTED_ORIGINS", default=[]),
        cors_origins=_origins("CLFSITE_CORS_ORIGINS", source.list("CLFSITE_CORS_ORIGINS", default=[])),
        https=_switch(source, "CLFSITE_HTTPS"),
        port=_positive(source, "PORT", 8000),
        database=_database("DATABASE_URL", source.str("DATABASE_URL", default="") or sqlite),
        direct_database=_direct_database(source.str("DATABASE_DIRECT_URL", default="")),
        unsafe_database=_switch(source, "CLFSITE_UNSAFE_DATABASE"),
        broker_url=_broker_url(source.str("CELERY_BROKER_URL", default="filesystem://localhost")),
        dask_address=_dask_address(source.str("CLFSITE_DASK_ADDRESS", default="")),
        bucket=_bucket(source.str("CLFSITE_STORAGE_URL", default="")),
        metrics_token=_token("CLFSITE_METRICS_TOKEN", source.str("CLFSITE_METRICS_TOKEN", default="")),
        wandb_mode=_one_of(
            "WANDB_MODE", source.str("WANDB_MODE", default="online" if wandb_api_key else "offline")
        ),
        wandb_api_key=wandb_api_key,
        batch_rows=_positive(source, "CLFSITE_BATCH_ROWS", 10_000),
        body_bytes=_positive(source, "CLFSITE_BODY_BYTES", 16 * 1024**2),
        upload_bytes=_positive(source, "CLFSITE_UPLOAD_BYTES", 200 * 1024**2),
        run_minutes=_positive(source, "CLFSITE_RUN_MINUTES", 720),
        run_memory_bytes=_typed(source.int, "CLFSITE_RUN_MEMORY_BYTES", 0, "a whole number of bytes"),
        log_seconds=_positive(source, "CLFSITE_LOG_SECONDS", 5),
        log_rows=_positive(source, "CLFSITE_LOG_ROWS", 50_000),
        proxies=_not_negative(source, "CLFSITE_PROXIES", "how many proxies stand in front"),
        key_rate=_not_negative(source, "CLFSITE_KEY_RATE", "calls a minute, 0 for no limit"),
        web_servers=_positive(source, "CLFSITE_WEB_SERVERS", 1),
        worker_metrics_port=_not_negative(source, "CLFSITE_WORKER_METRICS_PORT", "a port, 0 for none"),
        log_level=source.str("CLFSITE_LOG_LEVEL", default="INFO"),
    )


def _typed(cast: Any, name: str, default: Any, expected: str) -> Any:
    try:
        return cast(name, default=default)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is {os.environ[name]!r}; expected {expected}") from error


def _switch(source: environ.Env, name: str) -> bool:
    value = source.str(name, default="false").strip().lower()
    if value not in SWITCHES:
        raise ImproperlyConfigured(f"{name} is {value!r}; expected one of {', '.join(SWITCHES)}")
    return SWITCHES[value]


def _positive(source: environ.Env, name: str, default: int) -> int:
    value: int = _typed(source.int, name, default, "a whole number above 0")
    if value <= 0:
        raise ImproperlyConfigured(f"{name} is {value}; expected a whole number above 0")
    return value


def _not_negative(source: environ.Env, name: str, expected: str) -> int:
    value: int = _typed(source.int, name, 0, expected)
    if value < 0:
        raise ImproperlyConfigured(f"{name} is {value}; expected {expected}")
    return value


def _one_of(name: str, value: str) -> str:
    if value not in WANDB_MODES:
        raise ImproperlyConfigured(f"{name} is {value!r}; expected one of {', '.join(WANDB_MODES)}")
    return value


def _secret_key(given: str, kept: Path) -> str:
    """The key from the environment, or one made once and kept readable by the owner alone."""
    if given:
        if len(given) < _TOO_SHORT:
            raise ImproperlyConfigured(
                f"SECRET_KEY has {len(given)} characters; expected at least {_TOO_SHORT}"
            )
        return _no_placeholder("SECRET_KEY", given)
    try:
        descriptor = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return kept.read_text()
    with os.fdopen(descriptor, "w") as file:
        file.write(key := secrets.token_urlsafe(48))
    return key


def _token(name: str, given: str) -> str:
    """A secret of the owner's choice, or none."""
    if given and len(given) < _TOKEN_TOO_SHORT:
        raise ImproperlyConfigured(
            f"{name} has {len(given)} characters; expected at least {_TOKEN_TOO_SHORT}"
        )
    return _no_placeholder(name, given) if given else given


def _no_placeholder(name: str, secret: str) -> str:
    """Refuse a secret that everybody knows; no message repeats it, as it may be a part of a real one."""
    if found := _PLACEHOLDER.search(secret):
        raise ImproperlyConfigured(
            f"{name} holds {found[0][:20]!r} as an example does; expected a random value, "
            "such as the output of: openssl rand -hex 32"
        )
    if len(set(secret)) < _TOO_FEW_CHARACTERS:
        raise ImproperlyConfigured(
            f"{name} is made of {len(set(secret))} different characters; expected a random value"
        )
    return secret


def _origins(name: str, given: list[str]) -> list[str]:
    for origin in given:
        if not _ORIGIN.fullmatch(origin):
            raise ImproperlyConfigured(
                f"{name} lists {origin!r}; expected origins such as https://shop.example.org, without a path or *"
            )
    return given


def _direct_database(value: str) -> dict[str, Any] | None:
    """Where migrations go past a pooler, None for the way that everything else takes."""
    if not value:
        return None
    config = _database("DATABASE_DIRECT_URL", value)
    if config["ENGINE"].endswith("sqlite3"):
        raise ImproperlyConfigured(
            "DATABASE_DIRECT_URL names SQLite; expected postgresql://, past the pooler of DATABASE_URL"
        )
    return config


def _database(name: str, value: str) -> dict[str, Any]:
    """The connection of a database's URL; no message repeats it, as it holds the password."""
    if not value.startswith(("postgresql://", "postgres://", "sqlite://")):
        scheme = value.partition("://")[0][:20]
        raise ImproperlyConfigured(f"{name} begins with {scheme!r}; expected postgresql:// or sqlite:///")
    config: dict[str, Any] = environ.Env.db_url_config(value)
    engine = config["ENGINE"]
    if found := _PLACEHOLDER.search(config.get("PASSWORD") or ""):
        raise ImproperlyConfigured(f"{name} has {found[0][:20]!r} in its password; expected the real one")
    if engine.endswith("sqlite3"):
        # WAL lets readers go on beside the writer; FULL makes a commit survive a power cut; IMMEDIATE takes
        # the write lock at BEGIN, without which concurrent read-then-write transactions fail as "locked".
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
        return config
    # a pooler in transaction mode (Neon's, pgbouncer) cannot keep a server-side cursor or a session
    options = {
        **database.OPTIONS,
        **config.get("OPTIONS", {}),
        "connection_factory": database.Connection,
    }
    return {
        **config,
        "OPTIONS": options,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }


def _broker_url(value: str) -> str:
    if not value.startswith(("filesystem://", "redis://", "rediss://")):
        scheme = value.split("://", maxsplit=1)[0]
        raise ImproperlyConfigured(
            f"CELERY_BROKER_URL begins with {scheme!r}; expected redis://, rediss:// or filesystem://"
        )
    return value


def _dask_address(value: str) -> str:
    if value and not re.fullmatch(r"(tcp|tls)://([\w.-]+|\[[0-9A-Fa-f:]+\]):\d{1,5}", value):
        raise ImproperlyConfigured(
            f"CLFSITE_DASK_ADDRESS is {value!r}; expected tcp://host:port or tls://host:port of a Dask scheduler"
        )
    return value


def _bucket(value: str) -> Bucket | None:
    """The bucket of CLFSITE_STORAGE_URL, None for the state folder.

    No message repeats the value, which may hold a secret in the wrong place.
    """
    if not value:
        return None
    try:
        url = urlsplit(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"CLFSITE_STORAGE_URL is no URL; expected {_BUCKET_FORM}") from error
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    endpoint = options.get("endpoint_url")
    if "@" in url.netloc or (endpoint and "@" in endpoint):
        raise ImproperlyConfigured(
            "CLFSITE_STORAGE_URL holds a login; expected credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if fault := _bucket_fault(url, options):
        raise ImproperlyConfigured(f"CLFSITE_STORAGE_URL {fault}; expected {_BUCKET_FORM}")
    given = [name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if os.environ.get(name)]
    if len(given) == 1:
        raise ImproperlyConfigured(
            f"{given[0]} is set alone; expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    return Bucket(url.netloc, url.path.strip("/"), endpoint, options.get("region_name"))


def _bucket_fault(url: SplitResult, options: dict[str, str]) -> str:
    """What is wrong with the address of a bucket, or an empty string."""
    if url.scheme != "s3":
        return f"begins with {url.scheme!r}"
    if not _BUCKET_NAME.fullmatch(url.netloc):
        return f"names the bucket {url.netloc!r}, which is no bucket's name"
    if not _PREFIX.fullmatch(url.path) or url.fragment:
        return "has a prefix with other characters than letters, digits, dots, hyphens and underscores"
    unknown = sorted(set(options) - {"endpoint_url", "region_name"})
    if unknown:
        return f"has the unknown option {unknown[0]}"
    endpoint = options.get("endpoint_url")
    if endpoint is not None and not re.fullmatch(r"https?://[^/?#\s]+/?", endpoint):
        return "has an endpoint_url that is not http://host or https://host"
    if not re.fullmatch(r"[a-z0-9-]+", options.get("region_name", "region")):
        return "has a region_name with other characters than small letters, digits and hyphens"
    return ""
