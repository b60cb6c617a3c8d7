"""Trying values, paging through the log and looking at analytics, in a real browser on the real site."""

import csv
import re

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.functional.browser.conftest import PHONE, WIDE, Open, shoot
from tests.support.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.site]

PAGES = 3
ASKED = 50 * PAGES - 10


@pytest.fixture(scope="module", autouse=True)
def asked(site: Site) -> None:
    """A log of three pages by a caller of this file's own."""
    key = site.manage("createkey", "explorer", "--scope", "predict").strip().splitlines()[-1].split()[-1]
    with site.client(key) as client:
        example = client.get("/info").json()["classifiers"][0]["example"]
        records = [{**example, "tenure": number % 72} for number in range(ASKED)]
        client.post("/predict-batch", json={"records": records}).raise_for_status()


def first_id(page: Page) -> str:
    """The prediction on top of the list."""
    return page.locator("tbody tr").first.get_by_role("link").get_attribute("href") or ""


def test_changing_a_value_moves_the_answer_and_keeps_the_form(open_page: Open) -> None:
    page = open_page()
    page.goto("/portal/predict")
    page.get_by_role("button", name="Predict").click()
    logged = page.get_by_role("link", name="Open the record").get_attribute("href")
    tried = page.locator("#what-if")
    page.get_by_label("contract").select_option("Two year")
    expect(tried.locator(".shares li")).to_have_count(2)
    expect(tried.get_by_text("points)").first).to_be_visible()
    before = tried.locator(".stat-value").inner_text()
    page.get_by_label("tenure").fill("500")
    expect(tried.get_by_text("500 is outside the training range")).to_be_visible()
    expect(tried.locator(".stat-value")).not_to_have_text(before)
    expect(page.get_by_label("contract")).to_have_value("Two year")
    page.get_by_label("tenure").fill("")
    expect(tried.get_by_text("had no missing values in training")).to_be_visible()
    page.get_by_label("tenure").fill("7")
    expect(tried.get_by_text("Not logged")).to_be_visible()
    shoot(page, "what-if")
    page.goto("/portal/predictions?source=form")
    assert first_id(page) == logged, "what was only tried is in the log"


def test_on_a_phone_the_tried_answer_stays_in_sight_and_hides_no_button(open_page: Open) -> None:
    page = open_page(viewport=PHONE)
    page.goto("/portal/predict")
    page.get_by_label("tenure").fill("3")
    expect(page.locator("#what-if .stat-value")).to_be_in_viewport()
    with page.expect_response(lambda response: "what-if" in response.url):
        page.get_by_label("monthly_charges").fill("20")
    expect(page.locator("#what-if .stat-value")).to_be_in_viewport()
    shoot(page, "what-if-phone")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("link", name="Open the record")).to_be_visible()


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_asking_needs_no_scrolling_however_long_the_form(open_page: Open, size: ViewportSize) -> None:
    page = open_page(viewport=size)
    page.goto("/portal/predict")
    button = page.get_by_role("button", name="Predict")
    expect(button).to_be_in_viewport(ratio=1)
    page.get_by_label("tenure").fill("500")
    expect(page.locator("#what-if").get_by_text("500 is outside")).to_be_attached()
    bar, tried = page.locator(".actions-bar").bounding_box(), page.locator("#what-if > .card").bounding_box()
    assert bar
    assert tried
    assert tried["y"] + tried["height"] <= bar["y"] + 1, "the answer hides the button"
    expect(page.get_by_text("The prediction appears here")).to_be_hidden()
    button.click()
    expect(page.get_by_role("link", name="Open the record")).to_be_in_viewport()


def test_without_scripts_values_are_tried_with_a_button(open_page: Open) -> None:
    page = open_page(java_script_enabled=False)
    page.goto("/portal/predict")
    page.get_by_label("tenure").fill("3")
    page.get_by_role("button", name="Try without logging").click()
    expect(page.get_by_text("Not logged. Select Predict")).to_be_visible()
    expect(page.get_by_label("tenure")).to_have_value("3")


def test_the_log_is_paged_in_both_directions_narrowed_and_taken_along(open_page: Open) -> None:
    page = open_page()
    page.goto("/portal/predictions")
    page.get_by_label("Caller").fill("explorer")
    page.get_by_role("button", name="Filter").click()
    tops = [first_id(page)]
    for _ in range(PAGES - 1):
        page.get_by_role("link", name="Older").click()
        expect(page.get_by_role("link", name="Newest")).to_be_visible()
        tops.append(first_id(page))
    expect(page.locator("tbody tr")).to_have_count(ASKED - 50 * (PAGES - 1))
    expect(page.get_by_role("link", name="Older")).to_have_count(0)
    for top in tops[-2::-1]:
        page.get_by_role("link", name="Newer", exact=True).click()
        page.wait_for_url(re.compile("after="))
        expect(page.locator("tbody tr").first.get_by_role("link")).to_have_attribute("href", top)
    shoot(page, "explorer")
    page.get_by_text("Time, probability, batch").click()
    page.get_by_label("Probability to (%)").fill("65")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_label("Probability to (%)")).to_be_visible()
    shares = page.locator("td[data-label=Probability]").all_inner_texts()
    assert shares
    assert all(float(share.split("\u202f")[0]) <= 65 for share in shares)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export").click()
        page.get_by_role("link", name="CSV", exact=True).click()
    with saved.value.path().open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) >= len(shares)
    assert all(line["caller"] == "explorer" and float(line["probability"]) <= 0.65 for line in lines)


def test_analytics_follow_a_filter_at_once_and_show_every_chart(open_page: Open) -> None:
    page = open_page()
    page.goto("/portal/analytics")
    drawn = page.locator(".js-plotly-plot")
    expect(page.get_by_role("figure", name="Chart: Predictions by version")).to_be_visible()
    count = page.locator(".chart").count()
    assert count >= 5
    expect(drawn).to_have_count(count)
    # the shortest period with all predictions
    expect(page.get_by_text("last 24 hours", exact=True)).to_be_visible()
    page.get_by_label("Time").select_option("30d")
    expect(page.get_by_text("last 30 days", exact=True)).to_be_visible()
    expect(drawn).to_have_count(count)
    expect(page).to_have_url(re.compile("period=30d"))
    page.get_by_text("Data as a table").first.click()
    expect(page.get_by_role("region", name="Data: Predictions by version")).to_be_visible()
    shoot(page, "analytics")
    page.reload()
    expect(page.get_by_label("Time")).to_have_value("30d")


def test_home_says_how_the_worker_is_and_what_the_day_brought(open_page: Open) -> None:
    page = open_page()
    page.goto("/portal/")
    expect(page.get_by_text("Worker OK")).to_be_visible()
    expect(
        page.get_by_role("region", name="churn").get_by_role(
            "img", name="Predictions of each of the last 24 hours"
        )
    ).to_be_visible()
