"""What `make run` shows: a trained classifier, a staff login and an API key, made once."""

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
# a forest of 100 trees is as good here as one of 200, and made in half the time
SPACE = {"n_estimators": [100], "max_depth": [8, 16, None], "min_samples_leaf": [1, 4]}


def password() -> str:
    """The password that DEMO_PASSWORD chooses, or an empty string."""
    return os.environ.get("DEMO_PASSWORD", "")


def key() -> str:
    """The API key that DEMO_API_KEY chooses, or an empty string."""
    return os.environ.get("DEMO_API_KEY", "")


def is_migrated() -> bool:
    """Whether every migration was applied; False too where the database does not answer, for which `migrate` waits."""
    try:
        executor = MigrationExecutor(connection)
    except OperationalError:
        return False
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def is_trained(table: Path = TABLE) -> bool:
    """Whether a version made from this table answers."""
    classifier = Classifier.objects.filter(name=table.stem).first()
    return classifier is not None and classifier.activation is not None


def has_login() -> bool:
    """Whether the login is there, with the password that is asked for."""
    user = User.objects.filter(username=LOGIN).first()
    return user is not None and (not password() or user.check_password(password()))


def has_key() -> bool:
    """Whether the API key is there, the one that is asked for where one is."""
    return keys.exists(key()) if key() else ApiKey.objects.filter(name=KEY_NAME).exists()


def is_set_up() -> bool:
    """Whether nothing is left for `manage.py setup_demo` to do; a fraction of a second."""
    return is_migrated() and is_trained() and has_login() and has_key()
