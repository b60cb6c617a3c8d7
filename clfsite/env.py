"""All environment variables of the site: declared once, checked at the start, and documented.

`Env` is the declaration. `make settings` writes the table of docs/deployment.md and .env.example from it.
"""

import difflib
import ipaddress
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin
from urllib.parse import SplitResult, parse_qsl, urlsplit

import dj_database_url
import msgspec
from django.core.exceptions import ImproperlyConfigured
from msgspec import Meta

from clfsite.core.storage import database
from clfsite.core.storage.data_sources import VARIABLE, DataSource

BASE_DIR = Path(__file__).resolve().parent.parent
PREFIX = "CLFSITE_"
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
_SIMILAR = 0.7  # from 0 to 1, see difflib
_NEARLY_SAME = 0.85
_FAMILY_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_TOO_FEW_CHARACTERS = 8
_TOO_SHORT = 32
# placeholders of secrets in examples and templates
_PLACEHOLDER = re.compile(
    r"change[-_ ]?(me|it|this)|replace[-_ ]?(me|it|this)|placeholder|your[-_ ]|insecure|<[^>]*>|\.{3}",
    re.IGNORECASE,
)
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?")
_BUCKET_FORM = "s3://bucket/prefix, with ?endpoint_url=https://... and region_name=... if needed"
_DATABASE_FORM = "postgresql://user:password@host:5432/name or sqlite:///file"

# Types: `title` is the expected value in errors, `extra` marks values that errors must not contain
_HIDDEN = {"hidden": True}
Count = Annotated[int, Meta(ge=1, title="a whole number above 0")]
CountOrNone = Annotated[int, Meta(ge=0, title="a whole number, 0 for none")]
Switch = Annotated[bool, Meta(title=f"one of {', '.join(SWITCHES)}")]
Text = Annotated[str, Meta(title="text")]
Hidden = Annotated[str, Meta(title="text", extra=_HIDDEN)]
Origin = Annotated[str, Meta(pattern=r"^https?://([\w.-]+|\[[0-9A-Fa-f:]+\])(:\d{1,5})?$")]
Network = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f:.]+(/\d{1,3})?$")]
Password = Annotated[
    str, Meta(min_length=16, title="at least 16 characters", extra=_HIDDEN | {"random": True})
]
LongPassword = Annotated[
    str, Meta(min_length=32, title="at least 32 characters", extra=_HIDDEN | {"random": True})
]


def _url(*schemes: str) -> Meta:
    """The type of a URL, which may hold a password."""
    known = " or ".join(f"{scheme}://" for scheme in schemes)
    return Meta(pattern=rf"^({'|'.join(schemes)})://", title=f"a URL that begins with {known}", extra=_HIDDEN)


def _about(meaning: str, *, default: str = "", see: str = "") -> Meta:
    """The documentation of a setting: meaning, default if it is not a constant, and a link."""
    return Meta(description=meaning, extra={"default": default, "see": see})


class Bucket(NamedTuple):
    """The bucket for datasets, artifacts and batch files instead of the state folder; boto3 finds the credentials."""

    name: str
    prefix: str
    endpoint_url: str | None
    region_name: str | None


