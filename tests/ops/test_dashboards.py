"""The dashboards by themselves: whole, alike, and without two panels in one place."""

import re
from pathlib import Path

import pytest
import yaml

from tests.ops import dashboards
from tests.support.site import ROOT

PROVISIONING = ROOT / "docker" / "grafana" / "provisioning"
WIDTH = 24


def test_there_is_one_for_each_question_and_each_has_a_name_of_its_own() -> None:
    boards = {path.stem: dashboards.load(path) for path in dashboards.paths()}
    assert set(boards) == {"service", "predictions", "models", "training"}
    assert {board["uid"] for board in boards.values()} == {f"clfsite-{name}" for name in boards}


@pytest.mark.parametrize("path", dashboards.paths(), ids=lambda path: path.stem)
def test_every_panel_says_what_it_shows_and_in_what_unit(path: Path) -> None:
    board = dashboards.load(path)
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in dashboards.panels(board):
        assert panel["title"], panel["id"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        if len(panel["targets"]) > 1 or panel["type"] == "timeseries":
            assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]


@pytest.mark.parametrize("path", dashboards.paths(), ids=lambda path: path.stem)
def test_panels_fill_their_rows_and_do_not_overlap(path: Path) -> None:
    taken: dict[tuple[int, int], str] = {}
    rows: dict[int, int] = {}
    for panel in dashboards.load(path)["panels"]:
        place = panel["gridPos"]
        rows[place["y"]] = rows.get(place["y"], 0) + place["w"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert x < WIDTH, panel["title"]
                assert (x, y) not in taken, (panel["title"], taken.get((x, y)))
                taken[x, y] = panel["title"]
    assert set(rows.values()) == {WIDTH}


def test_every_panel_and_variable_asks_the_provisioned_source() -> None:
    source = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    asked = {
        result
        for path in dashboards.paths()
        for result in re.findall(r'"uid": "(prometheus)"', path.read_text())
    }
    assert asked == {source["uid"]}


def test_grafana_finds_its_dashboards_and_its_source_where_it_is_told_to_look() -> None:
    services = yaml.safe_load((ROOT / "docker" / "compose.yml").read_text())["services"]
    mounted = dict(volume.split(":")[1::-1] for volume in services["grafana"]["volumes"])
    assert mounted["/etc/grafana/provisioning"] == "./grafana/provisioning"
    provider = yaml.safe_load((PROVISIONING / "dashboards" / "clfsite.yml").read_text())["providers"][0]
    folder = ROOT / "docker" / mounted[provider["options"]["path"]]
    assert sorted(folder.glob("*.json")) == dashboards.paths()
    home = Path(services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    assert (folder / home.name).is_file()
    source = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    name, port = re.fullmatch(r"http://(\w+):(\d+)", source["url"]).groups()  # type: ignore[union-attr]
    assert services[name]["ports"][0].endswith(f":{port}")
    # what Grafana takes for the least time between two scrapes
    interval = yaml.safe_load((ROOT / "docker" / "prometheus" / "prometheus.yml").read_text())["global"]
    assert source["jsonData"]["timeInterval"] == interval["scrape_interval"]


def test_a_gauge_of_the_database_is_never_summed_over_web_servers() -> None:
    told_by_each = r"clfsite_(runs|batches|workers|versions|datasets|database_up|active|held_out|live|judged|moved|shift|estimated)"
    for query in dashboards.queries():
        for operator in re.findall(
            rf"(\w+)(?: by \([^)]*\))? \(?(?:delta\()?{told_by_each}", query.expression
        ):
            assert operator[0] in {"max", "min"}, query
