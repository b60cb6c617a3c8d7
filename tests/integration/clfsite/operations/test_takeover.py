"""A database from before the migrations were squashed: it is taken over without a loss, or refused and left as it is."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from clfsite.operations.backup import MANIFEST, create_backup
from predictions.batches.models import Batch
from predictions.log.writing import group_commit
from predictions.models import ApiKey, Feedback, Prediction
from tests.support.factories import tiny, trained_version
from training.models import Activation, Classifier, Dataset, Run, Version

# a migration makes transactions of its own
pytestmark = [pytest.mark.dialect, pytest.mark.django_db(transaction=True)]

DUMPS = Path(__file__).parents[3] / "support" / "old_site"
# what the callers of the old site sent
KEY, REVOKED, EXPIRED = (
    "clf_an-old-key-that-goes-on-working",
    "clf_revoked-key-of-the-old-shop",
    "clf_expired-key-of-the-trial",
)
PASSWORD = "old-password-9-of-boss"
# Django adds rows to these for new tables, and migrations for new roles
GROWING = {
    *("django_migrations", "django_content_type", "auth_permission"),
    *("auth_group", "auth_group_permissions"),
}
LISTS = (
    "predictions:home",
    "predictions:prediction-list",
    "predictions:batch-list",
    "predictions:feedback-list",
    "predictions:key-list",
    "predictions:analytics",
    "training:dataset-list",
    "training:run-list",
    "training:version-list",
)

Columns = dict[str, list[str]]
Contents = dict[str, list[str]]


def use(name: str) -> None:
    """Let this and every new thread work with another database."""
    connection.close()
    connection.settings_dict["NAME"] = name


@pytest.fixture
def fresh_schema(transactional_db: None) -> set[str]:
    """What this release makes of an empty database."""
    return schema()


@pytest.fixture
def old_site(transactional_db: None, fresh_schema: set[str], tmp_path: Path) -> Iterator[Columns]:
    """The old site's database in place of the usual one; gives its tables and columns."""
    dump = (DUMPS / f"{connection.vendor}.sql").read_text()
    usual = connection.settings_dict["NAME"]
    old = f"{usual}_old" if connection.vendor == "postgresql" else str(tmp_path / "old.sqlite3")
    if connection.vendor == "postgresql":
        # an interrupted session leaves it behind
        execute(f'DROP DATABASE IF EXISTS "{old}" WITH (FORCE)')
        execute(f'CREATE DATABASE "{old}"')
        use(old)
        execute(dump)
    else:
        # a connection of Django's would hold it to foreign keys before all tables are there
        with closing(sqlite3.connect(old)) as empty:
            empty.executescript(dump)
        use(old)
    yield columns()
    group_commit.log.stop()
    use(usual)
    if connection.vendor == "postgresql":
        execute(f'DROP DATABASE "{old}" WITH (FORCE)')


