"""Whether every pinned package has a wheel for a platform: `python -m tests.ops.wheels aarch64-apple-darwin`.

Nothing is installed: uv resolves each file of requirements as on that platform, for each Python that the site runs on,
and takes wheels only.
"""

import os
import subprocess
import sys
import tempfile

from tests.support.site import ROOT
from tools import install

# as uv calls them, with the name that people know
PLATFORMS = {
    "x86_64-manylinux_2_28": "Linux on x86-64",
    "aarch64-manylinux_2_28": "Linux on arm64",
    "aarch64-apple-darwin": "macOS on arm64",
    "x86_64-apple-darwin": "macOS on Intel",
}
PYTHONS = ("3.11", "3.12", "3.13")
FILES = ("requirements.txt", "requirements-dev.txt", "requirements-clients.txt", "requirements-uv.txt")
MACOS = "14.0"


def command(platform: str, python: str, name: str, empty: str) -> list[str]:
    """What to run.

    Args:
        empty: a folder without packages. Those of this environment would count as installed otherwise.
    """
    where = [
        "--target",
        empty,
        "--python",
        sys.executable,
        "--python-platform",
        platform,
        "--python-version",
        python,
    ]
    wheels = ["--dry-run", "--only-binary", ":all:", "--require-hashes", "--requirement", str(ROOT / name)]
    return [str(install.UV), "pip", "install", *where, *wheels]


def main(platform: str) -> int:
    """Resolve every file for every Python, print what has no wheel, and return the exit status."""
    environment = install.uv_environment(os.environ, install.pip_settings())
    environment["MACOSX_DEPLOYMENT_TARGET"] = MACOS
    failed = 0
    with tempfile.TemporaryDirectory() as empty:
        for python in PYTHONS:
            for name in FILES:
                done = subprocess.run(
                    command(platform, python, name, empty),
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if done.returncode:
                    failed += 1
                    print(f"{name}, Python {python}:\n{done.stderr}")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
