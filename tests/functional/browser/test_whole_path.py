"""What a member of staff does with the site, in a real browser on the real site."""

import csv
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.functional.browser.conftest import PATIENCE_MS, PHONE, WIDE, Open, shoot
from tests.support.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.site]

ROWS = 200
TRAINING_MS = 240_000
PETALS = 240  # rows
# from the first page of the portal to the accuracy on rows with feedback, the file dialogs among them
CLICKS = 18


@pytest.fixture
def customers(site: Site, tmp_path: Path) -> Path:
    """A file to score: the first rows of the demo table, target and all."""
    lines = (site.state / "churn.csv").read_text().splitlines(keepends=True)
    path = tmp_path / "customers.csv"
    path.write_text("".join(lines[: ROWS + 1]))
    return path


def test_the_whole_path_of_a_person(open_page: Open, customers: Path, tmp_path: Path) -> None:
    page = open_page()
    shoot(page, "home")
    asked = predict(page)
    scored = score_a_file(page, customers, tmp_path / "answers.csv")
    find_in_the_log(page, scored)
    find_in_the_administration(page, asked)
    log_out(page)


def go_to(page: Page, name: str) -> None:
    """Follow an entry of the sidebar."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name=name, exact=True).click()


def predict(page: Page) -> str:
    """Ask for one answer with a value out of range, and return its id."""
    go_to(page, "Predict")
    page.get_by_label("tenure").fill("100")
    page.get_by_label("contract").select_option("One year")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_text("100 is outside the training range")).to_be_visible()
    expect(page.locator(".shares li")).to_have_count(2)
    expect(page.get_by_label("tenure")).to_have_value("100")
    expect(page.get_by_label("contract")).to_have_value("One year")
    shoot(page, "answer")
    page.get_by_role("link", name="Open the record").click()
    expect(page.get_by_role("heading", name="Input")).to_be_visible()
    expect(page.locator(".shares li")).to_have_count(2)
    expect(page.get_by_role("img", name="100 among the values in training")).to_be_visible()
    shoot(page, "prediction")
    return page.url.rsplit("/", 1)[-1]


def score_a_file(page: Page, customers: Path, answers: Path) -> str:
    """Upload a file, watch it being scored, and return the id of its first answer."""
    go_to(page, "Batches")
    page.locator("input[type=file]").set_input_files(customers)
    expect(page.get_by_text("customers.csv (")).to_be_visible()
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_role("heading", name=f"All {ROWS} rows can be scored")).to_be_visible()
    shoot(page, "batch-checked")
    page.get_by_role("button", name=f"Score {ROWS} rows").click()
    download = page.get_by_role("link", name="Download results")
    expect(download).to_be_visible()
    for title in ("Labels", "Probability of Yes"):
        expect(
            page.get_by_role("figure", name=f"Chart: {title}").locator(".bars .point").first
        ).to_be_visible()
    shoot(page, "batch")
    with page.expect_download() as saved:
        download.click()
    saved.value.save_as(answers)
    with answers.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == ROWS
    assert {row["label"] for row in rows} == {"No", "Yes"}
    return rows[0]["prediction_id"]


def find_in_the_log(page: Page, prediction: str) -> None:
    """Page through the log of the batch to its first row."""
    page.get_by_role("link", name="Show in log").click()
    expect(page.locator("tbody tr")).to_have_count(50)
    shoot(page, "predictions")
    for _ in range(ROWS // 50 - 1):
        page.get_by_role("link", name="Older").click()
    page.get_by_role("link", name=f"Prediction {prediction}").click()
    expect(page.get_by_text("customers.csv")).to_be_visible()
    expect(page.get_by_text("row 1 of")).to_be_visible()


def find_in_the_administration(page: Page, prediction: str) -> None:
    """Search the administration's log for an id, and come back."""
    go_to(page, "Administration")
    # the heading of the group of models has the same name
    page.locator(".model-prediction").get_by_role("link", name="Predictions").first.click()
    page.locator("#searchbar").fill(prediction)
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=prediction).click()
    expect(page.get_by_role("heading", name=str(uuid.UUID(prediction)))).to_be_visible()
    shoot(page, "administration")
    page.get_by_role("link", name="View site").click()


def log_out(page: Page) -> None:
    """Log out, and find the portal closed."""
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    page.goto("/portal/")
    expect(page.get_by_text("Please log in to open that page.")).to_be_visible()


@dataclass
class Hand:
    """A person's hand, which counts its clicks; a file chosen or dropped counts as one."""

    page: Page
    clicks: int = 0

    def click(self, target: Locator, timeout: float = PATIENCE_MS) -> None:
        target.click(timeout=timeout)
        self.clicks += 1

    def link(self, name: str, timeout: float = PATIENCE_MS) -> None:
        self.click(self.page.locator("#content, header").get_by_role("link", name=name).first, timeout)

    def button(self, name: str, timeout: float = PATIENCE_MS) -> None:
        self.click(self.page.locator("#content").get_by_role("button", name=name), timeout)

    def file(self, path: Path) -> None:
        self.page.locator("input[type=file]").set_input_files(path)
        self.clicks += 1