def execute(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def columns() -> Columns:
    """The columns of each table."""
    with connection.cursor() as cursor:
        read = connection.introspection.get_table_description
        names = connection.introspection.table_names(cursor)
        return {table: [column.name for column in read(cursor, table)] for table in names}


def contents(tables: Columns) -> Contents:
    """Each row of these tables, by these columns."""
    found = {}
    for table, names in tables.items():
        selected = ", ".join(map(connection.ops.quote_name, names))
        rows = execute(f"SELECT {selected} FROM {table}")  # noqa: S608  names of our own tables
        plain = ([bytes(item) if isinstance(item, memoryview) else item for item in row] for row in rows)
        found[table] = sorted(map(repr, plain))
    return found


def schema() -> set[str]:
    """Every column, constraint and index, in the words of the database and in no order."""
    if connection.vendor == "postgresql":
        rows = [
            *execute(
                "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default, "
                "is_identity FROM information_schema.columns WHERE table_schema = 'public'"
            ),
            *execute("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"),
            *execute(
                "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
                "WHERE connamespace = 'public'::regnamespace"
            ),
        ]
        # a check that was dumped has its casts and parentheses in other places
        return {re.sub(r"::(text|character varying)(\[\])?|[()]", "", repr(row)) for row in rows}
    found = set()
    for kind, table, statement in execute(
        "SELECT type, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    ):
        if kind == "index":
            found.add(statement)
        else:
            found |= {f"{table}: {part}" for part in parts(statement[statement.index("(") + 1 : -1])}
    return found


def parts(text: str) -> set[str]:
    """Split at the commas that stand in no parentheses."""
    depth, pieces = 0, [""]
    for piece in re.split(r"([(),])", text):
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if piece == "," and not depth:
            pieces.append("")
        else:
            pieces[-1] += piece
    return {piece.strip() for piece in pieces}


def caller(key: str) -> Client:
    return Client(headers={"authorization": f"Bearer {key}"})


def test_an_old_database_is_taken_over_without_a_loss(
    fresh_schema: set[str], old_site: Columns, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    # the one table that goes: workers say every few seconds that they are alive
    kept = {table: names for table, names in old_site.items() if table != "training_heartbeat"}
    before = contents(kept)
    call_command("migrate", verbosity=0)
    after = contents(kept)
    for table, rows in before.items():
        if table in GROWING:
            assert set(rows) <= set(after[table]), table
        else:
            assert after[table] == rows, table
    assert schema() == fresh_schema

    counts = [
        (Prediction, 10),
        (Feedback, 4),
        (Version, 3),
        (Activation, 3),
        (Run, 6),
        (Dataset, 1),
        (Batch, 3),
        (ApiKey, 3),
        (User, 5),
    ]
    assert [(model, model._default_manager.count()) for model, _ in counts] == counts
    activation = Classifier.objects.get(name="members").activation
    assert activation is not None
    assert (activation.number, activation.version.number, activation.actor) == (3, 1, "boss")
    truths = Feedback.objects.filter(superseded_at=None).order_by("pk")
    assert [truth.label for truth in truths] == ["no", "yes", "yes"]
    assert "never seen — ünïcode 'quoted'" in {row.features["plan"] for row in Prediction.objects.all()}
    roles = User.objects.filter(groups__isnull=False).values_list("username", "groups__name").order_by("pk")
    assert list(roles) == [
        ("lena", "viewer"),
        ("anton", "analyst"),
        ("tilda", "trainer"),
        ("paul", "approver"),
    ]
    assert User.objects.get(username="tilda").has_perm("training.add_run")
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    assert User.objects.get(username="boss").check_password(PASSWORD)

    whole = contents(columns())
    capsys.readouterr()
    call_command("migrate")
    assert "No migrations to apply" in capsys.readouterr().out
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
    assert (contents(columns()), schema()) == (whole, fresh_schema)


def test_a_site_that_was_taken_over_goes_on(old_site: Columns) -> None:
    call_command("migrate", verbosity=0)
    for key in (REVOKED, EXPIRED):
        assert caller(key).get("/api/predictions").status_code == 401
    shop = caller(KEY)
    assert len(shop.get("/api/predictions").json()["results"]) == 10

    version = trained_version(classifier="members", activate=True)
    assert (version.number, version.run.pk) == (4, 7)
    body = {"features": tiny().contract.example}
    answer = shop.post("/predict", body, content_type="application/json")
    assert answer.status_code == 200, answer.content
    assert Prediction.objects.get(pk=answer.json()["prediction_id"]).version == version
    unjudged = Prediction.objects.filter(version__number=1, feedback=None).first()
    assert unjudged is not None
    address = f"/api/predictions/{unjudged.pk}/feedback"
    truth = shop.post(address, {"label": "yes"}, content_type="application/json")
    assert truth.status_code == 201, truth.content

    boss = Client()
    boss.force_login(User.objects.get(username="boss"))
    pages = [reverse(name) for name in LISTS]
    pages += [reverse("predictions:prediction-detail", args=[row.pk]) for row in Prediction.objects.all()]
    for name, model in (("batch", Batch), ("dataset", Dataset), ("run", Run), ("version", Version)):
        space = "predictions" if model is Batch else "training"
        rows = model._default_manager.values_list("pk", flat=True)
        pages += [reverse(f"{space}:{name}-detail", args=[pk]) for pk in rows]
    assert {page: boss.get(page).status_code for page in pages} == dict.fromkeys(pages, 200)


def test_a_backup_is_made_before_the_takeover(old_site: Columns, tmp_path: Path) -> None:
    made = create_backup(tmp_path / "backups", keep=None, note=lambda _line: None)
    rows = json.loads((made / MANIFEST).read_text())["rows"]
    assert (rows["predictions_prediction"], rows["predictions_apikey"], rows["auth_user"]) == (10, 3, 5)


@pytest.mark.parametrize(
    ("app", "last", "first_gone", "last_gone"),
    [
        ("training", "0004_run_corrections_and_dataset_warnings", "0005_heartbeat", "0007_history_of_means"),
        ("predictions", "0012_batch_jobs", "0013_log_as_text", "0013_log_as_text"),
    ],
)
def test_an_older_database_is_refused_and_left_as_it_is(
    old_site: Columns, app: str, last: str, first_gone: str, last_gone: str
) -> None:
    MigrationRecorder.Migration.objects.filter(app=app, name__gt=last).delete()
    before = (contents(old_site), schema())
    with pytest.raises(CommandError) as refusal:
        call_command("migrate")
    assert f"{app} stands at {last}, and {first_gone} to {last_gone} are not part of" in str(refusal.value)
    assert "Nothing was changed" in str(refusal.value)
    assert "commit 1a18ba8" in str(refusal.value)
    assert (contents(columns()), schema()) == before
