"""Callers that never stop asking: on connections they keep, with every outcome noted and every answer in a ledger."""

import http.client
import itertools
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.functional.faults.ledger import Ledger
from tests.support.site import KEY

# a call that was not answered after this long was lost; the site's own deadline is 5 s
PATIENCE_SECONDS = 15.0
PAUSE_SECONDS = 0.05


@dataclass
class Call:
    """One try: when it began, how long it took, and the status, or 0 where the connection broke."""

    began: float
    seconds: float
    status: int
    version: int = 0
    detail: str = ""
    retry_after: str | None = None


@dataclass
class Load:
    """Callers in threads of their own."""

    port: int
    features: dict[str, Any]
    ledger: Ledger
    key: str = KEY
    callers: int = 6
    are_named: bool = False  # each call has an Idempotency-Key and is repeated until it is answered
    calls: list[Call] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __enter__(self) -> "Load":
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(self.callers)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def by_status(self, since: float = 0.0) -> dict[int, int]:
        """How many calls that began after a moment ended with each status; 0 stands for a broken connection."""
        result: dict[int, int] = {}
        for call in list(self.calls):
            if call.began >= since:
                result[call.status] = result.get(call.status, 0) + 1
        return result

    def refused(self, since: float = 0.0) -> list[Call]:
        """The calls that were not answered with a prediction."""
        return [call for call in list(self.calls) if call.began >= since and call.status != http.client.OK]

    def answered(self, since: float = 0.0) -> list[Call]:
        return [call for call in list(self.calls) if call.began >= since and call.status == http.client.OK]

    def wait_for_answers(self, number: int, seconds: float = 30) -> float:
        """Wait for so many more answers, and return how many seconds that took."""
        began = time.monotonic()
        while len(self.answered(began)) < number:
            if time.monotonic() - began > seconds:
                raise AssertionError(
                    f"{len(self.answered(began))} of {number} answers in {seconds} s; {self.by_status(began)} "
                    f"{self.calls[-1] if self.calls else ''}"
                )
            time.sleep(0.02)
        return time.monotonic() - began

    def _run(self) -> None:
        connection = self._connect()
        while not self._stop.is_set():
            features = self._next_features()
            name = str(uuid.uuid4()) if self.are_named else ""
            while True:
                call, answer = self._ask(connection, features, name)
                if answer is not None:
                    self.ledger.write(answer, features, name)
                self.calls.append(call)
                if call.status == 0:
                    connection.close()
                    connection = self._connect()
                if answer is not None or not name:
                    break
                if self._stop.is_set():
                    self.unanswered.append(name)
                    break
                time.sleep(PAUSE_SECONDS)
            if call.status != http.client.OK:
                time.sleep(PAUSE_SECONDS)
        connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)

    def _next_features(self) -> dict[str, Any]:
        """A row that no other call of this load has."""
        number = next(self._numbers)
        return {**self.features, "tenure": number % 72, "monthly_charges": 20 + number / 1_000}

    def _ask(
        self, connection: http.client.HTTPConnection, features: dict[str, Any], name: str
    ) -> tuple[Call, dict[str, Any] | None]:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        if name:
            headers["Idempotency-Key"] = name
        began = time.monotonic()
        try:
            connection.request("POST", "/predict", json.dumps({"features": features}), headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            return Call(began, time.monotonic() - began, 0, detail=repr(error)), None
        seconds = time.monotonic() - began
        if response.status != http.client.OK:
            detail = body.decode(errors="replace")[:500]
            return Call(
                began,
                seconds,
                response.status,
                detail=detail,
                retry_after=response.getheader("Retry-After"),
            ), None
        answer: dict[str, Any] = json.loads(body)
        return Call(began, seconds, response.status, answer["version"]), answer


@contextmanager
def kept_ledger(path: Any) -> Iterator[Ledger]:
    """A ledger in a file, closed afterwards."""
    ledger = Ledger(path)
    try:
        yield ledger
    finally:
        ledger.close()


def large_bodies() -> list[bytes]:
    """Bodies that take much to read and hold nothing to score; those with records are for /predict-batch."""
    bodies: list[object] = [
        {"features": {f"name_{number}": number for number in range(600_000)}},
        {"features": [[] for _ in range(3_000_000)]},
        {"records": [{"a": [1] * 5, "b": "x" * 20} for _ in range(200_000)]},
    ]
    return [json.dumps(body).encode() for body in bodies]