class Env(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the site, named like their variables; an empty variable counts as not set."""

    SECRET_KEY: Annotated[
        LongPassword,
        _about("signs sessions; at least 32 characters", default="created once in the state folder"),
    ] = ""
    SECRET_KEY_FALLBACKS: Annotated[
        tuple[LongPassword, ...],
        Meta(title="earlier keys of at least 32 characters, separated by commas", extra=_HIDDEN),
        _about("earlier values of `SECRET_KEY`, separated by commas: sessions that they signed stay valid"),
    ] = ()
    DATABASE_URL: Annotated[
        str,
        _url("postgresql", "postgres", "sqlite"),
        _about(
            "`postgresql://user:password@host:5432/name` or `sqlite:///file`",
            default="SQLite in the state folder",
        ),
    ] = ""
    DATABASE_DIRECT_URL: Annotated[
        str,
        _url("postgresql", "postgres"),
        _about("database of `manage.py migrate` if `DATABASE_URL` is a pooler", see="render-and-neon"),
    ] = ""
    CELERY_BROKER_URL: Annotated[
        str,
        _url("redis", "rediss", "filesystem"),
        _about("`redis://...`, `rediss://...`, or files in the state folder, on one machine"),
    ] = "filesystem://localhost"
    CLFSITE_STATE_DIR: Annotated[
        Text,
        _about(
            "tables, model artifacts and results; web and worker must share this folder or a bucket",
            default="`var/`",
        ),
    ] = ""
    CLFSITE_STORAGE_URL: Annotated[
        Hidden,
        _about(
            "`s3://bucket/prefix`: storage of tables, artifacts and results",
            default="the state folder",
            see="several-machines",
        ),
    ] = ""
    AWS_ACCESS_KEY_ID: Annotated[
        Hidden, _about("credentials of the bucket, if boto3 finds none elsewhere")
    ] = ""
    AWS_SECRET_ACCESS_KEY: Annotated[Hidden, _about("its password")] = ""
    ALLOWED_HOSTS: Annotated[tuple[str, ...], _about("host names of the site, separated by commas")] = (
        "localhost",
        "127.0.0.1",
        "[::1]",
    )
    CSRF_TRUSTED_ORIGINS: Annotated[
        tuple[str, ...], _about("origins of forms, with scheme, if a proxy terminates HTTPS")
    ] = ()
    CLFSITE_CORS_ORIGINS: Annotated[
        tuple[Origin, ...],
        Meta(title="origins such as https://shop.example.org, without a path or *"),
        _about("origins such as `https://shop.example.org` that may call the API from a browser"),
    ] = ()
    CLFSITE_HTTPS: Annotated[
        Switch, _about("`true` if the site is served over HTTPS: secure cookies, redirect, HSTS")
    ] = False
    CLFSITE_PROXIES: Annotated[
        CountOrNone,
        _about("number of proxies in front that set `X-Forwarded-For` and `X-Forwarded-Proto`"),
    ] = 0
    PORT: Annotated[Count, _about("port of `manage.py serve`, unless `--port` is given")] = 8000
    CLFSITE_KEY_RATE: Annotated[
        CountOrNone, _about("calls per minute of an API key without its own limit; 0: no limit")
    ] = 0
    CLFSITE_WEB_SERVERS: Annotated[
        Count, _about("number of serving machines, which share the rate limit of a key equally")
    ] = 1
    CLFSITE_METRICS_TOKEN: Annotated[
        Password,
        _about(
            "bearer token for `/metrics`; at least 16 characters",
            default="created once, `metrics_token` in the state folder",
        ),
    ] = ""
    CLFSITE_METRICS_OPEN: Annotated[
        Switch,
        _about("`true` allows `/metrics` from this machine without the token; only if no proxy is in front"),
    ] = False
    CLFSITE_WORKER_METRICS_PORT: Annotated[
        CountOrNone,
        _about("port of `/metrics` and `/health/live` of a separate worker; 0: none"),
    ] = 0
    CLFSITE_WORKER_METRICS_HOST: Annotated[
        Text, _about("address of that port; `0.0.0.0` if Prometheus is on another machine")
    ] = "127.0.0.1"
    CLFSITE_BATCH_ROWS: Annotated[Count, _about("maximum rows in one `/predict-batch`")] = 10_000
    CLFSITE_BODY_BYTES: Annotated[Count, _about("maximum request body, except uploads")] = 16 * 1024**2
    CLFSITE_HEADER_SECONDS: Annotated[
        Count,
        _about(
            "how long a caller may take for the headers of a request, and a connection may wait for the next one"
        ),
    ] = 30
    CLFSITE_BODY_SECONDS: Annotated[
        Count, _about("how long a caller may take for the body of a request, and for each part of an upload")
    ] = 60
    CLFSITE_BODIES_PER_ADDRESS: Annotated[
        CountOrNone,
        _about(
            "bodies that one address may be sending to a web process at the same time; 0: no limit. Behind proxies the "
            "address is that of the caller, see `CLFSITE_PROXIES`"
        ),
    ] = 0
    CLFSITE_UPLOAD_BYTES: Annotated[Count, _about("maximum size of an uploaded file")] = 200 * 1024**2
    CLFSITE_SOURCE_: Annotated[
        dict[str, Annotated[str, _url("postgresql", "postgres", "sqlite")]],
        Meta(title=_url("postgresql", "postgres", "sqlite").title, extra=_HIDDEN),
        _about(
            "a database from which datasets are made, called by the name in lower case; a URL as in `DATABASE_URL`",
            see="databases-to-query",
        ),
    ] = {}
    CLFSITE_SOURCE_SECONDS: Annotated[Count, _about("maximum duration of a query to such a database")] = 60
    CLFSITE_SOURCE_ROWS: Annotated[Count, _about("maximum rows of such a query")] = 1_000_000
    CLFSITE_PUBLIC_URL: Annotated[
        Annotated[str, Meta(pattern=r"^https?://([\w.-]+|\[[0-9A-Fa-f:]+\])(:\d{1,5})?$")],
        Meta(title="an origin such as https://clfsite.example.org, without a path"),
        _about("address of the site in messages, such as `https://clfsite.example.org`", see="messages"),
    ] = ""
    CLFSITE_RECEIVER_NETWORKS: Annotated[
        tuple[Network, ...],
        Meta(title="networks such as 10.0.0.0/8 or 127.0.0.1/32, separated by commas"),
        _about(
            "private networks to which messages may be sent, such as `10.0.0.0/8`",
            default="none",
            see="messages",
        ),
    ] = ()
    EMAIL_HOST: Annotated[Text, _about("mail server; without one no e-mail is sent", see="messages")] = ""
    EMAIL_PORT: Annotated[Count, _about("port of the mail server")] = 25
    EMAIL_HOST_USER: Annotated[Text, _about("login at the mail server")] = ""
    EMAIL_HOST_PASSWORD: Annotated[Hidden, _about("its password")] = ""
    EMAIL_USE_TLS: Annotated[Switch, _about("`true` for STARTTLS, usually on port 587")] = False
    EMAIL_USE_SSL: Annotated[Switch, _about("`true` for TLS from the start, usually on port 465")] = False
    DEFAULT_FROM_EMAIL: Annotated[Text, _about("sender of e-mails")] = "clfsite@localhost"
    CLFSITE_LOG_SECONDS: Annotated[
        Count, _about("how long a prediction waits for its commit before the answer is 503")
    ] = 5
    CLFSITE_LOG_ROWS: Annotated[
        Count, _about("maximum predictions waiting for the log in one process before the answer is 503")
    ] = 50_000
    CLFSITE_COMPILED: Annotated[
        Switch,
        _about(
            "`false` leaves forests of a grid and all scoring to scikit-learn, without the site's own faster code",
            see="without-compiled-models",
        ),
    ] = True
    CLFSITE_UNSAFE_DATABASE: Annotated[
        Switch,
        _about("`true` allows a PostgreSQL with `fsync`, `full_page_writes` or `synchronous_commit` off"),
    ] = False
    CLFSITE_DASK_ADDRESS: Annotated[
        str,
        Meta(
            pattern=r"^(tcp|tls)://([\w.-]+|\[[0-9A-Fa-f:]+\]):\d{1,5}$",
            title="tcp://host:port or tls://host:port of a Dask scheduler",
        ),
        _about(
            "`tcp://host:port` of a Dask scheduler: searches run on its cluster",
            see="one-search-on-many-machines",
        ),
    ] = ""
    CLFSITE_WEB_MEMORY_BYTES: Annotated[
        CountOrNone,
        _about(
            "memory limit of a web process: one above it for half a minute finishes its requests and is "
            "replaced; 0: no limit"
        ),
    ] = 1024**3
    CLFSITE_RUN_MINUTES: Annotated[Count, _about("maximum duration of a training run")] = 720
    CLFSITE_RUN_MEMORY_BYTES: Annotated[
        CountOrNone, _about("data memory of each training process; 0: no limit")
    ] = 0
    CLFSITE_KEEP_PREDICTIONS_DAYS: Annotated[
        CountOrNone,
        _about("how long predictions without feedback stay in the log; 0: always", see="retention"),
    ] = 365
    CLFSITE_KEEP_FEEDBACK_DAYS: Annotated[
        CountOrNone, _about("how long predictions with feedback stay at least; 0: always", see="retention")
    ] = 0
    CLFSITE_KEEP_BATCH_FILES_DAYS: Annotated[
        CountOrNone, _about("how long the files of a batch stay after its end; 0: always", see="retention")
    ] = 90
    CLFSITE_KEEP_ARTIFACTS_DAYS: Annotated[
        CountOrNone,
        _about("how long the files of versions stay that were never active; 0: always", see="retention"),
    ] = 180
    CLFSITE_KEEP_WANDB_DAYS: Annotated[
        CountOrNone, _about("how long local folders of Weights & Biases stay; 0: always", see="retention")
    ] = 30
    CLFSITE_KEEP_LOGINS_DAYS: Annotated[
        CountOrNone, _about("how long failed logins stay; 0: always", see="retention")
    ] = 30
    WANDB_MODE: Annotated[
        Literal["", "offline", "online", "disabled"],
        Meta(title="offline, online or disabled"),
        _about("`offline`, `online` or `disabled`", default="`online` with a key, else `disabled`"),
    ] = ""
    WANDB_API_KEY: Annotated[Hidden, _about("key of a Weights & Biases account")] = ""
    CLFSITE_LOG_LEVEL: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        Meta(title="DEBUG, INFO, WARNING, ERROR or CRITICAL"),
        _about("level of the log on standard error"),
    ] = "INFO"
    CLFSITE_LOG_FORMAT: Annotated[
        Literal["", "json", "text"],
        Meta(title="json or text"),
        _about(
            "`json`: a line of JSON for each event and each call; `text`: lines for people",
            default="`text` on a terminal, else `json`",
        ),
    ] = ""
    DEBUG: Annotated[Switch, _about("never `true` if others can reach the site")] = False
    DEMO_PASSWORD: Annotated[
        Hidden, _about("password of the login that `make run` creates", default="random, printed once")
    ] = ""
    DEMO_API_KEY: Annotated[
        Hidden, _about("API key that `make run` creates", default="random, printed once")
    ] = ""

    def __post_init__(self) -> None:
        if self.DEBUG and self.CLFSITE_HTTPS:
            raise ImproperlyConfigured(
                "DEBUG and CLFSITE_HTTPS are both true; expected DEBUG=false if others can reach the site, "
                "because its error pages show the code"
            )
        if self.CLFSITE_METRICS_OPEN and self.CLFSITE_PROXIES:
            raise ImproperlyConfigured(
                "CLFSITE_METRICS_OPEN is true and CLFSITE_PROXIES is above 0; expected only one of the two, "
                "because everyone behind the proxy would see the metrics"
            )
        if self.EMAIL_USE_TLS and self.EMAIL_USE_SSL:
            raise ImproperlyConfigured(
                "EMAIL_USE_TLS and EMAIL_USE_SSL are both true; expected only one of the two"
            )
        for network in self.CLFSITE_RECEIVER_NETWORKS:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise ImproperlyConfigured(
                    f"CLFSITE_RECEIVER_NETWORKS: {error}; expected networks such as 10.0.0.0/8"
                ) from None
        pair = {name: getattr(self, name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        alone = [name for name, value in pair.items() if value]
        if self.CLFSITE_STORAGE_URL and len(alone) == 1:
            raise ImproperlyConfigured(f"{alone[0]} is set alone; expected {' and '.join(pair)}")

    @property
    def state_dir(self) -> Path:
        """The folder of all files of the site."""
        return Path(self.CLFSITE_STATE_DIR or BASE_DIR / "var").resolve()

    @property
    def wandb_mode(self) -> str:
        """Whether runs are tracked at Weights & Biases."""
        return self.WANDB_MODE or ("online" if self.WANDB_API_KEY else "disabled")

    def site(self) -> dict[str, Any]:
        """The site's own settings, to add to Django's."""
        return {
            name: value
            for name, value in msgspec.structs.asdict(self).items()
            if name.startswith(PREFIX) and name != VARIABLE
        }

    def secret_key(self) -> str:
        """The key from the environment, or one created once in a file that only the owner can read."""
        return self.SECRET_KEY or _kept(self.state_dir / "secret_key")

    def metrics_token(self) -> str:
        """The token from the environment, or one created once in a file that a local Prometheus can read."""
        return self.CLFSITE_METRICS_TOKEN or _kept(self.state_dir / "metrics_token")

    def database(self) -> dict[str, Any]:
        """The database connection."""
        return _database("DATABASE_URL", self.DATABASE_URL or f"sqlite:///{self.state_dir / 'db.sqlite3'}")

    def direct_database(self) -> dict[str, Any] | None:
        """The connection of migrations past a pooler; None to use the normal one."""
        return (
            _database("DATABASE_DIRECT_URL", self.DATABASE_DIRECT_URL) if self.DATABASE_DIRECT_URL else None
        )

    def sources(self) -> dict[str, DataSource]:
        """The databases from which datasets are made, by name."""
        return {
            name.lower(): _source(f"{VARIABLE}{name}", name.lower(), url)
            for name, url in self.CLFSITE_SOURCE_.items()
        }

    def bucket(self) -> Bucket | None:
        """The bucket of CLFSITE_STORAGE_URL, None for the state folder."""
        return _bucket(self.CLFSITE_STORAGE_URL) if self.CLFSITE_STORAGE_URL else None


class Setting(NamedTuple):
    """One variable as `Env` declares it."""

    name: str
    hint: Any  # its type without the metadata
    default: Any
    meaning: str
    expected: str
    is_hidden: bool
    is_random: bool
    shown_default: str
    see: str

    @property
    def is_family(self) -> bool:
        """Whether any number of variables begin with its name."""
        return self.name.endswith("_")

    @property
    def title(self) -> str:
        """Its name in documents."""
        return f"{self.name}<NAME>" if self.is_family else self.name


def declared() -> Iterator[Setting]:
    """Yield every setting, in the order of the documents."""
    for field in msgspec.structs.fields(Env):
        hint, *metas = get_args(field.type)
        extra = {name: value for meta in metas for name, value in (meta.extra or {}).items()}
        yield Setting(
            name=field.name,
            hint=Annotated[hint, *metas],
            default="" if field.default is msgspec.NODEFAULT else field.default,
            meaning=next(meta.description for meta in metas if meta.description),
            expected=next((meta.title for meta in metas if meta.title), "text"),
            is_hidden=extra.get("hidden", False),
            is_random=extra.get("random", False),
            shown_default=extra["default"],
            see=extra["see"],
        )


def read() -> Env:
    """Read and check the environment and, if it exists, `.env` in the project's folder.

    Raises:
        ImproperlyConfigured: naming the variable, what was found and what is expected.
    """
    if (BASE_DIR / ".env").exists():
        from dotenv import load_dotenv

        load_dotenv(BASE_DIR / ".env", interpolate=False)
    settings = list(declared())
    _refuse_misspelt(settings)
    known = {setting.name for setting in settings if not setting.is_family}
    values: dict[str, Any] = {
        setting.name: _value(setting, text)
        for setting in settings
        if not setting.is_family and (text := os.environ.get(setting.name, "").strip())
    }
    values |= {setting.name: _members(setting, known) for setting in settings if setting.is_family}
    env = Env(**values)
    env.state_dir.mkdir(parents=True, exist_ok=True)
    if not env.DATABASE_URL:
        _make_private(env.state_dir / "db.sqlite3")
    for check in (env.database, env.direct_database, env.bucket, env.sources):
        check()
    return env


def _make_private(path: Path) -> None:
    """Let only the owner read the database, because it has the rows of callers. SQLite's other files get its mode."""
    with suppress(OSError):  # a folder that cannot be written, which /health/ready reports
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)


