"""Every page in both themes and at both widths: accessible, within its policy, without errors, not wider than a phone."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.conf import settings
from django.contrib import admin
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, expect
from pypdf import PdfReader

from predictions.roles import ROLES
from tests.functional.browser.conftest import PATIENCE_MS, PHONE, WIDE
from tests.functional.browser.tour import BATCHED, NO_PAGES, TOUR, Lively, Stop, enliven, environment
from tests.integration.clfsite.test_access import ROLE_OF
from tests.integration.predictions.test_portal_access import ACCESS
from tests.screenshots import log_in
from tests.support.routes import portal_names
from tests.support.site import PASSWORD, demo_site, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.site]

POLICY = {
    "default-src 'self'",
    "script-src 'self'",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
}
# WCAG 2.2 up to level AA, and what axe's authors recommend beyond
RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# what another theme may change
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
THEMES: list[tuple[Literal["light", "dark"], dict[str, Any]]] = [("light", RULES), ("dark", COLOURS)]
GRAVE = {"serious", "critical"}
# but those of a file, with as many columns as it has, and the data of a chart
CUT_TABLES = """() => [...document.querySelectorAll(".table-responsive:not(.chart-data *)")]
  .filter((each) => each.scrollWidth > each.clientWidth && !each.querySelector(".table-names"))
  .map((each) => `a table is wider than its place: ${each.textContent.trim().slice(0, 60)}`)"""
BROKEN_DATES = """() => {
  const broken = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    for (const { 0: date, index } of texts.currentNode.data.matchAll(/\\d{4}-\\d\\d-\\d\\d/g)) {
      const range = document.createRange();
      range.setStart(texts.currentNode, index);
      range.setEnd(texts.currentNode, index + date.length);
      const lines = new Set([...range.getClientRects()].map(({ top }) => Math.round(top)));
      if (lines.size > 1) broken.push(`${date} is broken: ${texts.currentNode.parentElement.outerHTML.slice(0, 100)}`);
    }
  }
  return broken;
}"""
# Plotly follows a new width a moment later
FITTED = """() => [...document.querySelectorAll(".chart .main-svg")].every((svg) =>
    svg.getBoundingClientRect().width <= svg.closest(".chart").getBoundingClientRect().width)"""
CHART_FAULTS = Path(__file__).with_name("charts.js").read_text()
CHARTED = {
    "analytics",
    "batch",
    "feedback",
    "monitoring",
    "run",
    "run-under-way",
    "version",
    "version-compare",
    "version-card",
}
# one page of each kind of frame
FRAMES = {"home", "docs", "login", "no-role", "admin", "admin-login"} | CHARTED
# of the rows of a table that differ in nothing but their text and numbers, all but two
MARK_ALIKE = """() => {
  for (const body of document.querySelectorAll("tbody")) {
    const counts = new Map();
    for (const row of body.rows) {
      const kind = row.outerHTML.replace(/>[^<]*</g, "><").replace(/="[^"]*[0-9][^"]*"/g, "");
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
      row.toggleAttribute("data-alike", counts.get(kind) > 2);
    }
  }
}"""
AXE = "options => axe.run({exclude: [['[data-alike]']]}, options).then((results) => results.violations)"
# the administration's links change their colours in a sixth of a second
# another theme begins its transitions with the next frame
ARRIVED = """() => new Promise((begun) => requestAnimationFrame(() => requestAnimationFrame(begun)))
  .then(() => Promise.allSettled(document.getAnimations().map((each) => each.finished))).then(() => null)"""


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Lively]:
    state = tmp_path_factory.mktemp("tour")
    with demo_site(state, environment(state)) as site:
        # without a worker at first: it would take up the run that is to be seen under way
        site.serve("--no-worker")
        yield enliven(site, PASSWORD)


@pytest.fixture(scope="module")
def contexts(lively: Lively, chromium: Browser) -> Iterator[dict[str, BrowserContext]]:
    """A browser logged in as each person, the one without a name being nobody."""
    made: dict[str, BrowserContext] = {}
    for who in ("", "demo", "newcomer", *ROLES):
        context = made[who] = chromium.new_context(
            base_url=lively.site.url, viewport=WIDE, reduced_motion="reduce"
        )
        context.set_default_timeout(PATIENCE_MS)
        if who:
            log_in(context, who, PASSWORD)
    yield made
    for context in made.values():
        context.close()


@pytest.fixture(scope="module")
def pages(contexts: dict[str, BrowserContext]) -> dict[str, Page]:
    """A page of each person for all stops, as a fresh one reads and compiles every script again."""
    return {who: context.new_page() for who, context in contexts.items()}


def test_every_page_of_the_portal_is_on_the_tour() -> None:
    routes = portal_names()
    toured = {stop.route for stop in TOUR}
    assert routes - toured - NO_PAGES == set(), "add them to TOUR, or to NO_PAGES"
    assert NO_PAGES - routes == set()
    assert NO_PAGES & toured == set()
    assert len({stop.name for stop in TOUR}) == len(TOUR)


def test_every_list_and_row_of_the_administration_is_on_the_tour() -> None:
    models = [model._meta.label_lower.replace(".", "_") for model in admin.site._registry]
    pages = {f"admin:{model}_{page}" for model in models for page in ("changelist", "change")}
    assert pages - {stop.route for stop in TOUR} == set(), "add them to TOUR"


@pytest.mark.parametrize("stop", TOUR, ids=lambda stop: stop.name)
def test_a_page_is_in_order(stop: Stop, lively: Lively, pages: dict[str, Page]) -> None:
    page = pages[stop.who]
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size(WIDE)
    with overheard(page) as faults:
        response = page.goto(stop.path(lively.known))
        assert response is not None
        assert response.status == stop.status
        assert set(response.headers["content-security-policy"].split("; ")) >= POLICY
        assert page.locator("script:not([src]):not([type='application/json'])").count() == 0
        settle(page)
        assert (stop.name in CHARTED) == bool(page.locator(".chart").count())
        # a width changes no colours, apart from the menu
        dark = (PHONE, WIDE) if stop.name in FRAMES else (PHONE,)
        for (theme, rules), sizes in zip(THEMES, ((WIDE, PHONE), dark), strict=True):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            for size in sizes:
                page.set_viewport_size(size)
                page.wait_for_function(FITTED)
                result = [
                    *grave_findings(page, rules),
                    *page.evaluate(CHART_FAULTS),
                    *page.evaluate(BROKEN_DATES),
                ]
                result += page.evaluate(CUT_TABLES) if size is WIDE else []
                faults += [f"{theme}, {size['width']} px: {fault}" for fault in result]
                width = page.evaluate("document.documentElement.scrollWidth")
                assert width <= size["width"], f"{width} px wide in {size['width']} px"
    text = f"Failed to load resource: the server responded with a status of {stop.status}"
    assert [fault for fault in faults if not (stop.status >= 400 and fault.startswith(text))] == []


def test_a_run_under_way_is_seen_as_it_goes(lively: Lively, contexts: dict[str, BrowserContext]) -> None:
    page = contexts["demo"].new_page()
    page.goto(f"/portal/runs/{lively.known['running']}")
    progress = page.locator("#progress")
    expect(progress.get_by_text("18 of 25 models fitted")).to_be_visible()
    expect(progress.get_by_role("figure", name="Best score so far")).to_be_visible()
    page.close()


def test_metrics_of_compared_versions_stand_on_the_first_screen(
    lively: Lively, contexts: dict[str, BrowserContext]
) -> None:
    page = contexts["demo"].new_page()
    page.goto(f"/portal/versions/compare?versions={lively.known['version']}&versions={lively.known['other']}")
    for title in ("On held-out rows", "In cross-validation"):
        box = page.get_by_role("region", name=title, exact=True).last.bounding_box()
        assert box
        assert box["y"] + box["height"] <= WIDE["height"], title
    page.close()


@contextmanager
def overheard(page: Page) -> Iterator[list[str]]:
    """What the console calls an error, and what scripts raise, meanwhile."""
    faults: list[str] = []

    def hear(text: ConsoleMessage) -> None:
        if text.type == "error":
            faults.append(f"{text.text} {text.location['url']}")

    def catch(error: Error) -> None:
        faults.append(str(error))

    page.on("console", hear)
    page.on("pageerror", catch)
    try:
        yield faults
    finally:
        page.remove_listener("console", hear)
        page.remove_listener("pageerror", catch)


def settle(page: Page) -> None:
    """Wait until what scripts make is there: charts, and the calls of the API's page."""
    charts = page.locator(".chart")
    expect(page.locator(".chart.js-plotly-plot")).to_have_count(charts.count())
    if page.locator("#swagger-ui").count():
        page.locator(".opblock").first.wait_for()


