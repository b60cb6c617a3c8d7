"""The clients that the serving protocols are for, each in the environment of its own that `clients/` is run in."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import services
from tests.support.site import KEY, ROOT, Site, demo_site

pytestmark = pytest.mark.site
CLIENTS = Path(__file__).with_name("clients")
# module of the client, and the tests that use it
MODULES = {
    "mlflow": "test_mlflow.py",
    "tritonclient": "test_triton.py",
    "kserve": "test_kserve.py",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if "clients" in services.missing():
        pytest.skip(f"clients: {services.missing()['clients']}")
    with demo_site(tmp_path_factory.mktemp("site")) as site:
        site.serve()
        yield site


@pytest.mark.parametrize("module", MODULES)
def test_a_client_gets_the_answers_of_predict_batch(site: Site, module: str) -> None:
    python = str(services.CLIENTS_PYTHON)
    if subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode:
        pytest.skip(f"requirements-clients.in has no {module} for this machine")
    command = [python, "-m", "pytest", "-c", str(CLIENTS / "pytest.ini"), "--confcutdir", str(CLIENTS)]
    environment = {
        "PATH": os.environ["PATH"],
        "CLIENTS_PORT": str(site.port),
        "CLIENTS_KEY": KEY,
        "CLIENTS_TABLE": str(site.state / "churn.csv"),
    }
    done = subprocess.run(
        [*command, str(CLIENTS / MODULES[module])],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_file_of_the_clients_is_run() -> None:
    assert {path.name for path in CLIENTS.glob("test_*.py")} == set(MODULES.values())
