"""A machine from nothing, as the documentation says: installed, upgraded and rolled back under load, its key rotated.

The commands are those of the pages. The machine is made of folders, and what needs root is replaced: `sudo` drops the user, and
`systemctl` starts what the unit says. Packages are not installed again.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg2
import pytest
from django.db.migrations.loader import MigrationLoader

from tests.functional.faults.conftest import example_of
from tests.functional.faults.ledger import Ledger
from tests.functional.faults.load import Load, kept_ledger
from tests.support import servers, services
from tests.support.pages import blocks, commands
from tests.support.site import DEMO_ROWS, KEY, PASSWORD, ROOT, Site, free_port

pytestmark = [pytest.mark.site, pytest.mark.fault, pytest.mark.timeout(600)]

NAME = "clfsite_test_machine"
RELEASE = ("clfsite", "data", "docker", "docs", "predictions", "static", "templates", "training", "manage.py")
NOTHING = ("apt-get", "chown", "useradd")
STUBS = {
    "sudo": '[ "$1" = -u ] && shift 2\nexec "$@"\n',
    "install": 'for last; do :; done\nmkdir -p "$last"\n',
    "systemctl": """
for word; do case $word in clfsite@*) instance=${word#clfsite@};; esac; done
case "$*" in start\\ clfsite@*|*--now\\ clfsite@*) ;; *) exit 0;; esac
cd "$MACHINE/srv/$instance"
command=$(sed -n "s#/srv/clfsite/%i#$MACHINE/srv/$instance#g; s/^ExecStart=//p" "$MACHINE/units/clfsite@.service")
setsid $command > "$MACHINE/$instance.log" 2>&1 &
echo $! > "$MACHINE/$instance.pid"
for _ in $(seq 600); do
  grep -q "^clfsite is served" "$MACHINE/$instance.log" && exit 0
  kill -0 $! || break
  sleep 0.2