def grave_findings(page: Page, rules: dict[str, Any]) -> list[str]:
    """What axe-core holds to keep people out, with the place; colours that are on their way arrive first.

    Of rows that are alike it looks at two, as it takes as long for each.
    """
    page.evaluate(f"({ARRIVED})()")
    page.evaluate(MARK_ALIKE)
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    # axe would ask for imported style sheets in the wrong place, and write selectors that nobody reads
    options = {"resultTypes": ["violations"], "runOnly": rules, "preload": False, "selectors": False}
    result = page.evaluate(AXE, options)
    return [
        f"{finding['id']} ({finding['impact']}): {node['html'][:200]} {node['failureSummary'][:300]}"
        for finding in result
        if finding["impact"] in GRAVE
        for node in finding["nodes"][:3]
    ]


def in_both_themes(page: Page) -> list[str]:
    """What `grave_findings` says of a page that is not opened by its address alone."""
    result: list[str] = []
    for theme, rules in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        result += grave_findings(page, rules)
    return result


def test_an_operation_of_the_api_and_its_key_are_in_order_when_open(
    contexts: dict[str, BrowserContext],
) -> None:
    page = contexts[""].new_page()
    page.goto("/docs")
    settle(page)
    page.locator(".opblock-post .opblock-summary-control").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Authorize").click()
    expect(page.get_by_role("heading", name="Available authorizations")).to_be_visible()
    assert in_both_themes(page) == []
    page.close()


