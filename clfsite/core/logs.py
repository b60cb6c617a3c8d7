"""The form of the log on standard error: a line of JSON for each record, or text for people."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from clfsite.core.requests import access_log

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# members of a line. Others would be what packages attach to records, such as a request with its query string
_MEMBERS = ("request_id", "exc_info", "stack_info")


def form(chosen: str) -> str:
    """The form of the log: the chosen one, otherwise text on a terminal and JSON elsewhere."""
    return chosen or ("text" if sys.stderr and sys.stderr.isatty() else "json")


def config(form: str, level: str, loggers: dict[str, Any] | None = None) -> dict[str, Any]:
    """The configuration for `logging.config.dictConfig`."""
    formatter = JsonLines if form == "json" else TextLines
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": loggers or {},
    }


class JsonLines(JsonFormatter):
    """A line of JSON for each record, a traceback included."""

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """The members of a line."""
        return {
            **{name: log_data[name] for name in ("time", "level", "logger", "message")},
            **{name: log_data[name] for name in _MEMBERS if log_data.get(name)},
        }

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Add the members of a record."""
        super().add_fields(log_data, record, message_dict)
        log_data["time"] = moment(record.created)
        log_data["level"] = record.levelname
        log_data["logger"] = record.name
        log_data["message"] = record.getMessage()
        log_data["request_id"] = access_log.current_id()


class TextLines(logging.Formatter):
    """A line of text for each record, and the lines of a traceback."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name}: {message}", style="{")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802  of logging
        """The time in UTC."""
        return moment(record.created)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  of logging
        """The line, with the id of the call if there is one."""
        line, key = super().formatMessage(record), access_log.current_id()
        return f"{line} id {key}" if key else line


def moment(seconds: float) -> str:
    """A time of `time.time` in ISO 8601, in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
