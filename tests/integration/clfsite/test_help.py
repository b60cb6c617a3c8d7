"""The documentation under /help/, and the links to it from each page."""

import html
import re

import pytest
from django.test import Client
from django.urls import reverse

from clfsite.help import FOLDER, read
from tests.support.portal import staff_client
from tests.support.site import ROOT

PAGES = sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("*.md"))
TARGET = re.compile(r"{% block help %}(.+?){% endblock")


@pytest.fixture
def reader(db: None) -> Client:
    return staff_client()


def test_every_page_is_shown_and_its_links_lead_to_pages(reader: Client) -> None:
    for name in PAGES:
        address = reverse("help", args=["" if name == "README" else name])
        response = reader.get(address)
        assert response.status_code == 200, name
        assert read(name).title in html.unescape(response.content.decode())
        for link in re.findall(r'href="(/help/[^"#]*)', read(name).body):
            assert reader.get(link).status_code == 200, (name, link)


def test_tables_and_pictures_are_rendered(reader: Client) -> None:
    shown = reader.get(reverse("help", args=["user-guide"])).content.decode()
    assert '<table class="table">' in shown
    assert 'src="/static/help/home' in shown
    assert '<h2 id="what-a-threshold-means">' in shown


@pytest.mark.parametrize("page", ["nothing", "../README", "decisions/none"])
def test_what_is_no_page_is_not_found(page: str, reader: Client) -> None:
    assert reader.get(f"/help/{page}").status_code == 404


def test_every_template_links_to_a_topic_that_exists() -> None:
    found = 0
    for path in (ROOT / "templates").rglob("*.html"):
        for target in TARGET.findall(path.read_text()):
            page, _, topic = target.partition("#")
            assert not topic or f'id="{topic}"' in read(page).body, (path, target)
            found += 1
    assert found > 20
