"""What browsers and proxies are told where visitors come over HTTPS, as a site started with those settings tells it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.clfsite.test_security import production
from tests.support.site import ROOT

HOST = "classify.example.org"
# the settings are those of a process of its own, so the questions are asked in one
ASK = """
import json, sys
from django.conf import settings
from django.test import Client
answers = {}
for name, path, headers in json.load(sys.stdin):
    answer = Client(headers=headers).get(path)
    answers[name] = {
        "status": answer.status_code,
        "headers": {key.lower(): value for key, value in answer.items()},
        "cookies": {key: dict(morsel) for key, morsel in answer.cookies.items()},
    }
session = {name: getattr(settings, f"SESSION_COOKIE_{name}") for name in ("SECURE", "HTTPONLY", "SAMESITE")}
print(json.dumps({**answers, "session": session}))
"""
LOGIN = "/accounts/login/"
QUESTIONS = [
    ("secure", LOGIN, {"host": HOST, "x-forwarded-proto": "https"}),
    ("plain", LOGIN, {"host": HOST, "x-forwarded-proto": "http"}),
    ("health", "/health/live", {"host": HOST}),
    ("stranger", LOGIN, {"host": "evil.example.org", "x-forwarded-proto": "https"}),
]


def answers(folder: Path, **more: str) -> dict[str, Any]:
    """What a site with the settings of production says to each question."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "shell", "--no-imports", "--command", ASK],
        input=json.dumps(QUESTIONS),
        env={**production(folder), **more},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def responses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return answers(tmp_path_factory.mktemp("state"))


def test_browsers_come_back_over_https_alone_for_a_year(responses: dict[str, Any]) -> None:
    assert responses["secure"]["status"] == 200
    assert responses["secure"]["headers"]["strict-transport-security"] == (
        "max-age=31536000; includeSubDomains; preload"
    )


def test_a_visitor_over_http_is_sent_to_https_and_a_probe_is_not(responses: dict[str, Any]) -> None:
    assert responses["plain"]["status"] == 301
    assert responses["plain"]["headers"]["location"] == f"https://{HOST}{LOGIN}"
    assert responses["health"]["status"] == 200


def test_cookies_travel_over_https_alone(responses: dict[str, Any]) -> None:
    assert responses["secure"]["cookies"]["csrftoken"]["secure"]
    assert responses["session"] == {"SECURE": True, "HTTPONLY": True, "SAMESITE": "Lax"}


def test_a_name_that_is_not_the_sites_is_refused(responses: dict[str, Any]) -> None:
    assert responses["stranger"]["status"] == 400


def test_pages_take_scripts_from_the_site_alone_and_cannot_be_framed(responses: dict[str, Any]) -> None:
    headers = responses["secure"]["headers"]
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["script-src"] == "'self'"
    assert policy["object-src"] == policy["frame-ancestors"] == "'none'"
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_the_word_of_a_proxy_counts_only_where_one_stands_in_front(tmp_path: Path) -> None:
    assert answers(tmp_path, CLFSITE_PROXIES="0")["secure"]["status"] == 301