def _kept(path: Path) -> str:
    """A secret that is created once in a file that only the owner can read."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if len(secret := path.read_text()) < _TOO_SHORT:
            raise ImproperlyConfigured(
                f"{path} holds no secret, probably because a start was interrupted; delete the file"
            ) from None
        return secret
    with os.fdopen(descriptor, "w") as file:
        file.write(secret := secrets.token_urlsafe(48))
    return secret


def _refuse_misspelt(settings: list[Setting]) -> None:
    """Refuse a misspelled variable, because it would be ignored."""
    known = {setting.name for setting in settings if not setting.is_family}
    families = [setting for setting in settings if setting.is_family]
    ours = {name.removeprefix(PREFIX): name for name in known if name.startswith(PREFIX)}
    for name in sorted(set(os.environ) - known):
        if _is_member(name, families):
            continue
        if name.startswith(PREFIX):
            near = difflib.get_close_matches(name.removeprefix(PREFIX).upper(), ours, n=1, cutoff=_SIMILAR)
            meant = ours[near[0]] if near else _misspelt_family(name, families)
        else:
            # in lower case, or with a mistake in the first part
            whole = difflib.get_close_matches(name.upper(), ours.values(), n=1, cutoff=_NEARLY_SAME)
            meant = whole[0] if whole and name.upper().startswith("CL") else ""
        if meant:
            raise ImproperlyConfigured(f"{name} is not a setting; did you mean {meant}?")


def unknown() -> list[str]:
    """The variables that begin like settings and are none; they have no effect."""
    settings = list(declared())
    families = [setting for setting in settings if setting.is_family]
    names = set(os.environ) - {setting.name for setting in settings}
    return sorted(name for name in names if name.startswith(PREFIX) and not _is_member(name, families))


def _is_member(name: str, families: list[Setting]) -> bool:
    """Return whether a variable belongs to a family. A value that is no URL is rather that of another setting."""
    value = os.environ[name].strip()
    return any(name.startswith(family.name) for family in families) and ("://" in value or not value)


def _misspelt_family(name: str, families: list[Setting]) -> str:
    start, separator, rest = name.removeprefix(PREFIX).partition("_")
    for family in families:
        alike = difflib.SequenceMatcher(None, start, family.name.removeprefix(PREFIX).rstrip("_")).ratio()
        if separator and alike >= _NEARLY_SAME:
            return f"{family.name}{rest}"
    return ""


def _members(family: Setting, known: set[str]) -> dict[str, Any]:
    """The values of a family of variables, by the end of their names."""
    members = {}
    inner = get_args(get_args(family.hint)[0])[1]
    for variable in sorted(set(os.environ) - known):
        if not variable.startswith(family.name) or not (text := os.environ[variable].strip()):
            continue
        name = variable.removeprefix(family.name)
        if not _FAMILY_NAME.fullmatch(name):
            raise ImproperlyConfigured(
                f"{variable} names {name!r}; expected capital letters, digits and underscores, beginning with a letter"
            )
        members[name] = _value(family._replace(name=variable, hint=inner), text)
    return members


def _value(setting: Setting, text: str) -> Any:
    kind = get_args(setting.hint)[0]
    given: Any = text
    if kind is bool:
        given = SWITCHES.get(text.lower(), text)
    elif get_origin(kind) is tuple:
        given = [part.strip() for part in text.split(",") if part.strip()]
    elif get_origin(kind) is Literal:
        given = next((option for option in get_args(kind) if option.lower() == text.lower()), text)
    try:
        value = msgspec.convert(given, setting.hint, strict=False)
    except msgspec.ValidationError:
        # the library's message contains no value, but its chained exception would
        raise ImproperlyConfigured(
            f"{setting.name} {_found(setting, text)}; expected {setting.expected}"
        ) from None
    if setting.is_random:
        _refuse_placeholder(setting.name, text)
    return value


def _found(setting: Setting, text: str) -> str:
    """The part of an error about the value."""
    if not setting.is_hidden:
        return f"is {text!r}"
    scheme, separator, _ = text.partition("://")
    return f"begins with {scheme[:20]!r}" if separator else f"has {len(text)} characters"


def _refuse_placeholder(name: str, secret: str) -> None:
    """Refuse a placeholder as a secret. The message does not contain it, because it may be part of a real one."""
    if match := _PLACEHOLDER.search(secret):
        raise ImproperlyConfigured(
            f"{name} holds {match[0][:20]!r} like an example; expected a random value, "
            "such as the output of: openssl rand -hex 32"
        )
    if len(set(secret)) < _TOO_FEW_CHARACTERS:
        raise ImproperlyConfigured(
            f"{name} has only {len(set(secret))} different characters; expected a random value"
        )


def _database(name: str, value: str) -> dict[str, Any]:
    """The connection of a database URL. Errors do not contain the URL, because it has the password."""
    try:
        config: dict[str, Any] = {**dj_database_url.parse(value)}
    except ValueError:
        raise ImproperlyConfigured(f"{name} is not a URL; expected {_DATABASE_FORM}") from None
    if match := _PLACEHOLDER.search(config.get("PASSWORD") or ""):
        raise ImproperlyConfigured(f"{name} has {match[0][:20]!r} in its password; expected the real one")
    if config["ENGINE"].endswith("sqlite3"):
        # WAL allows readers beside the writer; FULL makes a commit survive a power cut; IMMEDIATE takes
        # the write lock at BEGIN, without which concurrent read-then-write transactions fail as "locked".
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
        return config
    # poolers in transaction mode (Neon's, pgbouncer) do not support server-side cursors or sessions
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


def _source(variable: str, name: str, url: str) -> DataSource:
    """A database to query. Errors do not contain the URL, because it has the password."""
    try:
        config: dict[str, Any] = {**dj_database_url.parse(url)}
    except ValueError:
        raise ImproperlyConfigured(f"{variable} is not a URL; expected {_DATABASE_FORM}") from None
    if match := _PLACEHOLDER.search(config.get("PASSWORD") or ""):
        raise ImproperlyConfigured(f"{variable} has {match[0][:20]!r} in its password; expected the real one")
    if not config["ENGINE"].endswith("sqlite3"):
        return DataSource(name, "postgresql", config)
    if config["NAME"] in {"", ":memory:"}:
        raise ImproperlyConfigured(f"{variable} names no file; expected sqlite:///file")
    return DataSource(name, "sqlite", {**config, "NAME": str(Path(config["NAME"]).resolve())})


def _bucket(value: str) -> Bucket:
    """The bucket of a URL. Errors do not contain the URL, because it may have a secret in the wrong place."""
    try:
        url = urlsplit(value)
    except ValueError:
        raise ImproperlyConfigured(f"CLFSITE_STORAGE_URL is not a URL; expected {_BUCKET_FORM}") from None
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    endpoint = options.get("endpoint_url")
    if "@" in url.netloc or (endpoint and "@" in endpoint):
        raise ImproperlyConfigured(
            "CLFSITE_STORAGE_URL holds a login; expected credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if error := _bucket_error(url, options):
        raise ImproperlyConfigured(f"CLFSITE_STORAGE_URL {error}; expected {_BUCKET_FORM}")
    return Bucket(url.netloc, url.path.strip("/"), endpoint, options.get("region_name"))


def _bucket_error(url: SplitResult, options: dict[str, str]) -> str:
    """The problem of a bucket URL, or an empty string."""
    if url.scheme != "s3":
        return f"begins with {url.scheme!r}"
    if not _BUCKET_NAME.fullmatch(url.netloc):
        return f"names the bucket {url.netloc!r}, which is not a valid bucket name"
    if not _PREFIX.fullmatch(url.path) or url.fragment:
        return "has an invalid prefix; use letters, digits, dots, hyphens and underscores"
    unknown = sorted(set(options) - {"endpoint_url", "region_name"})
    if unknown:
        return f"has the unknown option {unknown[0]}"
    endpoint = options.get("endpoint_url")
    if endpoint is not None and not re.fullmatch(r"https?://[^/?#\s]+/?", endpoint):
        return "has an endpoint_url that is not http://host or https://host"
    if not re.fullmatch(r"[a-z0-9-]+", options.get("region_name", "region")):
        return "has an invalid region_name; use lower-case letters, digits and hyphens"
    return ""
