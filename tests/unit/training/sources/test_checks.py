"""What is no query is refused before any database is asked."""

from typing import Any

import pytest
from django.test import override_settings

from clfsite.core.storage.data_sources import DataSource
from training.sources.limits import Deadline, QueryRefused
from training.sources.service import import_query, source_names

SHOP = DataSource("shop", "sqlite", {"NAME": "/nowhere/shop.db"})


def refusal(**values: str) -> tuple[str, str]:
    given: dict[str, Any] = {"source": "shop", "sql": "SELECT 1", "name": "orders", "target": "y", **values}
    with override_settings(CLFSITE_SOURCES={"shop": SHOP}), pytest.raises(QueryRefused) as caught:
        import_query(**given)
    return caught.value.field, str(caught.value)


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({"sql": " \n"}, "sql", "expected a SELECT statement, got none"),
        ({"sql": "DELETE FROM orders"}, "sql", 'expected one SELECT statement, got one that begins with "DELETE"'),
        ({"sql": "-- SELECT\nUPDATE a SET b = 1"}, "sql", 'begins with "UPDATE"'),
        ({"sql": "/* WITH */ ( /**/ /* -- */\n DROP TABLE a"}, "sql", 'begins with "DROP"'),
        ({"sql": "EXPLAIN SELECT 1"}, "sql", 'begins with "EXPLAIN"'),
        ({"sql": "; SELECT 1"}, "sql", 'begins with ""'),
        ({"sql": "SELECT '" + "x" * 20_000 + "'"}, "sql", "has 20,009 characters; at most 20,000"),
        ({"sql": "SELECT '\x00'"}, "sql", "a character that no database can read"),
        ({"sql": "SELECT '\ud800'"}, "sql", "a character that no database can read"),
        ({"name": "my orders"}, "name", "cannot name a dataset"),
        ({"source": "warehouse"}, "source", 'there is no database "warehouse"; known: shop'),
        ({"source": "SHOP"}, "source", "the database shop cannot be opened; the site's operator sets it in CLFSITE_SOURCE_SHOP"),
    ],
)  # fmt: skip
def test_what_is_no_query_is_refused_at_its_field(values: dict[str, str], field: str, message: str) -> None:
    about, text = refusal(**values)
    assert about == field
    assert message in text
    assert "/nowhere" not in text


@pytest.mark.parametrize(
    "sql",
    ["select 1", "WITH a AS (SELECT 1) SELECT 1", "(SELECT 1)", "-- all\n/* of */SELECT 1", "Select 1;"],
)
def test_what_begins_like_a_query_is_handed_to_the_database(sql: str) -> None:
    assert refusal(sql=sql)[0] == "source"


def test_comments_that_never_end_are_refused_at_once() -> None:
    assert refusal(sql="/**/ " * 3_900 + "/*")[0] == "sql"


def test_names_of_databases_are_listed_in_order() -> None:
    with override_settings(CLFSITE_SOURCES={"b": SHOP, "a": SHOP}):
        assert source_names() == ["a", "b"]
    with override_settings(CLFSITE_SOURCES={}), pytest.raises(QueryRefused, match="none is set"):
        import_query(source="a", sql="SELECT 1", name="orders", target="y")


@pytest.mark.parametrize("password", ["hunter2", "p@ss/w rd", "100%+1"])
def test_passwords_are_hidden_in_every_spelling(password: str) -> None:
    from urllib.parse import quote, quote_plus

    source = DataSource("shop", "postgresql", {"PASSWORD": password, "USER": "reader"})
    message = f"cannot log in with {password}, {quote(password, safe='')}, {quote_plus(password)}"
    assert source.hide(message) == "cannot log in with ***, ***, ***"
    assert password not in repr(source)
    assert DataSource("shop", "sqlite", {}).hide(message) == message


def test_deadline_that_is_over_says_which_setting_limits_it() -> None:
    deadline = Deadline(0)
    assert deadline.is_over
    assert not Deadline(60).is_over
    assert "longer than 0 seconds (CLFSITE_SOURCE_SECONDS)" in str(deadline.refusal())
