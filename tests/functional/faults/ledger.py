"""What a caller was told, kept so that the caller's own crash would not lose it, and compared with the site's log."""

import json
import os
import sqlite3
import threading
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2

QUERIES = {
    "predictions": """
        SELECT p.id, v.number, p.label, p.probabilities, p.features
        FROM predictions_prediction p JOIN training_version v ON v.id = p.version_id
        WHERE %s IN ('', p.caller)
    """,
    "by caller": "SELECT caller, COUNT(*) FROM predictions_prediction GROUP BY caller",
    # by hour, and in commits that are not added to those yet; in one statement, because they move
    "counted": """
        SELECT SUM(predictions), '[]' FROM predictions_hourlycount
        UNION ALL SELECT 0, CAST(labels AS text) FROM predictions_commitcount
    """,
    "timed": """
        SELECT SUM(predictions), '[]' FROM predictions_hourlylatency
        UNION ALL SELECT 0, CAST(latencies AS text) FROM predictions_commitcount
    """,
}


class Ledger:
    """A file of acknowledged answers, one JSON object a line, each on disk before `write` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file = path.open("ab")

    def write(self, answer: dict[str, Any], features: dict[str, Any], name: str = "") -> None:
        """Keep an answer of /predict with what was asked, and the Idempotency-Key that it was asked under."""
        line = {
            "id": answer["prediction_id"],
            "version": answer["version"],
            "label": answer["label"],
            "probabilities": answer["probabilities"],
            "features": features,
            "name": name,
        }
        with self._lock:
            self._file.write(json.dumps(line).encode() + b"\n")
            self._file.flush()
        os.fsync(self._file.fileno())

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_bytes().splitlines()]

    def close(self) -> None:
        self._file.close()


@dataclass
class Comparison:
    """How ledger and log differ; `faults` is empty where every promise was kept."""

    acknowledged: int
    logged: int
    faults: list[str] = field(default_factory=list)


def compare(ledger: Ledger, database_url: str, before: int = 0, caller: str = "") -> Comparison:
    """Look for every acknowledged answer in the log: there once, and the very same; and for counts that add up.

    Args:
        before: how many predictions the log held when the ledger was begun.
        caller: whose predictions are in the ledger, if others have too many to read them all.
    """
    answer, logged_rows = ledger.read(), count(database_url)
    predictions = _query(database_url, QUERIES["predictions"], caller)
    rows = {str(row[0]).replace("-", ""): row for row in predictions}
    result = Comparison(len(answer), logged_rows - before)
    ids = Counter(line["id"].replace("-", "") for line in answer)
    names = Counter(line["name"] for line in answer if line["name"])
    faults = [f"{id_} was given to {times} callers" for id_, times in ids.items() if times > 1]
    faults += [f"{name} was answered {times} times" for name, times in names.items() if times > 1]
    for line in answer:
        row = rows.get(line["id"].replace("-", ""))
        if row is None:
            faults.append(f"{line['id']} was acknowledged and is not in the log")
            continue
        logged = dict(
            zip(("version", "label", "probabilities", "features"), map(_value, row[1:]), strict=True)
        )
        faults += [
            f"{line['id']}: {name} is {logged[name]!r} in the log, the caller was told {line[name]!r}"
            for name in logged
            if logged[name] != line[name]
        ]
    for name in ("counted", "timed"):
        number = sum(
            (hourly or 0) + sum(kind[-1] for kind in json.loads(of_commit))
            for hourly, of_commit in _query(database_url, QUERIES[name])
        )
        if number != logged_rows:
            faults.append(f"{name} {number} predictions, the log has {logged_rows}")
    result.faults = faults
    return result


def count(database_url: str, caller: str = "") -> int:
    """How many predictions the log holds, or how many of one caller."""
    counts: dict[str, int] = dict(_query(database_url, QUERIES["by caller"]))
    return counts.get(caller, 0) if caller else sum(counts.values())


def _query(database_url: str, query: str, *values: str) -> list[Any]:
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), timeout=20)) as connection:
            return connection.execute(query.replace("%s", "?"), values).fetchall()
    with closing(psycopg2.connect(database_url, connect_timeout=5)) as server, server.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())


def _value(value: Any) -> Any:
    """A column as a JSON value; SQLite keeps objects as text."""
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value
