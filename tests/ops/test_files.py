"""Compose file, blueprint, workflows and settings: that they name the same things, pin them, and keep secrets out."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.urls import resolve

from clfsite.env import declared
from clfsite.help import FOLDER
from tests.ops.wheels import FILES, PYTHONS
from tests.support.site import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yml").read_text())
BLUEPRINT = yaml.safe_load((ROOT / "render.yaml").read_text())
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
OURS = ("migrate", "web", "worker")
# a version down to the last number, or a digest
PINNED = re.compile(r"(:v?\d+\.\d+(\.\d+)?(-[a-z0-9]+)*|@sha256:[0-9a-f]{64})$")


def known() -> set[str]:
    """Every variable that the site reads."""
    return {setting.name for setting in declared()}


def test_compose_sets_variables_that_the_site_reads() -> None:
    for name in OURS:
        assert set(COMPOSE["services"][name]["environment"]) <= known(), name


def test_the_image_has_every_folder_that_the_site_reads() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    named = {line.removeprefix("!") for line in lines if line.startswith("!")}
    static = [entry[1] if isinstance(entry, tuple) else entry for entry in settings.STATICFILES_DIRS]
    templates: Any = settings.TEMPLATES[0]
    read = [FOLDER, *static, *templates["DIRS"]]
    assert {Path(path).relative_to(ROOT).parts[0] for path in read} <= named


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_service_is_pinned_watched_and_closed_outside(name: str) -> None:
    service = COMPOSE["services"][name]
    if name in OURS:
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    else:
        assert PINNED.search(service["image"]), service["image"]
        assert service["healthcheck"]["test"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")


def test_no_secret_stands_in_the_compose_file() -> None:
    for service in COMPOSE["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|TOKEN|_KEY", name) and value is not None:
                assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]*\}", value), name


def test_prometheus_asks_the_services_of_the_compose_file() -> None:
    jobs = yaml.safe_load((ROOT / "docker" / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    targets = [target for job in jobs for result in job["static_configs"] for target in result["targets"]]
    worker = COMPOSE["services"]["worker"]["environment"]
    assert targets == ["web:8000", f"worker:{worker['CLFSITE_WORKER_METRICS_PORT']}"]
    # the site answers to the name that Prometheus asks for
    assert "web" in COMPOSE["services"]["web"]["environment"]["ALLOWED_HOSTS"].split(",")


def variables(service: dict[str, Any]) -> set[str]:
    groups = {group["name"]: group for group in BLUEPRINT["envVarGroups"]}
    result = set()
    for entry in service.get("envVars", []):
        inner = groups[entry["fromGroup"]]["envVars"] if "fromGroup" in entry else [entry]
        result |= {item["key"] for item in inner}
    return result


def test_the_blueprint_sets_variables_that_the_site_reads_and_refers_to_what_is_there() -> None:
    services = {service["name"]: service for service in BLUEPRINT["services"]}
    for service in services.values():
        assert variables(service) <= known()
        for entry in service.get("envVars", []):
            if source := entry.get("fromService"):
                assert services[source["name"]]["type"] == source["type"]
                assert source.get("property") or source["envVarKey"] in variables(services[source["name"]])


def test_the_blueprint_runs_what_the_compose_file_runs() -> None:
    services = {service["type"]: service for service in BLUEPRINT["services"]}
    assert services["worker"]["dockerCommand"].split() == COMPOSE["services"]["worker"]["command"]
    assert services["web"]["preDeployCommand"].split() == COMPOSE["services"]["migrate"]["command"]
    assert resolve(services["web"]["healthCheckPath"]).view_name == "health-live"
    for kind in ("web", "worker"):
        assert (ROOT / services[kind]["dockerfilePath"]).is_file()
    # a key in the worker that is not that of the web server would make every session of one a stranger to the other
    assert {"SECRET_KEY", "DATABASE_URL", "CLFSITE_STORAGE_URL"} <= variables(services["worker"])
    assert "DATABASE_DIRECT_URL" in variables(services["web"])


def steps() -> Iterator[tuple[Path, str]]:
    for path in WORKFLOWS:
        for line in path.read_text().splitlines():
            if "uses:" in line:
                yield path, line.strip()


@pytest.mark.parametrize(("path", "line"), [pytest.param(*step, id=step[1][:60]) for step in steps()])
def test_an_action_is_pinned_by_its_hash_and_says_which_version_that_is(path: Path, line: str) -> None:
    assert re.search(r"(@[0-9a-f]{40}|@sha256:[0-9a-f]{64}) # v?\d+\.\d+\.\d+$", line), path


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_only_and_ends_in_time(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 30, name
        assert job.get("permissions", {}) == {}, name
    images = {
        service["image"] for job in workflow["jobs"].values() for service in job.get("services", {}).values()
    }
    assert images <= {service.get("image") for service in COMPOSE["services"].values()}


def test_the_image_starts_from_a_version_and_runs_as_nobody() -> None:
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text()
    result = re.search(r"^ARG PYTHON=python:(\d\.\d+)\.\d+-slim-trixie$", dockerfile, re.MULTILINE)
    assert result
    assert result[1] in PYTHONS
    assert re.findall(r"^USER (.+)$", dockerfile, re.MULTILINE) == ["10001:10001"]
    assert "HEALTHCHECK" in dockerfile


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements*.txt")), ids=lambda path: path.stem)
def test_every_package_is_pinned_with_its_hashes(path: Path) -> None:
    text = path.read_text().replace("\\\n", " ")
    packages = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    loose = [
        line for line in packages if not re.match(r"[\w.\[\]-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)
    ]
    assert packages
    assert not loose


def test_every_file_of_pinned_packages_is_looked_up_for_other_platforms() -> None:
    assert {path.name for path in ROOT.glob("requirements*.txt")} == set(FILES)


def test_the_full_tests_run_on_every_python_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    minors = [int(python.removeprefix("3.")) for python in PYTHONS]
    assert project["requires-python"] == f">=3.{min(minors)},<3.{max(minors) + 1}"
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    for name, job in jobs.items():
        if any(step.get("run", "").startswith("make test") for step in job["steps"]):
            assert job["strategy"]["matrix"]["python"] == list(PYTHONS), name
            # the runner has Pythons of its own that `make` would find
            assert job["env"]["PYTHON"] == "python${{ matrix.python }}", name
