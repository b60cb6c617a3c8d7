"""What a member of staff does with the site, in a real browser on the real site."""

import csv
import re
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.functional.browser.conftest import Open, shoot
from tests.support.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.site]

ROWS = 200
TRAINING_MS = 120_000


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
    train(page)
    activate(page)
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
    page.get_by_label("CSV file").set_input_files(customers)
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


def train(page: Page) -> None:
    """Start a small run from the form, and watch it until its version is there."""
    go_to(page, "Runs")
    page.get_by_role("link", name="New run").click()
    # the demo table, whatever other tests have handed in since
    page.get_by_label("Dataset", exact=True).select_option("1")
    page.get_by_text("Advanced", exact=True).click()
    page.get_by_label("Estimator").select_option("logistic_regression")
    page.get_by_label("Folds").fill("3")
    page.get_by_label("Values to try").fill('{"C": [0.1, 1.0]}')
    page.get_by_label("Seed").fill("5")
    page.get_by_label("Seed").blur()
    expect(page.get_by_label("My own settings")).to_be_checked()
    expect(page.get_by_text("6 models will be fitted")).to_be_visible()
    shoot(page, "new-run-filled")
    page.get_by_role("button", name="Start run").click()
    expect(page.get_by_role("heading", name=re.compile(r"^Run \d+$"))).to_be_visible()
    shoot(page, "run-under-way")
    expect(page.get_by_role("link", name="Version 2")).to_be_visible(timeout=TRAINING_MS)
    expect(page.locator(".chart .heatmaplayer image, .chart .heatmaplayer path").first).to_be_visible()
    expect(page.get_by_role("heading", name="Settings tried")).to_be_visible()
    shoot(page, "run")


def activate(page: Page) -> None:
    """Let the new version answer, and see that it does."""
    page.get_by_role("link", name="Version 2").click()
    page.get_by_label("Reason").fill("a smaller model will do")
    page.get_by_role("button", name="Activate").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("Activate version 2 of churn?")
    question.get_by_role("button", name="Activate").click()
    expect(page.get_by_text("churn v2 is now active.")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="a smaller model will do")).to_be_visible()
    shoot(page, "version")
    go_to(page, "Predict")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_text("Predicted by version 2")).to_be_visible()


def log_out(page: Page) -> None:
    """Log out, and find the portal closed."""
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    page.goto("/portal/")
    expect(page.get_by_text("Please log in to open that page.")).to_be_visible()


def test_an_answer_and_a_batch_need_no_scripts(open_page: Open, customers: Path) -> None:
    page = open_page(java_script_enabled=False)
    page.goto("/portal/predict")
    page.get_by_label("tenure").fill("3")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("link", name="Open the record")).to_be_visible()
    expect(page.locator(".shares li")).to_have_count(2)
    page.goto("/portal/batches")
    page.get_by_label("CSV file").set_input_files(customers)
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
