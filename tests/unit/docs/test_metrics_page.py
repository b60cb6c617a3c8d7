"""docs/metrics.md names every metric and every alert that there is, and none that there is not."""

import re

from tests.support.site import ROOT

PAGE = (ROOT / "docs" / "metrics.md").read_text()
NAME = re.compile(r'f?"(clfsite_(?:[a-z0-9_]|\{name\})+)"')

# columns of files of the site, where a file of a user has such names itself
COLUMNS = {"clfsite_id", "clfsite_prediction_id", "clfsite_probability", "clfsite_truth"}


def made() -> set[str]:
    """The names that the code gives to metrics."""
    sources = [path for app in ("clfsite", "predictions", "training") for path in (ROOT / app).rglob("*.py")]
    result = {name for path in sources for name in NAME.findall(path.read_text())} - COLUMNS
    return {name.replace("{name}", job) for name in result for job in ("runs", "batches")}


def test_the_page_names_every_metric_and_no_other() -> None:
    named = {re.sub(r"_bucket$", "", name) for name in re.findall(r"\bclfsite_[a-z_]+[a-z]\b", PAGE)}
    assert made() == named


def test_the_page_tells_what_to_do_about_every_alert() -> None:
    rules = (ROOT / "docker" / "prometheus" / "rules" / "clfsite.yml").read_text()
    alerts = set(re.findall(r"alert: (\w+)", rules))
    assert alerts
    assert alerts == set(re.findall(r"`([A-Z]\w+[a-z])`", PAGE))
