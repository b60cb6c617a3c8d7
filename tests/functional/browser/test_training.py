"""From a table full of traps to a retrained version, as a person does it in a real browser."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.functional.browser.conftest import Open, shoot

pytestmark = [pytest.mark.browser, pytest.mark.site]

ROWS = 400
TRAINING_MS = 120_000
# forests that share no fit: longer than it takes to look and cancel
LONG = json.dumps({"n_estimators": [300], "min_samples_leaf": list(range(1, 61))})
SHORT = '{"n_estimators": [5, 10], "max_depth": [2, 4]}'


def write(path: Path, *, rows: int) -> Path:
    """A table with a column for each warning, a class of six rows and a label missing."""
    draw = np.random.default_rng(rows)
    spend, visits = draw.normal(100, 20, rows).round(2), draw.integers(0, 30, rows)
    left = np.where(spend + 2 * visits + draw.normal(0, 10, rows) > 130, "yes", "no").astype(object)
    left[:6], left[6] = "maybe", ""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            ["customer", "spend", "spend_again", "visits", "plan", "country", "fax", "goodbye", "left"]
        )
        for row in range(rows):
            plan = ("basic", "pro", "team")[row % 3]
            gone = {"yes": "sent", "no": "none", "maybe": "asked", "": "none"}[left[row]]
            number, price, count = f"{100_000 + row * 7}", f"{spend[row]}", f"{visits[row]}"
            table.writerow([number, price, price, count, plan, "DE", "", gone, left[row]])
    return path


def upload(page: Page, path: Path) -> None:
    page.goto("/portal/datasets")
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_role("button", name="Upload").click()
    page.get_by_label("Name").fill("leavers")
    page.get_by_label("Target column").select_option("left")
    page.get_by_role("button", name="Save the dataset").click()


def warned(page: Page, column: str, words: str) -> None:
    warnings = page.get_by_role("region", name="Before you train").or_(
        page.locator("section[aria-labelledby=findings-title]")
    )
    row = warnings.first.locator("tbody tr").filter(has=page.get_by_role("cell", name=column, exact=True))
    expect(row.first).to_contain_text(words)


def choose(page: Page, column: str, what: str) -> None:
    """Take a column as something else than was inferred."""
    row = page.locator("section[aria-labelledby=columns-title] tbody tr").filter(
        has=page.get_by_role("cell", name=column, exact=True)
    )
    row.get_by_role("combobox").select_option(label=what)


def start(page: Page, space: str) -> None:
    page.get_by_text("Change column types").click()
    choose(page, "goodbye", "Leave out")
    choose(page, "spend_again", "Leave out")
    choose(page, "visits", "A category")
    page.get_by_text("Advanced", exact=True).click()
    page.get_by_label("Folds").fill("2")
    page.get_by_label("Values to try").fill(space)
    page.get_by_role("button", name="Start run").click()


def test_a_table_full_of_traps_becomes_a_version_and_its_successor(open_page: Open, tmp_path: Path) -> None:
    page = open_page()
    upload(page, write(tmp_path / "leavers.csv", rows=ROWS))
    expect(page.get_by_role("heading", name="leavers v1")).to_be_visible()
    for column, words in {
        "goodbye": "predicts left by itself",
        "spend_again": "same",
        "customer": "identifier",
        "country": "very value is the same",
        "fax": "very value is missing",
        "left": "have no label",
    }.items():
        warned(page, column, words)
    shoot(page, "training-warnings")

    page.get_by_role("link", name="Train on this dataset").click()
    start(page, LONG)
    expect(page.get_by_text("Searching for the best")).to_be_visible(timeout=TRAINING_MS)
    expect(page.get_by_text("so far: 0.")).to_be_visible(timeout=TRAINING_MS)
    shoot(page, "training-under-way")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel run").click()
    expect(page.get_by_role("link", name="Edit and run again")).to_be_visible()
    expect(page.get_by_text("The run was cancelled")).to_be_visible()
    shoot(page, "training-cancelled")

    page.get_by_role("link", name="Edit and run again").click()
    expect(page.get_by_label("Folds")).to_have_value("2")
    page.get_by_label("Values to try").fill(SHORT)
    page.get_by_role("button", name="Start run").click()
    made = page.get_by_role("link", name="Version 1")
    expect(made).to_be_visible(timeout=TRAINING_MS)
    version = str(made.get_attribute("href"))
    board = page.locator("section[aria-labelledby=candidates-title]")
    expect(board.locator("tbody tr")).to_have_count(4)
    expect(page.get_by_text("goodbye: left out")).to_be_visible()
    shoot(page, "training-leaderboard")

    upload(page, write(tmp_path / "more.csv", rows=ROWS + 200))
    expect(page.get_by_role("heading", name="leavers v2")).to_be_visible()
    page.goto(version)
    page.get_by_role("button", name="Retrain on leavers v2").click()
    expect(page.get_by_role("link", name="Version 2")).to_be_visible(timeout=TRAINING_MS)
    page.goto("/portal/versions")
    for number in (1, 2):
        page.get_by_role("checkbox", name=f"Compare leavers v{number}", exact=True).check()
    page.get_by_role("button", name="Compare selected").first.click()
    expect(page.get_by_role("heading", name="Compare versions")).to_be_visible()
    expect(page.get_by_text("not strictly comparable")).to_be_visible()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    shoot(page, "training-compared")
