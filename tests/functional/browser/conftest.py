"""The whole site with a demo classifier, and a Chromium in front of it that forgives nothing."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from tests.support import services
from tests.support.site import PASSWORD, Site, demo_site

PATIENCE_MS = 20_000
WIDE: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 375, "height": 812}

Open = Callable[..., Page]


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Site]:
    """A site started as `make run` does, with web server, worker and the filesystem broker."""
    with demo_site(tmp_path_factory.mktemp("browser-site")) as site:
        site.serve()
        yield site


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The machine's own Chromium; without one the tests are skipped, unless CLFSITE_REQUIRE names it."""
    why = services.missing().get("browser")
    if why:
        (pytest.fail if "browser" in services.required() else pytest.skip)(f"browser: {why}")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=services.browser_path())
        yield browser
        browser.close()


@pytest.fixture
def open_page(site: Site, chromium: Browser) -> Iterator[Open]:
    """Open browsers of different kinds; an error in a console or a breach of the policy fails the test in the end."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def note(page: Page, fault: str) -> None:
        faults.append(f"{page.url}: {fault}")

    def open_one(*, logged_in: bool = True, **options: Any) -> Page:
        context = chromium.new_context(base_url=site.url, **{"viewport": WIDE, **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("console", lambda message: note(page, message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: note(page, str(error)))
        if logged_in:
            log_in(page)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert faults == []


def log_in(page: Page) -> None:
    """Go through the login form to the portal's first page."""
    page.goto("/")
    page.get_by_label("Username").fill("demo")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Home")).to_be_visible()


def shoot(page: Page, name: str) -> None:
    """Keep a picture of the whole page in the folder that CLFSITE_SCREENSHOTS names, if it does."""
    folder = os.environ.get("CLFSITE_SCREENSHOTS")
    if folder:
        page.wait_for_load_state("networkidle")
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
