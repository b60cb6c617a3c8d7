"""`make audit` tells a known fault from a question that nobody answered."""

from pathlib import Path

import pytest

from tests.ops import audit

FOUND = '{"dependencies": [{"name": "django", "version": "5.2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["5.2.1"]}]}]}'
NONE = '{"dependencies": [{"name": "django", "version": "5.2", "vulns": []}]}'


def program(folder: Path, script: str) -> Path:
    """A program in the place of pip-audit."""
    path = folder / "pip-audit"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_packages_without_known_faults_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main(program(tmp_path, f"echo '{NONE}'")) == 0
    assert capsys.readouterr().out == "1 packages asked about at pypi.org, 0 known faults\n"


def test_a_known_fault_names_the_release_that_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.main(program(tmp_path, f"echo '{FOUND}'; exit 1")) == 1
    assert "django 5.2: PYSEC-1, mended in 5.2.1" in capsys.readouterr().out


def test_the_second_service_is_asked_where_the_first_does_not_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = f'case "$*" in *osv*) echo \'{FOUND}\'; exit 1;; *) echo "no route" >&2; exit 1;; esac'
    assert audit.main(program(tmp_path, script)) == 1
    assert "asked about at api.osv.dev" in capsys.readouterr().out


def test_no_answer_is_no_good_answer_and_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.main(program(tmp_path, "echo 'no route to host' >&2; exit 1")) == 2
    text = capsys.readouterr().out
    assert "Nothing was found out" in text
    assert "pypi.org: no route to host" in text
    assert "can be reached" in text
