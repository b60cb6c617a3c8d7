"""docs/api.md: what it tells to run is run, in its order."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.site import KEY, ROOT, Site

pytestmark = pytest.mark.site

PAGE = (ROOT / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-W", "ignore", "-c"]}


def test_every_command_of_the_page_runs(site: Site, tmp_path: Path) -> None:
    assert {language for language, _ in BLOCKS} == set(COMMANDS)
    environ = {**os.environ, "SITE": site.url, "KEY": KEY, "MLFLOW_DISABLE_TELEMETRY": "true"}
    for language, text in BLOCKS:
        done = subprocess.run(
            [*COMMANDS[language], text],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        assert done.stdout
