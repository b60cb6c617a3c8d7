"""A check-up of the site: settings, database, queue, folders, space, clock, schema, workers and keys."""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files.storage import storages
from django.db import Error, connection, transaction
from django.utils import timezone

from clfsite import env
from clfsite.core.errors import ProblemError
from clfsite.core.jobs import site
from clfsite.core.jobs.models import Chore, Heartbeat, clock_ahead
from clfsite.core.storage import database, space
from clfsite.operations import backup, schema
from clfsite.operations.known_files import STORAGES
from predictions.models import ApiKey
from predictions.serving import health
from training.models import Activation

OK, WARNING, ERROR = "ok", "warning", "error"
# ms of a query, from which every prediction is noticeably slower
SLOW_MS = 20.0
# seconds by which a clock may be off
CLOCK_SECONDS = 10.0
# share of the disk below which there is a warning
LITTLE_SPACE = 0.1
LATE_BACKUP = timedelta(days=2)
EXPIRY = timedelta(days=14)
REDIS_SECONDS = 3.0


class Finding(NamedTuple):
    """What was found about a part, and what to do."""

    part: str
    state: str
    found: str
    advice: str = ""


def check_up() -> list[Finding]:
    """Examine all parts. Parts that need the database are left out if it does not answer."""
    findings: list[Finding] = []
    findings += _guarded("settings", _settings)
    findings += _guarded("database", _database)
    is_down = any(item.part == "database" and item.state == ERROR for item in findings)
    findings += _guarded("queue", _queue)
    findings += _guarded("folders", _folders)
    findings += _guarded("space", _space)
    if is_down:
        return findings
    for part, check in (("schema", _schema), ("clock", _clock), ("workers", _workers)):
        findings += _guarded(part, check)
    if not any(item.part == "schema" and item.state == ERROR for item in findings):
        for part, check in (("site", _site), ("backup", _backup), ("model", _model), ("keys", _keys)):
            findings += _guarded(part, check)
    return findings


