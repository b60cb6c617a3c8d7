"""`tools/find-python`: the newest Python that works, not the first that has a name."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.site import ROOT

HERE = f"python3.{sys.version_info.minor}"
BASE = Path(sys.base_prefix) / "bin" / HERE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The only folder in which commands are looked up, beside those of the system that hold no Python here."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "head", "dirname"):
        (folder / name).symlink_to(Path("/bin") / name if name == "sh" else Path("/usr/bin") / name)
    return folder


def command(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def find(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "tools" / "find-python", *arguments],
        env={"PATH": str(folder), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_shim_with_nothing_behind_it_is_passed_over(folder: Path) -> None:
    for name in {"python3.13", "python3.12", "python3.11"} - {HERE}:
        command(folder, name, f"echo 'pyenv: {name}: command not found' >&2; exit 127")
    (folder / HERE).symlink_to(BASE)
    result = find(folder)
    assert Path(result.stdout.strip()).samefile(BASE), result.stderr


def test_the_newest_that_works_is_taken(folder: Path) -> None:
    for name in ("python3.11", "python3.12", "python3.13"):
        command(folder, name, f"echo /opt/{name}")
    assert find(folder).stdout == "/opt/python3.13\n"


def test_plain_python3_is_taken_when_it_is_one_of_them(folder: Path) -> None:
    (folder / "python3").symlink_to(BASE)
    assert Path(find(folder).stdout.strip()).samefile(BASE)


def test_a_release_that_only_pyenv_keeps_is_found(folder: Path) -> None:
    kept = folder / ".pyenv" / "versions" / "3.99" / "bin"
    kept.mkdir(parents=True)
    (kept / HERE).symlink_to(BASE)
    for arguments in ([], [HERE]):
        assert Path(find(folder, *arguments).stdout.strip()).samefile(BASE)


def test_an_environment_leads_to_the_python_that_it_was_made_with(folder: Path) -> None:
    assert Path(find(folder, sys.executable).stdout.strip()).samefile(BASE)


def test_a_python_without_venv_is_passed_over_and_named_with_what_to_install(folder: Path) -> None:
    # Debian's Python without its package python3-venv
    lacking = "import sys; sys.modules['ensurepip'] = None; exec(sys.argv[1])"
    command(folder, "python3", f'exec {BASE} -c "{lacking}" "$2"')
    result = find(folder)
    assert result.returncode == 1
    assert f"(on Debian and Ubuntu: apt install {HERE}-venv)" in result.stderr


def test_what_was_tried_is_told_where_nothing_works(folder: Path) -> None:
    command(folder, "python3", "exit 3")
    command(folder, "python3.12", "echo 'pyenv: python3.12: command not found' >&2; exit 127")
    result = find(folder)
    assert (result.returncode, result.stdout) == (1, "")
    assert "python3.13: not installed\n" in result.stderr
    assert "python3.12: pyenv: python3.12: command not found\n" in result.stderr
    assert "make PYTHON=/path/to/python3.12" in result.stderr


def test_another_release_than_the_three_is_refused_in_words(folder: Path) -> None:
    older = "import sys; sys.version_info = (3, 10, 1); exec(sys.argv[1])"
    command(folder, "python3.10", f'exec {BASE} -c "{older}" "$2"')
    result = find(folder, "python3.10")
    assert result.returncode == 1
    assert "python3.10: it is Python 3.10\n" in result.stderr
