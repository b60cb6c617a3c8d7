"""The changelog names the release and migrations that there are."""

import re
import tomllib

from django.conf import settings
from django.db.migrations.loader import MigrationLoader

from clfsite.core import release
from tests.support.site import ROOT

TEXT = (ROOT / "CHANGELOG.md").read_text()
VERSIONS = re.findall(r"^## \[(\S+)\] - \d{4}-\d\d-\d\d$", TEXT, re.MULTILINE)
NEWEST = TEXT.split("\n## ")[1]
# the apps of the site
OWN = {"jobs", "web", "training", "predictions"}


def test_the_newest_release_is_this_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert VERSIONS[0] == release.VERSION == project["version"]
    assert settings.SPECTACULAR_SETTINGS["VERSION"] == release.VERSION


def test_releases_stand_from_new_to_old_and_say_how_to_go_back() -> None:
    numbers = [tuple(map(int, version.split("."))) for version in VERSIONS]
    assert numbers == sorted(set(numbers), reverse=True)
    assert len(VERSIONS) == TEXT.count("\n## ")
    assert "### Migrations" in NEWEST
    assert "### Going back" in NEWEST


def test_the_newest_release_names_the_last_migration_of_every_app() -> None:
    loader = MigrationLoader(None)
    named = re.findall(r"`([a-z_]+)\.(\d{4}_\w+)`", NEWEST)
    assert set(named) <= set(loader.disk_migrations)
    assert {label for label, _ in named} == OWN
    assert {leaf for leaf in loader.graph.leaf_nodes() if leaf[0] in OWN} <= set(named)


def test_every_migration_after_the_first_of_an_app_can_be_taken_back() -> None:
    for (label, name), migration in MigrationLoader(None).disk_migrations.items():
        if label in OWN and not migration.initial:
            assert all(item.reversible for item in migration.operations), f"{label}.{name}"