def _guarded(part: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """The findings of a check; an error of the database is one of them."""
    try:
        found = list(check())
    except Error as error:
        text = str(error).strip().splitlines()[0]
        return [Finding(part, ERROR, text, "check DATABASE_URL, the database's log and the network")]
    return found or [Finding(part, OK, "in order")]


def _settings() -> Iterator[Finding]:
    if names := env.unknown():
        yield Finding(
            "settings",
            WARNING,
            f"{', '.join(names)}: no such setting, so without effect",
            "correct or remove it",
        )
    if settings.DEBUG:
        yield Finding("settings", WARNING, "DEBUG is true", "set DEBUG=false if others can reach the site")
    if "*" in settings.ALLOWED_HOSTS:
        yield Finding("settings", WARNING, "ALLOWED_HOSTS allows every name", "list the names of the site")
    elif set(settings.ALLOWED_HOSTS) - {"localhost", "127.0.0.1", "[::1]"} and not settings.ENV.CLFSITE_HTTPS:
        yield Finding(
            "settings",
            WARNING,
            "the site has a name but no HTTPS",
            "put a proxy with a certificate in front and set CLFSITE_HTTPS=true",
        )
    if not (Path(settings.STATIC_ROOT) / "staticfiles.json").exists():
        yield Finding(
            "settings", ERROR, "the static files are not collected", "run manage.py collectstatic --noinput"
        )


def _database() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT current_setting('server_version'), current_setting('server_encoding')")
        else:
            cursor.execute("SELECT sqlite_version(), encoding FROM pragma_encoding")
        version, encoding = cursor.fetchone()
        took = []
        for _ in range(5):
            began = time.perf_counter()
            cursor.execute("SELECT 1")
            cursor.fetchone()
            took.append(1_000 * (time.perf_counter() - began))
    milliseconds = statistics.median(took)
    name = "PostgreSQL" if connection.vendor == "postgresql" else "SQLite"
    text = f"{name} {version}, {encoding}, {milliseconds:.1f} ms for a query"
    if encoding.upper().replace("-", "") != "UTF8":
        yield Finding("database", ERROR, f"its encoding is {encoding}", "create it with ENCODING 'UTF8'")
    if unable := database.read_only() or _unwritten():
        yield Finding("database", ERROR, unable, "point DATABASE_URL to a database that can be written")
    if unsafe := database.unsafe_settings():
        yield Finding("database", ERROR, unsafe, "turn it on in postgresql.conf")
    if milliseconds > SLOW_MS:
        yield Finding(
            "database", WARNING, text, "put the site nearer to the database; each prediction waits for it"
        )
    else:
        yield Finding("database", OK, text)


def _unwritten() -> str:
    """Why a row cannot be written, or an empty string; it is rolled back."""
    if schema.older():
        return ""  # the table may be missing, which is another finding
    try:
        with transaction.atomic():
            Heartbeat.objects.create(worker="doctor", at=timezone.now())
            transaction.set_rollback(True)
    except Error as error:
        return f"a row cannot be written: {str(error).strip().splitlines()[0]}"
    return ""


def _queue() -> Iterator[Finding]:
    url = urlsplit(settings.CELERY_BROKER_URL)
    if url.scheme == "filesystem":
        yield Finding("queue", OK, "files in the state folder, for one machine")
        return
    import redis

    client = redis.Redis.from_url(
        settings.CELERY_BROKER_URL, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    )
    try:
        began = time.perf_counter()
        client.ping()
        milliseconds = 1_000 * (time.perf_counter() - began)
        version = client.info("server")["redis_version"]
    except redis.RedisError as error:
        yield Finding(
            "queue",
            ERROR,
            f"Redis at {url.hostname}:{url.port or 6379} does not answer ({type(error).__name__})",
            "start it, or correct CELERY_BROKER_URL; predictions work, runs and batches wait",
        )
        return
    finally:
        client.close()
    yield Finding("queue", OK, f"Redis {version}, {milliseconds:.1f} ms")


def _folders() -> Iterator[Finding]:
    if folder := space.unwritable_folder():
        yield Finding(
            "folders", ERROR, f"{folder} cannot be written", f"let the site's user write it: chown {folder}"
        )
    for name in STORAGES:
        try:
            storages[name].exists("doctor")
        except (OSError, ProblemError) as error:
            yield Finding("folders", ERROR, f"the storage of {name}: {error}", "correct CLFSITE_STORAGE_URL")
    for name in ("secret_key", "metrics_token", "db.sqlite3"):
        path = settings.STATE_DIR / name
        if path.exists() and path.stat().st_mode & 0o077:
            yield Finding("folders", WARNING, f"others can read {path}", f"chmod 600 {path}")
    if not settings.ENV.DATABASE_URL and settings.STATE_DIR.stat().st_uid != os.geteuid():
        yield Finding(
            "folders",
            WARNING,
            f"{settings.STATE_DIR} belongs to another user",
            "run commands as the user of the site, otherwise it cannot write what they make",
        )


def _space() -> Iterator[Finding]:
    if problem := space.problem():
        yield Finding("space", ERROR, problem, "free space on the disk of the state folder")
        return
    free, total = space.free_bytes()
    text = f"{free / 1024**3:.1f} of {total / 1024**3:.1f} GB free"
    if free < LITTLE_SPACE * total:
        yield Finding("space", WARNING, text, "free space, or move the state folder to a larger disk")
    else:
        yield Finding("space", OK, text)


def _schema() -> Iterator[Finding]:
    if newer := schema.newer():
        yield Finding("schema", ERROR, newer, "install the newer release")
    elif older := schema.older():
        yield Finding("schema", ERROR, older, "run manage.py migrate")


def _clock() -> Iterator[Finding]:
    advice = "synchronise the clock, for instance with timedatectl set-ntp true"
    ahead = clock_ahead()
    if abs(ahead) > CLOCK_SECONDS:
        text = f"this machine's clock is {ahead:+.0f} s from the database's"
        yield Finding("clock", ERROR, text, advice)
    for worker, seconds in Heartbeat.objects.alive().values_list("worker", "clock_ahead"):
        if abs(seconds or 0) > CLOCK_SECONDS:
            yield Finding("clock", ERROR, f"the clock of worker {worker} is {seconds:+.0f} s off", advice)


def _workers() -> Iterator[Finding]:
    if (problem := health.worker()) != OK:
        yield Finding("workers", WARNING, problem, "start one: manage.py serve, or celery -A clfsite worker")


def _site() -> Iterator[Finding]:
    if foreign := site.foreign_folder():
        yield Finding("site", ERROR, foreign, "two sites must not share a state folder")


def _backup() -> Iterator[Finding]:
    last = Chore.objects.filter(name=backup.NAME).values_list("finished_at", flat=True).first()
    if last is None:
        text = "no backup was made with manage.py backup"
    elif timezone.now() - last > LATE_BACKUP:
        text = f"the last backup is of {last:%Y-%m-%d %H:%M} UTC"
    else:
        return
    yield Finding(
        "backup", WARNING, text, "run manage.py backup DIR daily, or save database and files otherwise"
    )


def _model() -> Iterator[Finding]:
    if not Activation.objects.exists():
        yield Finding(
            "model", WARNING, "no version is active, so /predict answers 503", "train one and activate it"
        )


def _keys() -> Iterator[Finding]:
    now = timezone.now()
    soon = ApiKey.objects.filter(revoked_at=None, expires_at__gt=now, expires_at__lte=now + EXPIRY)
    for row in soon.order_by("expires_at"):
        yield Finding(
            "keys",
            WARNING,
            f"the key of {row.name} expires on {row.expires_at:%Y-%m-%d}",
            "create another one for its caller: manage.py createkey",
        )
