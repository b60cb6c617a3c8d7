"""Install a file of pinned requirements with uv, which takes seconds, or with pip if uv fails.

    .venv/bin/python tools/install.py requirements.txt
    .venv/bin/python tools/install.py requirements-clients.txt --into .venv-clients

uv itself is installed first, from requirements-uv.txt, into the environment of the current Python. Each file has the
hashes of its packages, so it does not matter from which index a package comes.
"""

import argparse
import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).with_name("uv")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
# uv does not read pip's settings, so they are passed on: pip's name, uv's variable, and the separator of its values
SETTINGS = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "proxy": ("ALL_PROXY", " "),
}
# if one of these is set, uv has its own configuration, and pip's indexes are not passed on
UV_INDEXES = {"UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_CONFIG_FILE"}


def main(requirements: Path, environment: Path, uv: Path = UV) -> int:
    """Install the requirements into an environment and return the exit status."""
    python = str(environment / "bin" / "python")
    options = ["install", "--quiet", "--require-hashes", "--requirement", str(requirements)]
    if has_uv(uv):
        settings = uv_environment(os.environ, pip_settings())
        done = subprocess.run([str(uv), "pip", *options, "--python", python], env=settings, check=False)
        if done.returncode == 0:
            return 0
        print(f"uv could not install {requirements}; trying pip, which is slower", flush=True)
    return subprocess.run([*PIP, "--python", python, *options], check=False).returncode


def has_uv(uv: Path) -> bool:
    """Install the pinned uv for this Python if it is missing; return False if it does not run."""
    pinned = ROOT / "requirements-uv.txt"
    try:
        done = subprocess.run([uv, "--version"], capture_output=True, text=True, check=True)
        if f"uv=={done.stdout.split()[1]} " in pinned.read_text():
            return True
    except (OSError, subprocess.CalledProcessError):
        pass
    subprocess.run([*PIP, "install", "-qq", "--require-hashes", "--requirement", str(pinned)], check=False)
    try:
        return subprocess.run([uv, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def pip_settings() -> dict[str, list[str]]:
    """Return pip's settings by name. The section `install` overrides `global`, and variables override both."""
    done = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=False)
    settings: dict[str, list[str]] = {}
    for section in ("global", "install", ":env:"):
        for line in done.stdout.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(f"{section}."):
                settings[name.removeprefix(f"{section}.")] = ast.literal_eval(value).split()
    return settings


def uv_environment(environment: Mapping[str, str], settings: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the environment for uv: the current variables, and pip's settings for those that are not set."""
    given = {
        variable: separator.join(settings[name])
        for name, (variable, separator) in SETTINGS.items()
        if name in settings
    }
    if UV_INDEXES & environment.keys():
        given = {name: value for name, value in given.items() if name not in {"UV_DEFAULT_INDEX", "UV_INDEX"}}
    # pip takes the best release of all indexes, but uv by default only looks at the first one with the package
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", **given, **environment}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Install a file of pinned requirements, with uv where it runs."
    )
    parser.add_argument("requirements", type=Path)
    parser.add_argument("--into", type=Path, default=Path(sys.prefix), help="another virtual environment")
    arguments = parser.parse_args()
    raise SystemExit(main(arguments.requirements, arguments.into))
