"""`tools/make-environment`: keeps an environment that fits, and replaces one that does not with words."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.site import ROOT


def make(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [ROOT / "tools" / "make-environment", folder, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """An environment whose Python says that it is 3.12.99."""
    folder = tmp_path / "environment"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").write_text("#!/bin/sh\necho 3.12.99\n")
    (folder / "bin" / "python").chmod(0o755)
    (folder / "made").touch()
    (folder / "runs").touch()
    return folder


@pytest.fixture
def quick(tmp_path: Path) -> str:
    """This Python, but for the seconds that it takes to put pip into an environment."""
    path = tmp_path / "quick-python"
    path.write_text(
        f"""#!/bin/sh
case "$1 $2" in
  "-m venv") shift 2; set -- -m venv --without-pip "$@" ;;
  # tools/find-python asks for the path of the base interpreter, which would put pip in
  *_base_executable*) {sys.executable} "$@" > /dev/null && echo "$0"; exit ;;
esac
exec {sys.executable} "$@"
"""
    )
    path.chmod(0o755)
    return str(path)


def test_a_new_environment_has_the_python_that_was_asked_for(tmp_path: Path) -> None:
    text = make(tmp_path / "new", sys.executable)
    assert text == f"Making the virtual environment {tmp_path}/new with Python {platform.python_version()}\n"
    python = tmp_path / "new" / "bin" / "python"
    result = subprocess.check_output(
        [python, "-c", "import platform; print(platform.python_version())"], text=True
    )
    assert result.strip() == platform.python_version()
    made = (tmp_path / "new" / "made").stat().st_mtime_ns
    assert make(tmp_path / "new", sys.executable) == ""
    assert make(tmp_path / "new") == ""
    assert (tmp_path / "new" / "made").stat().st_mtime_ns == made


def test_an_environment_of_another_python_is_replaced_when_one_is_asked_for(other: Path, quick: str) -> None:
    text = make(other, quick)
    here = platform.python_version()
    assert f"it was made with Python 3.12.99, and {quick} is Python {here}\n" in text
    assert f"Making the virtual environment {other} with Python {here}\n" in text
    # what was installed for the other is gone with it
    assert not (other / "runs").exists()


def test_an_environment_of_another_python_stays_when_none_is_asked_for(other: Path) -> None:
    assert make(other) == ""
    assert (other / "runs").exists()


def test_an_environment_whose_python_is_gone_is_replaced(other: Path) -> None:
    (other / "bin" / "python").unlink()
    assert "the Python that it was made with is gone" in make(other)
    assert os.access(other / "bin" / "python", os.X_OK)


def test_an_environment_that_was_not_finished_is_made_again(other: Path, quick: str) -> None:
    (other / "made").unlink()
    assert make(other, quick).startswith("Making")
    assert not (other / "runs").exists()


def test_an_unknown_python_leaves_the_environment_alone(other: Path) -> None:
    done = subprocess.run(
        [ROOT / "tools" / "make-environment", other, "python3.10"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "No Python 3.11, 3.12 or 3.13 that works was found" in done.stderr
    assert (other / "runs").exists()
