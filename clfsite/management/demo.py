"""The demo of `make run`: a trained classifier, a staff login and an API key, created once."""

import os
from pathlib import Path

from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from clfsite import env
from predictions.keys import service as keys
from predictions.models import ApiKey
from training.models import Classifier

TABLE = env.BASE_DIR / "data" / "churn.csv"
LOGIN = "demo"
KEY_NAME = "demo"
KEY_SCOPES = ("predict", "read", "feedback")
# a forest of 100 trees is as accurate here as one of 200 and takes half the time
SPACE = {"n_estimators": [100], "max_depth": [8, 16, None], "min_samples_leaf": [1, 4]}


def password() -> str:
    """The password of DEMO_PASSWORD, or an empty string."""
    return os.environ.get("DEMO_PASSWORD", "")


def key() -> str:
    """The API key of DEMO_API_KEY, or an empty string."""
    return os.environ.get("DEMO_API_KEY", "")


def is_migrated() -> bool:
    """Whether all migrations are applied; also False if the database does not answer, because `migrate` waits for it."""
    try:
        executor = MigrationExecutor(connection)
    except OperationalError:
        return False
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def is_trained(table: Path = TABLE) -> bool:
    """Whether a version trained on this table is active."""
    classifier = Classifier.objects.filter(name=table.stem).first()
    return classifier is not None and classifier.activation is not None


def has_login() -> bool:
    """Whether the login exists, with the requested password."""
    user = User.objects.filter(username=LOGIN).first()
    return user is not None and (not password() or user.check_password(password()))


def has_key() -> bool:
    """Whether the API key exists, with the requested value if there is one."""
    return keys.exists(key()) if key() else ApiKey.objects.filter(name=KEY_NAME).exists()


def is_set_up() -> bool:
    """Whether the demo is complete; takes a fraction of a second."""
    return is_migrated() and is_trained() and has_login() and has_key()
