"""Django settings. What differs between installations comes from the environment, read in `clfsite.env`."""

from datetime import timedelta

from clfsite import env
from clfsite.core import logs, release
from predictions.serving import addresses

ENV = env.read()
BASE_DIR = env.BASE_DIR
STATE_DIR = ENV.state_dir
BUCKET = ENV.bucket()
# the site's own settings, such as CLFSITE_BATCH_ROWS
globals().update(ENV.site())
CLFSITE_SOURCES = ENV.sources()

SECRET_KEY = ENV.secret_key()
SECRET_KEY_FALLBACKS = ENV.SECRET_KEY_FALLBACKS
DEBUG = ENV.DEBUG
ALLOWED_HOSTS = ENV.ALLOWED_HOSTS
ROOT_URLCONF = "clfsite.urls"
APPEND_SLASH = False
# errors below this prefix are pages; all others are problem documents
PAGES = ("/portal/", "/admin/", "/accounts/", "/help/")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "clfsite.apps.StaticFiles",
    "django.contrib.humanize",
    "django_prometheus",
    "django_htmx",
    "csp",
    "corsheaders",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "training",
    "predictions",
    "clfsite.core.jobs",
    "clfsite.core.web",
    "clfsite",
]

# the middleware is only added if other origins are listed
CORS = ["corsheaders.middleware.CorsMiddleware"] if ENV.CLFSITE_CORS_ORIGINS else []
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "clfsite.core.requests.hosts.answer_probes",
    "clfsite.core.requests.hosts.with_known_host",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    *CORS,
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "clfsite.core.web.actors.name_login",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
    "axes.middleware.AxesMiddleware",
]
# for API calls, see `clfsite.rsgi`; they have their own metrics
SERVING_MIDDLEWARE = [
    *CORS,
    *(["django.middleware.security.SecurityMiddleware"] if ENV.CLFSITE_HTTPS else []),
    "clfsite.core.requests.hosts.with_known_host",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": ENV.database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = "clfsite.formats"
TIME_ZONE = "UTC"
USE_TZ = True

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "predictions:home"
LOGOUT_REDIRECT_URL = "login"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_HANDLER = "clfsite.accounts.logins.LoginHandler"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address"]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_USERNAME_CALLABLE = "clfsite.accounts.logins.name_of"
AXES_CLIENT_IP_CALLABLE = "clfsite.accounts.logins.address_of"
AXES_LOCKOUT_CALLABLE = "clfsite.accounts.logins.locked_out"
# people sometimes type the password into the field of the name
AXES_SENSITIVE_PARAMETERS = ["username", "csrfmiddlewaretoken"]
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False  # see clfsite.admin
AXES_VERBOSE = False
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STATICFILES_DIRS = [
    BASE_DIR / "static",
    # the pictures of the pages under /help/
    ("help", BASE_DIR / "docs" / "images"),
]
# source maps are only for debuggers
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = ["map", "png", "jpg", "gz", "br", "woff", "woff2", "zip"]


def _storage(name: str) -> dict[str, object]:
    """A folder of the state folder, or a prefix of the bucket that several machines share."""
    if BUCKET is None:
        return {
            "BACKEND": "clfsite.core.storage.files.DurableFileSystemStorage",
            "OPTIONS": {"location": STATE_DIR / name},
        }
    return {
        "BACKEND": "clfsite.core.storage.bucket.BucketStorage",
        "OPTIONS": {
            "bucket_name": BUCKET.name,
            "location": f"{BUCKET.prefix}/{name}".lstrip("/"),
            "endpoint_url": BUCKET.endpoint_url,
            "region_name": BUCKET.region_name,
        },
    }


STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": STATE_DIR / "files"},
    },
    "staticfiles": {"BACKEND": "clfsite.core.storage.static_files.StaticFiles"},
    "datasets": _storage("datasets"),
    "artifacts": _storage("artifacts"),
    "batches": _storage("batches"),
}

# Security: one setting switches everything that needs HTTPS, so a local copy works over plain HTTP.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = ENV.CLFSITE_HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if ENV.CLFSITE_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ENV.CLFSITE_HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENV.CLFSITE_PROXIES else None
SECURE_REDIRECT_EXEMPT = [addresses.PROBES]
CSRF_TRUSTED_ORIGINS = ENV.CSRF_TRUSTED_ORIGINS
CORS_ALLOWED_ORIGINS = ENV.CLFSITE_CORS_ORIGINS
# only for calls with a key; pages and sessions are restricted to this origin
CORS_URLS_REGEX = addresses.SHARED
CORS_ALLOW_HEADERS = ("accept", "authorization", "content-type", "idempotency-key", "x-request-id")
CORS_EXPOSE_HEADERS = ("retry-after", "idempotency-replayed", "x-request-id")
CSRF_FAILURE_VIEW = "clfsite.core.web.problems.csrf_failure"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        # Plotly and Bootstrap set style attributes while they draw
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
EMAIL_HOST, EMAIL_PORT = ENV.EMAIL_HOST, ENV.EMAIL_PORT
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = ENV.EMAIL_HOST_USER, ENV.EMAIL_HOST_PASSWORD
EMAIL_USE_TLS, EMAIL_USE_SSL = ENV.EMAIL_USE_TLS, ENV.EMAIL_USE_SSL
DEFAULT_FROM_EMAIL = ENV.DEFAULT_FROM_EMAIL

