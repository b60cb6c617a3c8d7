"""Every command of the documentation is run, or it is one of the few that this machine cannot run.

A block marked `sh` or `python` is run as it stands, except that a training gets seconds instead of minutes, in the order of
its page, against one site. A block marked `console`, with prompts, shows what needs Docker, root or a service elsewhere; of
those the files that they name have to exist and the options of `manage.py` have to be there.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandError

from tests.support import services
from tests.support.pages import PAGES, Block, blocks, commands
from tests.support.site import KEY, ROOT, Site

RUN = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-W", "ignore", "-c"]}
# minutes of a training, and those that it gets here: what it finds in them is not what a page shows
BUDGET = re.compile(r"(?<=--max-minutes )\d+")
SHORTER = "0.02"
# such a block runs in the environment of the clients
OF_A_CLIENT = re.compile(r"^from (mlflow|tritonclient|kserve)\b", re.MULTILINE)
# what is set or shown, and not run
SHOWN = {"ini", "json", "yaml", "text", ""}
ALL = [block for page in PAGES for block in blocks(page)]
CONSOLE = [block for block in ALL if block.language == "console"]
RUNNABLE = [page for page in PAGES if any(block.language in RUN for block in blocks(page))]
# the only commands that may stand in a console block, each with why it cannot be run in a test
CANNOT = {
    "apt-get": "root",
    "aws": "an account at Amazon",
    "cd": "goes before one of the others",
    "chown": "root",
    "createdb": "root; test_machine.py runs it",
    "createuser": "likewise",
    "celery": "runs until it is ended",
    "dask": "a cluster",
    "docker": "Docker",
    "export": "goes before one of the others",
    "for": "writes Docker's .env",
    "git": "the repository's own server",
    "cp": "root",
    "make": "makes an environment, tests or measures for minutes",
    "manage.py": "runs until it is ended, or asks at a terminal",
    "install": "root",
    "install.py": "fills an environment",
    "ln": "root",
    "python3": "makes an environment",
    "mv": "root",
    "nginx": "root; test_proxies.py runs it",
    "pg_dump": "PostgreSQL; tests/functional/test_backup.py runs it where that is",
    "pg_restore": "likewise",
    "printf": "goes with sed",
    "rm": "root",
    "sed": "root",
    "systemctl": "root",
    "tar": "goes with pg_dump",
    "useradd": "root",
}
LASTING = {"serve", "createsuperuser", "migrate", "collectstatic"}
# PostgreSQL; tests/functional/test_backup.py runs them where that is
LASTING |= {"backup", "restore", "verify"}
# a machine with systemd; test_machine.py runs them on one made of folders
LASTING |= {"doctor", "changepassword"}


@pytest.fixture(scope="module")
def customers() -> bytes:
    """The table that the pages speak of."""
    random, rows = np.random.default_rng(0), 240
    tenure = random.integers(1, 72, rows)
    spend = random.normal(60, 20, rows).round(2)
    table = pd.DataFrame(
        {
            "id": np.arange(1_000, 1_000 + rows),
            "zip": [f"0{number}" for number in random.integers(1_000, 1_012, rows)],
            "tenure": tenure,
            "spend": spend,
            "plan": random.choice(["basic", "plus"], rows),
            "note": random.choice(["called", "wrote", "came by"], rows),
            "churned": np.where(spend - tenure + random.normal(0, 20, rows) > 25, "yes", "no"),
        }
    )
    return table.to_csv(index=False).encode()


@pytest.fixture
def folder(tmp_path: Path, customers: bytes) -> Path:
    """A folder like the repository's, with the table in it."""
    for name in ("manage.py", "data", "docker", "requirements.txt"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "customers.csv").write_bytes(customers)
    return tmp_path


def test_every_block_says_what_it_is() -> None:
    unknown = [str(block) for block in ALL if block.language not in {*RUN, *SHOWN, "console"}]
    assert not unknown


@pytest.mark.site
@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.name)
def test_every_command_of_a_page_runs_in_its_order(page: Path, site: Site, folder: Path) -> None:
    environ = {
        **site.environ,
        "SITE": site.url,
        "KEY": KEY,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "COLUMNS": "100",
        # as for Python in the folder of the repository
        "PYTHONPATH": str(ROOT),
    }
    skipped = []
    for block in blocks(page):
        if block.language not in RUN:
            continue
        program, *options = RUN[block.language]
        if OF_A_CLIENT.search(block.text):
            program = str(services.CLIENTS_PYTHON)
            if "clients" in services.missing():
                skipped.append(str(block))
                continue
        done = subprocess.run(
            [program, *options, BUDGET.sub(SHORTER, block.text)],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{block}\n{block.text}\n{done.stdout}\n{done.stderr}"
    if skipped:
        pytest.skip(f"clients: {services.missing()['clients']}; not run: {', '.join(skipped)}")


@pytest.mark.parametrize("block", CONSOLE, ids=str)
def test_what_is_only_shown_cannot_be_run_here_and_is_right_as_far_as_that_can_be_told(block: Block) -> None:
    result = list(commands(block))
    assert result, f"{block} has no prompt"
    for command in result:
        name, words = _program(command)
        assert name in CANNOT, f"{block}: {command!r} could be run: mark the block `sh`"
        if name == "manage.py":
            assert words[0] in LASTING, f"{block}: {command!r} could be run: mark the block `sh`"
        _check_management(command)
        _check_files(command)
        if name == "make":
            targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
            assert set(words) <= targets


def _program(command: str) -> tuple[str, list[str]]:
    """The program that a command starts, without variables and interpreter before it, and its words."""
    words = shlex.split(command.splitlines()[0], comments=True)
    while re.match(r"\A[A-Z_]+=", words[0]) or words[0] == "sudo" or Path(words[0]).name == "python":
        # the user follows the option -u
        words = words[3:] if words[:2] == ["sudo", "-u"] else words[1:]
    return Path(words[0]).name, words[1:]


def _check_management(command: str) -> None:
    """Parse the options of every manage.py in a command."""
    for call in re.findall(r"manage\.py ([^|>\n]*)", command):
        name, *arguments = shlex.split(call, comments=True)
        assert name in get_commands(), f"there is no manage.py {name}"
        loaded = load_command_class(get_commands()[name], name)
        assert isinstance(loaded, BaseCommand)
        try:
            loaded.create_parser("manage.py", name).parse_args(arguments)
        except CommandError as error:
            pytest.fail(f"manage.py {call}: {error}")


def _check_files(command: str) -> None:
    """See that the files of the repository that a command names are there."""
    for path in re.findall(r"\b((?:docker|docs|data|requirements|tools)[\w./-]*\.[a-z]+)\b", command):
        assert (ROOT / path).exists() or path.startswith("docker.io"), path
