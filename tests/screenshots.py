"""`make screenshots`: every page in both themes and at both widths, as a folder of pictures to look at."""

import argparse
import logging
import os
import tempfile
from pathlib import Path

import django
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.functional.browser.conftest import PHONE, WIDE
from tests.functional.browser.tour import TOUR, Lively, enliven, environment
from tests.support import services
from tests.support.site import PASSWORD, ROOT, demo_site

WIDTHS = {"wide": WIDE, "phone": PHONE}
FOLDER = ROOT / "var" / "screenshots"


def main() -> None:
    """Start a demo site, fill it, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER, help="default: var/screenshots")
    parser.add_argument("--only", default="", help="the pages whose names begin so, separated by commas")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clfsite.settings")
    django.setup()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    options.folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="clfsite-screenshots-") as state,
        demo_site(Path(state), environment(Path(state))) as site,
    ):
        site.serve("--no-worker")
        lively = enliven(site, PASSWORD)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=services.browser_path())
            count = sum(
                shoot(browser, lively, options.folder, who=who, only=options.only)
                for who in sorted({stop.who for stop in TOUR})
            )
            browser.close()
    print(f"{count} pictures in {options.folder}")


def shoot(browser: Browser, lively: Lively, folder: Path, *, who: str, only: str) -> int:
    """Take every picture of one person's pages."""
    stops = [
        stop
        for stop in TOUR
        if stop.who == who and any(stop.name.startswith(name) for name in only.split(","))
    ]
    if not stops:
        return 0
    context = browser.new_context(base_url=lively.site.url)
    if who:
        log_in(context, who, lively.password)
    page = context.new_page()
    for stop in stops:
        page.goto(stop.path(lively.known))
        # those out of view are drawn when the browser has time
        page.wait_for_function("() => !document.querySelector('.chart:not(.js-plotly-plot)')")
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            for width, size in WIDTHS.items():
                page.set_viewport_size(size)
                # charts follow the new width and theme within a frame or two
                page.wait_for_timeout(300)
                page.screenshot(path=folder / f"{stop.name}-{width}-{theme}.png", full_page=True)
    context.close()
    return len(stops) * len(WIDTHS) * 2


def log_in(context: BrowserContext, who: str, password: str) -> None:
    """Go through the login form."""
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Username").fill(who)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/portal/")
    page.close()


if __name__ == "__main__":
    main()
