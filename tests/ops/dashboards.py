"""Grafana's dashboards as they lie under docker/, and the queries of their panels."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.site import ROOT

FOLDER = ROOT / "docker" / "grafana" / "dashboards"
# what Grafana puts in, for a test that lasts less than a minute
VARIABLES = {"$classifier": ".*", "$__rate_interval": "15s", "$__range": "45s"}


@dataclass(frozen=True)
class Query:
    """One query of a panel in PromQL, its variables filled in."""

    board: str
    panel: str
    expression: str

    def __str__(self) -> str:
        return f"{self.board} / {self.panel}: {self.expression}"


def release() -> str:
    """Which Grafana the compose file starts."""
    compose = yaml.safe_load((ROOT / "docker" / "compose.yml").read_text())
    return str(compose["services"]["grafana"]["image"]).rpartition(":")[2]


def paths() -> list[Path]:
    return sorted(FOLDER.glob("*.json"))


def load(path: Path) -> dict[str, Any]:
    board: dict[str, Any] = json.loads(path.read_text())
    return board


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """The panels that show something."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    """Every query of every panel."""
    for path in paths():
        board = load(path)
        for panel in panels(board):
            for target in panel["targets"]:
                expression = target["expr"]
                for name, value in VARIABLES.items():
                    expression = expression.replace(name, value)
                yield Query(board["title"], panel["title"], expression)
