"""A site has an id: in its database, in its state folder, and in its keys in Redis."""

from pathlib import Path

import pytest
import redis
from celery.signals import worker_init
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from clfsite.celery import SiteCelery
from clfsite.core.jobs import site
from clfsite.core.jobs.models import Site
from tests.support.servers import redis_server
from tests.support.site import free_port

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _folder(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.STATE_DIR.mkdir()
    # the test's own transaction lives on it
    monkeypatch.setattr(connection, "close", lambda: None)


@pytest.fixture
def foreign(settings: Settings) -> None:
    (settings.STATE_DIR / site.FILE).write_text("0123456789abcdef\n")


def test_the_id_is_made_once_and_marks_the_folder(settings: Settings) -> None:
    assert site.claim_folder() == site.claim_folder() == ""
    assert (settings.STATE_DIR / site.FILE).read_text() == f"{site.key()}\n"
    site.key.cache_clear()
    assert site.key() == Site.objects.get().key


@pytest.mark.usefixtures("foreign")
def test_the_folder_of_another_site_is_refused_and_left_alone(settings: Settings) -> None:
    words = "belongs to another site: .* has 0123456789abcdef, the id in the database is"
    for command, options in (
        ("serve", ["--no-worker", "--port", str(free_port())]),
        ("housekeeping", []),
        ("verify", []),
        ("backup", [str(settings.STATE_DIR / "backups")]),
    ):
        with pytest.raises(CommandError, match=words):
            call_command(command, *options)
    with pytest.raises(SystemExit, match=words):
        worker_init.send(sender=None)
    assert [path.name for path in settings.STATE_DIR.iterdir()] == [site.FILE]


def test_a_folder_that_cannot_be_written_is_no_other_sites(settings: Settings) -> None:
    settings.STATE_DIR.rmdir()
    assert site.claim_folder() == ""


def test_keys_in_redis_carry_the_id() -> None:
    app = SiteCelery("test", broker="redis://127.0.0.1:6379/0", set_as_current=False)
    prefix = f"clfsite:{site.key()}:"
    for connect in (app.connection_for_read, app.connection_for_write, app.connection):
        assert (connect().transport_options or {})["global_keyprefix"] == prefix
    in_files = SiteCelery("test", broker="filesystem://localhost", set_as_current=False)
    assert "global_keyprefix" not in (in_files.connection_for_read().transport_options or {})


def test_two_sites_on_one_redis_do_not_take_each_others_messages(tmp_path: Path) -> None:
    def take(app: SiteCelery) -> list[str]:
        taken = []
        with app.connection_for_read() as broker:
            while message := broker.default_channel.basic_get("celery", no_ack=True):
                taken.append(message.headers["task"])
        return taken

    with redis_server(tmp_path) as server, pytest.MonkeyPatch.context() as patch:
        sites = {}
        for name in ("first", "second"):
            patch.setattr(site, "key", lambda name=name: name)
            sites[name] = SiteCelery(name, broker=server.url, set_as_current=False)
            sites[name].send_task(f"task-of-{name}")
        for name, app in sites.items():
            patch.setattr(site, "key", lambda name=name: name)
            assert take(app) == [f"task-of-{name}"]
        with redis.Redis.from_url(server.url) as client:
            keys = client.keys()
    assert keys
    assert all(key.startswith((b"clfsite:first:", b"clfsite:second:")) for key in keys)
