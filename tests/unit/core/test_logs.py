"""The two forms of the log: lines of JSON, and text for people."""

import json
import logging
import logging.config
import sys
from contextvars import Context

import pytest

from clfsite.core import logs
from clfsite.core.requests import access_log

RECORD = {"name": "site", "levelno": 30, "levelname": "WARNING", "created": 1_800_000_000.25}


def record(**values: object) -> logging.LogRecord:
    made: logging.LogRecord = logging.makeLogRecord({**RECORD, **values})
    return made


def test_a_record_is_one_line_with_its_traceback_and_the_id_of_the_call() -> None:
    call = access_log.begin("GET", "/", remote="::1", given_id="order-17")
    try:
        raise ValueError("broken\ntwice")
    except ValueError:
        text = logs.JsonLines().format(record(msg="lost %s\n%s", args=(1, "\ud800"), exc_info=sys.exc_info()))
    finally:
        access_log.end(call, 200)
    assert "\n" not in text
    line = json.loads(text)
    assert list(line) == ["time", "level", "logger", "message", "request_id", "exc_info"]
    assert (line["time"], line["level"], line["logger"]) == ("2027-01-15T08:00:00.250Z", "WARNING", "site")
    assert line["request_id"] == "order-17"
    assert line["exc_info"].endswith("ValueError: broken\ntwice")


def test_what_packages_attach_to_a_record_stays_out() -> None:
    made = record(msg="refused", request="<GET ?email=someone>", data={"args": [1]})
    line = json.loads(Context().run(logs.JsonLines().format, made))  # outside any call
    assert list(line) == ["time", "level", "logger", "message"]


def test_text_has_the_time_in_utc() -> None:
    text = Context().run(logs.TextLines().format, record(msg="lost"))
    assert text == "2027-01-15T08:00:00.250Z WARNING site: lost"


def test_text_has_the_id_of_the_call() -> None:
    call = access_log.begin("GET", "/", remote="::1", given_id="order-17")
    assert logs.TextLines().format(record(msg="lost")).endswith("site: lost id order-17")
    access_log.end(call, 200)


@pytest.mark.parametrize(("is_terminal", "expected"), [(True, "text"), (False, "json")])
def test_people_read_text_and_programs_json(
    monkeypatch: pytest.MonkeyPatch, expected: str, *, is_terminal: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal, raising=False)
    assert logs.form("") == expected
    assert logs.form("json") == "json"
    assert logs.form("text") == "text"


@pytest.mark.parametrize("form", ["json", "text"])
def test_the_configuration_is_one(form: str) -> None:
    logging.config.DictConfigurator(logs.config(form, "INFO")).configure_formatter(
        logs.config(form, "INFO")["formatters"]["line"]
    )
