"""`tools/install.py`: uv where it runs, pip where it does not, both from the index that pip is configured with."""

import base64
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools import install

NAME = "clfsite_example"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A package index in a folder, with one package."""
    folder = tmp_path / "index" / NAME.replace("_", "-")
    folder.mkdir(parents=True)
    wheel = folder / f"{NAME}-1.0-py3-none-any.whl"
    files = {
        f"{NAME}.py": b"",
        f"{NAME}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n".encode(),
        f"{NAME}-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={urlsafe(data)},{len(data)}\n" for name, data in files.items())
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr(f"{NAME}-1.0.dist-info/RECORD", f"{record}{NAME}-1.0.dist-info/RECORD,,\n")
    (folder / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    return folder.parent


def urlsafe(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


@pytest.fixture
def requirements(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that pins the package; the index is named in pip's configuration alone."""
    wheel = next(index.rglob("*.whl"))
    path = tmp_path / "requirements.txt"
    path.write_text(f"{NAME}==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    config = tmp_path / "pip.conf"
    config.write_text(f"[global]\nindex-url = {index.as_uri()}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    for name in install.UV_INDEXES | {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"}:
        monkeypatch.delenv(name, raising=False)
    return path


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


def installed(environment: Path) -> bool:
    command = [str(environment / "bin" / "python"), "-c", f"import {NAME}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_uv_takes_packages_from_the_index_that_pip_is_configured_with(
    requirements: Path, environment: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert install.main(requirements, environment) == 0
    assert installed(environment)
    assert "trying pip" not in capfd.readouterr().out


def test_pip_installs_where_uv_cannot(
    requirements: Path, environment: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "uv"
    version = subprocess.check_output([install.UV, "--version"], text=True).strip()
    broken.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{version}" || exit 2\n')
    broken.chmod(0o755)
    assert install.main(requirements, environment, broken) == 0
    assert installed(environment)
    assert "uv could not install" in capfd.readouterr().out


def test_a_package_with_another_hash_is_not_installed(requirements: Path, environment: Path) -> None:
    requirements.write_text(f"{NAME}==1.0 --hash=sha256:{'0' * 64}\n")
    assert install.main(requirements, environment) != 0
    assert not installed(environment)


def test_pip_settings_reach_uv_under_its_own_names() -> None:
    settings = {
        "index-url": ["https://a/simple"],
        "extra-index-url": ["https://b", "https://c"],
        "timeout": ["9"],
    }
    assert install.uv_environment({"HOME": "/"}, settings) == {
        "HOME": "/",
        "UV_DEFAULT_INDEX": "https://a/simple",
        "UV_INDEX": "https://b https://c",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


@pytest.mark.parametrize("variable", sorted(install.UV_INDEXES))
def test_indexes_that_uv_was_given_are_not_replaced(variable: str) -> None:
    settings = {"index-url": ["https://a/simple"], "extra-index-url": ["https://b"], "cert": ["/ca.pem"]}
    result = install.uv_environment({variable: "mine"}, settings)
    assert result == {variable: "mine", "SSL_CERT_FILE": "/ca.pem", "UV_INDEX_STRATEGY": "unsafe-best-match"}


def test_a_variable_of_pip_goes_before_its_files(requirements: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://variable/simple")
    assert install.pip_settings()["index-url"] == ["https://variable/simple"]