def petals(path: Path, seed: int) -> Path:
    """A table that the site has never seen, with two classes that can be told apart."""
    random = np.random.default_rng(seed)
    lines = ["petal_length_mm,colour,garden,kind"]
    for _ in range(PETALS):
        length = random.normal(40, 9)
        kind = "iris" if length + random.normal(0, 4) > 42 else "violet"
        lines.append(
            f"{length:.1f},{random.choice(['blue', 'white'])},{random.choice(['a', 'b', 'c'])},{kind}"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_a_table_becomes_a_classifier_in_use_within_eighteen_clicks(
    size: ViewportSize, open_page: Open, tmp_path: Path
) -> None:
    page = open_page(viewport=size)
    hand = Hand(page)
    table = petals(tmp_path / f"petals-{size['width']}.csv", seed=size["width"])
    hand.link("Train on your own table")
    hand.file(table)
    hand.button("Upload")
    hand.button("Save and train")
    hand.click(page.get_by_label("Quick"))
    expect(page.get_by_text("The run takes at most 1 minute")).to_be_visible()
    hand.button("Start run")
    stop(page)
    hand.link("Review and activate version 1", timeout=TRAINING_MS)
    expect(page.get_by_label("Reason")).not_to_be_empty()
    expect(page.get_by_text("It finds")).to_have_count(2)
    hand.button("Activate")
    expect(page.get_by_text("is now active")).to_be_visible()
    hand.link("Predict")
    hand.button("Predict")
    expect(page.get_by_text("Predicted by version 1")).to_be_visible()
    hand.link("Score a file")
    hand.file(table)
    hand.button("Upload and check")
    hand.button(f"Score {PETALS} rows")
    with page.expect_download() as saved:
        hand.link("Download results")
    results = tmp_path / "results.csv"
    saved.value.save_as(results)
    header, *rows = csv.reader(results.read_text().splitlines())
    truths = tmp_path / "truths.csv"
    kind = header.index("kind")
    truths.write_text(
        "\n".join(
            ",".join([*row, truth]) for row, truth in [(header, "truth"), *((row, row[kind]) for row in rows)]
        )
    )
    hand.link("Upload true labels")
    hand.file(truths)
    hand.button("Check and store")
    expect(page.get_by_text(f"petals-{size['width']} v1").first).to_be_visible()
    shoot(page, f"walk-{size['width']}")
    assert hand.clicks <= CLICKS


def stop(page: Page) -> None:
    """End a search that has found something, as who is in a hurry does; on a busy machine it may be over by itself."""
    over = page.get_by_role("link", name="Review and activate version 1")
    expect(page.get_by_text("so far: 0.").or_(over).first).to_be_visible(timeout=TRAINING_MS)
    button = page.get_by_role("button", name="Stop and keep the best so far")
    expect(button.or_(over).first).to_be_visible()
    if button.is_visible():
        button.click()


def test_an_answer_and_a_batch_need_no_scripts(open_page: Open, customers: Path) -> None:
    page = open_page(java_script_enabled=False)
    page.goto("/portal/predict")
    page.get_by_label("tenure").fill("3")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("link", name="Open the record")).to_be_visible()
    expect(page.locator(".shares li")).to_have_count(2)
    page.goto("/portal/batches")
    page.locator("input[type=file]").set_input_files(customers)
    page.get_by_role("button", name="Upload and check").click()
    score = page.get_by_role("button", name=f"Score {ROWS} rows")
    reload_until(page, score)
    score.click()
    reload_until(page, page.get_by_role("link", name="Download results"))


def reload_until(page: Page, awaited: Locator) -> None:
    """Look again until something is there, as a person without scripts does."""
    for _ in range(40):
        if awaited.is_visible():
            return
        page.wait_for_timeout(500)
        page.reload()
    expect(awaited).to_be_visible()


def test_a_version_is_retrained_and_compared_without_scripts(open_page: Open) -> None:
    page = open_page(java_script_enabled=False)
    page.goto("/portal/versions/1")
    page.get_by_role("button", name="Retrain on the same data").click()
    expect(page.get_by_text("retrains churn v1 on churn v1.")).to_be_visible()
    over = page.get_by_role("link", name="Version ", exact=False).and_(page.locator(".btn"))
    for _ in range(TRAINING_MS // 1_000):
        if over.is_visible():
            break
        page.wait_for_timeout(1_000)
        page.reload()
    newest = over.inner_text().split()[-1]
    page.goto("/portal/versions")
    page.get_by_role("checkbox", name="Compare churn v1", exact=True).check()
    page.get_by_role("button", name="Compare selected").click()
    expect(page.get_by_text("Expected 2 to 6 versions, got 1")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Compare churn v1", exact=True)).to_be_checked()
    page.get_by_role("checkbox", name=f"Compare churn v{newest}", exact=True).check()
    page.get_by_role("button", name="Compare selected").click()
    expect(page.get_by_role("heading", name="Compare versions")).to_be_visible()
    # the same recipe on the same data is the same model
    expect(page.get_by_role("region", name="On held-out rows").get_by_text("±0.000")).to_have_count(5)
    drawn = open_page()
    drawn.goto(page.url)
    expect(drawn.locator(".js-plotly-plot")).to_have_count(6)
    shoot(drawn, "compare")