DATA_UPLOAD_MAX_MEMORY_SIZE = ENV.CLFSITE_BODY_BYTES
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000
FILE_UPLOAD_TEMP_DIR = STATE_DIR / "uploads"
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True)
FILE_UPLOAD_HANDLERS = [
    "clfsite.core.requests.uploads.SizeLimitUploadHandler",
    "clfsite.core.requests.uploads.DiskUploadHandler",
]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "predictions.keys.service.KeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["clfsite.core.api.permissions.DenyByDefault"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["clfsite.core.api.parsers.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "clfsite.core.web.lists.NewestFirst",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "clfsite.core.web.problems.exception_handler",
    # disables ?format=, which no call supports
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "NUM_PROXIES": ENV.CLFSITE_PROXIES,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "clfsite",
    "DESCRIPTION": "Train classifiers, serve and log their predictions, and measure their accuracy with "
    "feedback.",
    "VERSION": release.VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {
        # screen readers cannot reach a link inside a button
        "deepLinking": False,
        # show the calls first; the sixty schemas are collapsed
        "defaultModelsExpandDepth": 0,
    },
    "PREPROCESSING_HOOKS": ["clfsite.openapi.without_optional_slash"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "clfsite.openapi.with_problems",
    ],
    "COMPONENT_SPLIT_REQUEST": True,
    # the groups of calls, in the order of their use
    "TAGS": [
        {"name": "serving", "description": "Predictions, and the active versions."},
        {"name": "predictions", "description": "The log, and true labels."},
        {"name": "batches", "description": "CSV files scored in the background."},
        {"name": "versions", "description": "Versions, activations and metrics."},
        {"name": "alerts", "description": "Alerts, their limits and silences, and receivers of messages."},
        {"name": "runs", "description": "Training jobs."},
        {"name": "datasets", "description": "Tables to train on."},
        {"name": "MLflow", "description": "The API of MLflow's scoring server."},
        {"name": "Open Inference Protocol", "description": "The API of KServe, Triton and others."},
    ],
    "ENUM_NAME_OVERRIDES": {
        "JobStateEnum": "training.models.Run.State",
        "BatchStateEnum": "predictions.batches.models.Batch.State",
        "AlertStateEnum": "predictions.alerts.models.Alert.State",
        "DeliveryStateEnum": "predictions.alerts.models.Delivery.State",
        "ReceiverKindEnum": "predictions.alerts.models.Receiver.Kind",
    },
}

# loaded by workers, and by a process that queues its first job
CLFSITE_CELERY_APP = "clfsite.celery.app"
CELERY_BROKER_URL = ENV.CELERY_BROKER_URL
CELERY_TASK_IGNORE_RESULT = True  # the job's row is the truth; a result backend would only block
CELERY_TASK_SERIALIZER = "json"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_PUBLISH_RETRY = False
if ENV.CELERY_BROKER_URL.startswith("filesystem://"):
    _BROKER_DIR = STATE_DIR / "broker"
    for _name in ("queue", "control"):
        (_BROKER_DIR / _name).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {
        "data_folder_in": str(_BROKER_DIR / "queue"),
        "data_folder_out": str(_BROKER_DIR / "queue"),
        "control_folder": str(_BROKER_DIR / "control"),
    }
else:
    # without the timeouts a frozen Redis blocks a request for good
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    }

CLFSITE_LOG_FORMAT = logs.form(ENV.CLFSITE_LOG_FORMAT)
LOGGING = logs.config(
    CLFSITE_LOG_FORMAT,
    ENV.CLFSITE_LOG_LEVEL,
    {
        "django.request": {"level": "ERROR"},
        # the line of the call has the host and the address
        "django.security.DisallowedHost": {"handlers": [], "propagate": False},
        # log each message; the site logs each job
        "celery": {"level": "WARNING"},
        # would log what is signed and sent
        "botocore": {"level": "INFO"},
        # logs each login
        "axes": {"level": "WARNING"},
        # logs each fit of a search
        "sklearnex": {"level": "WARNING", "propagate": False},
    },
)

# django-prometheus would read the migration state of the database at every start
PROMETHEUS_EXPORT_MIGRATIONS = False

CLFSITE_METRICS_TOKEN = ENV.metrics_token()
CLFSITE_WANDB_MODE = ENV.wandb_mode
