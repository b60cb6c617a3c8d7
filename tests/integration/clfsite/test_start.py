"""What a start loads: commands and a web process without a model leave the heavy libraries alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# what trains, scores, draws, tracks and queues; each takes a tenth of a second to seconds
HEAVY = {
    *("sklearn", "sklearnex", "daal4py", "scipy", "pandas", "joblib", "optuna", "onnx", "onnxruntime"),
    *("plotly", "matplotlib", "typst", "wandb", "dask", "distributed", "celery", "kombu", "boto3"),
}
# writes the packages that a program has loaded at its end to a file, its first argument
LISTED = """
import atexit, json, pathlib, runpy, sys

listing = pathlib.Path(sys.argv.pop(1))
atexit.register(lambda: listing.write_text(json.dumps(sorted({name.partition(".")[0] for name in sys.modules}))))
"""
MANAGE = f"{LISTED}\nsys.argv[0] = 'manage.py'\nrunpy.run_path('manage.py', run_name='__main__')"
WEB = f"""{LISTED}
from tests.support.rsgi import ask

for path in ("/accounts/login/", "/portal/", "/docs/", "/health/live", "/health/ready", "/info"):
    print(path, ask(path).status)
"""


def run(program: str, state: Path, *arguments: str) -> tuple[str, set[str]]:
    """Run a program in a fresh interpreter on a state folder; return what it printed and the packages it loaded."""
    listing = state / "listing.json"
    outside = {key: value for key, value in os.environ.items() if not key.startswith(("DATABASE", "CELERY"))}
    done = subprocess.run(
        [sys.executable, "-c", program, str(listing), *arguments],
        cwd=ROOT,
        env={**outside, "CLFSITE_STATE_DIR": str(state), "DJANGO_SETTINGS_MODULE": "clfsite.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, set(json.loads(listing.read_text()))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of a site without a model."""
    folder = tmp_path_factory.mktemp("state")
    _, loaded = run(MANAGE, folder, "migrate", "--verbosity", "0")
    assert "django" in loaded
    assert not HEAVY & loaded
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["migrate", "--help"],
        ["migrate", "--check"],
        ["check"],
        ["createkey", "a-key", "--scope", "read"],
        ["createstaff", "anna", "--role", "trainer"],
        ["serve", "--help"],
        ["setup_demo", "--help"],
    ],
    ids=" ".join,
)
def test_command_loads_no_library_that_it_does_not_need(command: list[str], state: Path) -> None:
    printed, loaded = run(MANAGE, state, *command)
    assert printed or command == ["migrate", "--check"]
    assert "django" in loaded
    assert not HEAVY & loaded
    # which the pages load, and only the check looks at these
    assert ("uritemplate" in loaded) == (command == ["check"])


def test_web_process_without_a_model_answers_and_loads_no_heavy_library(state: Path) -> None:
    printed, loaded = run(WEB, state)
    assert [line.split(maxsplit=1) for line in printed.splitlines()] == [
        ["/accounts/login/", "200"],
        ["/portal/", "302"],
        ["/docs/", "200"],
        ["/health/live", "200"],
        ["/health/ready", "503"],
        ["/info", "401"],
    ]
    assert {"django", "rest_framework"} <= loaded
    assert not HEAVY & loaded