def test_the_administration_asks_for_a_reason_on_a_page_in_order(
    lively: Lively, contexts: dict[str, BrowserContext]
) -> None:
    page = contexts["demo"].new_page()
    page.goto("/admin/training/version/")
    page.locator("input.action-select").first.check()
    page.get_by_label("Action:").select_option("activate")
    page.get_by_role("button", name="Go", exact=True).click()
    expect(page.get_by_label("Reason:")).to_be_visible()
    assert in_both_themes(page) == []
    page.close()


def test_a_table_that_comes_whole_is_sorted_and_leafed_through(
    lively: Lively, contexts: dict[str, BrowserContext]
) -> None:
    page = contexts["demo"].new_page()
    page.goto(f"/portal/batches/{lively.known['batch']}")
    rows = page.locator("section", has=page.get_by_role("heading", name="Rows"))
    expect(rows.locator("tbody tr:visible")).to_have_count(50)
    rows.get_by_role("button", name="Next").click()
    expect(rows.locator("tbody tr:visible")).to_have_count(BATCHED - 50)
    expect(rows.get_by_text("Page 2 of 2")).to_be_visible()
    heading = rows.get_by_role("columnheader", name="tenure")
    for direction in ("ascending", "descending"):
        heading.get_by_role("button").click()
        expect(heading).to_have_attribute("aria-sort", direction)
        expect(rows.get_by_text("Page 1 of 2")).to_be_visible()
        place = heading.evaluate("heading => heading.cellIndex + 1")
        shown = [int(text) for text in rows.locator(f"tbody td:nth-child({place})").all_inner_texts()]
        assert len(shown) == BATCHED
        assert shown == sorted(shown, reverse=direction == "descending")
    page.close()


