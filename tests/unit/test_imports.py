"""Who may import whom: the contracts in pyproject.toml, and a core that needs neither Django nor a database."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "training" / "ml").rglob("[a-z]*.py")
)
# Optuna looks for redis, so that the contracts alone say that the core does not
FOREIGN = {"django", "celery", "kombu", "wandb", "rest_framework", "predictions", "clfsite"}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_import_rules_hold() -> None:
    done = run(str(Path(sys.executable).with_name("lint-imports")), "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_core_imports_nothing_of_the_site() -> None:
    listing = f"import sys, {', '.join(CORE)}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = run(sys.executable, "-c", listing)
    assert done.returncode == 0, done.stderr
    result = set(done.stdout.split())
    assert {"training", "sklearn"} <= result
    assert not FOREIGN & result


def test_the_pictures_of_the_pages_can_be_asked_for() -> None:
    """They import the tour before Django is set up, as nothing else does."""
    done = run(sys.executable, "-m", "tests.screenshots", "--help")
    assert done.returncode == 0, done.stderr