done
cat "$MACHINE/$instance.log" >&2
exit 1
""",
}


@dataclass
class Machine:
    """Folders that stand for those of a machine."""

    folder: Path
    environ: dict[str, str]

    @property
    def places(self) -> dict[str, str]:
        return {
            "/srv/clfsite": str(self.folder / "srv"),
            "/var/lib/clfsite": str(self.folder / "state"),
            "/etc/systemd/system": str(self.folder / "units"),
        }

    def run(self, page: str, title: str, *, lines: str = "", **words: str) -> None:
        """Run the commands below a heading of a page, each block in a shell of its own that begins in the checkout.

        Args:
            lines: what the commands read from the terminal.
            words: placeholders of the page and what stands for them here.
        """
        scripts = list(self._scripts(page, title))
        assert scripts, title
        for script in scripts:
            text = script
            for place, here in {**self.places, **words}.items():
                text = text.replace(place, here)
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text],
                cwd=self.folder / "checkout",
                env=self.environ,
                input=lines,
                capture_output=True,
                text=True,
                check=False,
                start_new_session=True,
            )
            assert done.returncode == 0, f"{title}\n{done.stdout}\n{done.stderr}"

    def manage(self, release: str, *arguments: str, **environ: str) -> None:
        command = [".venv/bin/python", "manage.py", *arguments]
        folder = self.folder / "srv" / release
        done = subprocess.run(
            command, cwd=folder, env={**self.environ, **environ}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def pid(self, release: str) -> int:
        return int((self.folder / f"{release}.pid").read_text())

    def stop(self) -> None:
        for file in self.folder.glob("*.pid"):
            with suppress(ProcessLookupError):
                os.kill(int(file.read_text()), signal.SIGTERM)
        time.sleep(3)

    def _scripts(self, page: str, title: str) -> Iterator[str]:
        """The commands of each console block below a heading, without the installation of packages."""
        path = ROOT / "docs" / page
        headings = [
            (number, line.strip("# "))
            for number, line in enumerate(path.read_text().splitlines(), 1)
            if line.startswith("#")
        ]
        begin = next(number for number, heading in headings if heading == title)
        end = min((number for number, _ in headings if number > begin), default=sys.maxsize)
        for block in blocks(path):
            if block.language == "console" and begin < block.line < end:
                yield "\n".join(_here(command) for command in commands(block))


def _here(command: str) -> str:
    if "-m venv" in command:
        return f"ln -s {sys.prefix} .venv"
    if "install.py" in command:
        return "true"
    return re.sub(r"\bclfsite\b", NAME, command) if "sudo -u postgres" in command else command


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    if "postgresql" in services.missing() or not shutil.which("createdb"):
        pytest.skip("needs PostgreSQL and createdb")
    for name in ("bin", "srv", "units"):
        (tmp_path / name).mkdir()
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in RELEASE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, checkout / name)
    for name, text in {**STUBS, **dict.fromkeys(NOTHING, "exit 0\n")}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}")
        (tmp_path / "bin" / name).chmod(0o755)
    server = services.postgresql_settings("postgres")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CLFSITE_") and name not in {"DATABASE_URL", "CELERY_BROKER_URL", "SECRET_KEY"}
    }
    environ = {
        **kept,
        "PATH": f"{tmp_path / 'bin'}:{kept['PATH']}",
        "MACHINE": str(tmp_path),
        "PGHOST": server["host"],
        "PGPORT": str(server.get("port", 5432)),
        "PGUSER": server["user"],
        "PGPASSWORD": server.get("password", ""),
    }
    machine = Machine(tmp_path, environ)
    drop()
    try:
        yield machine
    finally:
        machine.stop()
        drop()


def url() -> str:
    """The database that the pages tell to create."""
    return services.DATABASE_URL.rsplit("/", 1)[0] + f"/{NAME}"


def drop() -> None:
    """Remove the role and the database that the pages tell to create."""
    connection = psycopg2.connect(services.DATABASE_URL)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        cursor.execute(f"DROP ROLE IF EXISTS {NAME}")
    connection.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with kept_ledger(tmp_path / "ledger.jsonl") as kept:
        yield kept


def test_no_call_fails_from_installation_to_rollback(machine: Machine, ledger: Ledger) -> None:
    with servers.redis_server(machine.folder) as queue:
        port = free_port()
        settings = settings_of_page(machine, queue.url, port)
        # the settings follow the copy of the release on the page
        (machine.folder / "checkout" / ".env").write_text(settings)
        (machine.folder / "state").mkdir()
        machine.run("deployment.md", "Without containers")
        table = machine.folder / "churn.csv"
        rows = (ROOT / "data" / "churn.csv").read_text().splitlines(keepends=True)
        table.write_text("".join(rows[: DEMO_ROWS + 1]))
        machine.manage(
            "v1",
            *("setup_demo", "--table", str(table), "--estimator", "logistic_regression"),
            DEMO_API_KEY=KEY,
            DEMO_PASSWORD=PASSWORD,
        )
        (machine.folder / "checkout" / ".env").unlink()
        last = MigrationLoader(None).graph.leaf_nodes("predictions")[0][1]
        new_migration(machine.folder / "checkout", last)
        site = Site(machine.folder / "state", port=port)
        first = machine.pid("v1")
        with closing(logged_in(site)) as browser, Load(port, example_of(site), ledger, callers=2) as load:
            load.wait_for_answers(50, 120)
            machine.run("operations.md", "Upgrade")
            assert is_over(first)
            load.wait_for_answers(50, 120)
            with closing(psycopg2.connect(url())) as database:
                database.cursor().execute("SELECT * FROM shown_by_a_test")
            second = machine.pid("v2")
            machine.run("operations.md", "Roll back", **{"APP NAME": f"predictions {last}"})
            assert is_over(second)
            load.wait_for_answers(50, 120)
            lines = "another-Pass-9\nanother-Pass-9\n"
            machine.run("operations.md", "Rotate keys and passwords", lines=lines, grace="demo")
            # another password ends the sessions
            assert browser.get("/portal/").url.path == "/accounts/login/"
        assert load.refused() == []
        print(f"{len(load.calls)} calls from upgrade to rollback, none refused")
        text = (machine.folder / "srv" / "v1" / ".env").read_text()
        old = (machine.folder / "state" / "secret_key").read_text().strip()
        assert f"\nSECRET_KEY_FALLBACKS={old}\n" in text
        assert re.search(r"^SECRET_KEY=(?!" + re.escape(old) + r")\w{64}$", text, re.MULTILINE)


def settings_of_page(machine: Machine, queue: str, port: int) -> str:
    """The .env of the page, for this machine and plain HTTP."""
    text = next(
        block.text
        for block in blocks(ROOT / "docs" / "deployment.md")
        if block.language == "ini" and "CLFSITE_STATE_DIR=" in block.text
    )
    here = {
        "DATABASE_URL": url(),
        "CELERY_BROKER_URL": queue,
        "CLFSITE_STATE_DIR": str(machine.folder / "state"),
        "ALLOWED_HOSTS": "127.0.0.1",
        "CLFSITE_HTTPS": "false",
    }
    names = dict(line.split("=", 1) for line in text.splitlines())
    assert set(here) <= set(names)
    lines = [f"{name}={value}" for name, value in {**names, **here, "PORT": str(port)}.items()]
    return "\n".join(lines) + "\n"


def new_migration(release: Path, after: str) -> None:
    """Let a release have a migration that the one before does not have."""
    text = f'''
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("predictions", "{after}")]
    operations = [migrations.RunSQL("CREATE TABLE shown_by_a_test (id integer)", "DROP TABLE shown_by_a_test")]
'''
    (release / "predictions" / "migrations" / "9999_shown_by_a_test.py").write_text(text)


def logged_in(site: Site) -> httpx.Client:
    browser = httpx.Client(base_url=site.url, timeout=30, trust_env=False, follow_redirects=True)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get("/accounts/login/").text)
    assert token
    values = {"username": "demo", "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
    assert browser.post("/accounts/login/", data=values).url.path == "/portal/"
    return browser


def is_over(pid: int) -> bool:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.2)
    return False