def test_a_printed_model_card_holds_every_row_on_two_pages(
    lively: Lively, contexts: dict[str, BrowserContext]
) -> None:
    page = contexts["demo"].new_page()
    page.goto(f"/portal/versions/{lively.known['version']}/card")
    settle(page)
    cells = page.locator("main tbody tr td:first-child:visible")
    expected = [text.strip() for text in cells.all_inner_texts()]
    pages = PdfReader(io.BytesIO(page.pdf(format="A4"))).pages
    printed = "\n".join(item.extract_text() for item in pages).split()
    assert len(expected) > 30
    assert [name for name in set(expected) if printed.count(name) < expected.count(name)] == []
    assert len(pages) == 2, "parts that moved to the next page left gaps"
    page.close()


MENU = {
    "Home",
    "Batches",
    "Predictions",
    "Feedback",
    "Datasets",
    "Runs",
    "Versions",
    "API docs",
    "Administration",
}
MENU_OF = {
    "viewer": MENU,
    "analyst": MENU | {"Predict"},
    "trainer": MENU,
    "importer": MENU,
    "approver": MENU | {"Keys"},
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_sees_what_it_may_open_and_no_more(
    role: str, lively: Lively, contexts: dict[str, BrowserContext]
) -> None:
    page = contexts[role].new_page()
    page.goto("/")
    menu = page.get_by_role("navigation", name="Main").get_by_role("link").all_inner_texts()
    assert {text.strip() for text in menu} >= MENU_OF[role]
    closed = {"Predict", "Keys"} - MENU_OF[role]
    assert not closed & {text.strip() for text in menu}
    for stop in TOUR:
        needs = ACCESS.get(stop.route, ("", None))[0]
        if needs and stop.who == "demo":
            response = page.request.get(stop.path(lively.known))
            # an upload is there for nobody but the person whose it is
            may = response.status == (404 if stop.name == "upload" else 200)
            assert may == (ROLE_OF[needs] == role), (role, stop.name)
            assert may or "Permission denied" in response.text(), (role, stop.name)
    page.close()


def test_an_approver_makes_a_key_sees_it_once_and_revokes_it(
    lively: Lively, contexts: dict[str, BrowserContext]
) -> None:
    page = contexts["approver"].new_page()
    page.goto("/portal/keys")
    page.get_by_label("Name").fill("till in the shop")
    page.get_by_label("predict: request predictions").check()
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_role("heading", name="Key till in the shop")).to_be_visible()
    key = page.locator("#made").inner_text()
    assert grave_findings(page, RULES) == []
    with lively.site.client(key) as client:
        assert client.get("/info").status_code == 200
        page.goto("/portal/keys")
        assert key not in page.content()
        page.get_by_role("button", name="Revoke the key till in the shop").click()
        question = page.get_by_role("dialog")
        expect(question).to_contain_text("Calls with it are refused")
        question.get_by_role("button", name="Go back").click()
        assert client.get("/info").status_code == 200
        page.get_by_role("button", name="Revoke the key till in the shop").click()
        question.get_by_role("button", name="Revoke key").click()
        expect(page.get_by_text("was revoked. It stops working within 5 seconds")).to_be_visible()
        wait_for(lambda: client.get("/info").status_code == 401, "the key to open nothing", 6)
    page.close()


def test_after_bad_logins_a_page_says_how_long_to_wait(contexts: dict[str, BrowserContext]) -> None:
    page = contexts[""].new_page()
    page.goto("/portal/")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        page.get_by_label("Username").fill("nobody")
        page.get_by_label("Password").fill("wrong")
        with page.expect_navigation():
            page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Try again in 15 minutes")).to_be_visible()
    assert grave_findings(page, RULES) == []
    page.close()
