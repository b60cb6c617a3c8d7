"""Times that a search of the log is given: ISO 8601 with or without a zone, read alike by the page, the export and the API."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from clfsite.core.requests.moments import read_moment
from predictions.models import first_id
from tests.support.factories import ApiKeyFactory, PredictionFactory, VersionFactory
from tests.support.portal import staff_client

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOT_ISO = [
    "11/12/2026",
    "yesterday",
    "2026-13-01",
    "20260301",
    "2026-W09-7",
    "2026-03-01T25:00",
    "1",
    "2026-03-01T12",
]
# as many as fit into a query with the others
EVERYTHING = ["1900-01-01", "0001-01-01", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"]
NOTHING = ["9999-12-31", "9999-12-31T23:59:59-14:00", "5000-01-01T00:00"]


@pytest.fixture
def logged() -> Any:
    version = VersionFactory.create()
    return PredictionFactory.create(version=version, id=first_id(NOON), created_at=NOON)


def counts_of(**query: str) -> dict[str, int]:
    """How many predictions each door finds; None where it refuses."""
    ApiKeyFactory.create(secret="clf_reader", scopes=("read",))
    client = staff_client()
    page = client.get("/portal/predictions", query)
    export = client.get("/portal/predictions.csv", query)
    api = Client(headers={"authorization": "Bearer clf_reader"}).get("/api/predictions", query)
    assert page.status_code == 200
    return {
        "page": len(page.context["results"].rows) if page.context["form"].is_valid() else -1,
        "export": export.getvalue().count(b"\n") - 1 if export.status_code == 200 else -1,
        "api": len(api.json()["results"]) if api.status_code == 200 else -1,
    }


@pytest.mark.parametrize(
    ("query", "count"),
    [
        *(({"since": text}, 1) for text in EVERYTHING),
        *(({"until": text}, 0) for text in EVERYTHING),
        *(({"since": text}, 0) for text in NOTHING),
        *(({"until": text}, 1) for text in NOTHING),
        ({"since": ""}, 1),
        ({"since": "2026-03-01"}, 1),
        ({"since": "2026-03-01T12:00"}, 1),
        ({"since": "2026-03-01 12:00"}, 1),
        ({"since": "2026-03-01T12:00:00.001Z"}, 0),
        ({"since": "2026-03-01T14:00:00+02:00"}, 1),
        ({"until": "2026-03-01T14:00:00+02:00"}, 0),
        ({"until": "2026-03-01T14:00:01+0200"}, 1),
    ],
)
def test_every_door_reads_a_time_alike(query: dict[str, str], count: int, logged: Any) -> None:
    assert counts_of(**query) == {"page": count, "export": count, "api": count}


@pytest.mark.parametrize("text", NOT_ISO)
@pytest.mark.parametrize("name", ["since", "until"])
def test_what_is_no_iso_time_is_refused_by_every_door(name: str, text: str, logged: Any) -> None:
    assert counts_of(**{name: text}) == {"page": -1, "export": -1, "api": -1}


def test_an_end_before_its_beginning_is_refused_by_every_door(logged: Any) -> None:
    assert counts_of(since="2026-03-02", until="2026-03-01") == {"page": -1, "export": -1, "api": -1}


def test_an_export_refuses_a_filter_that_it_does_not_know(logged: Any) -> None:
    looker = staff_client()
    refused = looker.get("/portal/predictions.csv", {"sicne": "2026-03-02"})
    assert refused.status_code == 400
    assert refused.content.decode() == 'unknown parameter "sicne"; did you mean since?\n'
    for sort in ("time", "-time"):
        assert looker.get("/portal/predictions.csv", {"sort": sort, "label": ""}).status_code == 200


def test_what_is_expected_is_said(logged: Any) -> None:
    ApiKeyFactory.create(secret="clf_reader", scopes=("read",))
    query = {"since": "11/12/2026"}
    api = Client(headers={"authorization": "Bearer clf_reader"}).get("/api/predictions", query)
    assert api.status_code == 400
    assert api.json()["errors"][0]["field"] == "since"
    looker = staff_client()
    export = looker.get("/portal/predictions.csv", query)
    assert export.status_code == 400
    page = looker.get("/portal/predictions", query)
    for text in (api.json()["detail"], export.content.decode(), page.content.decode()):
        assert "2026-07-31T14:30:00+02:00" in text.replace("&quot;", '"')
        assert "11/12/2026" in text


def test_a_plus_sign_that_an_address_turned_into_a_space_is_one() -> None:
    assert read_moment("2026-03-01T14:00:00 02:00") == NOON
