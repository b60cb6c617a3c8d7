"""Several callers at the same moment, in real threads."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connections


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Call each in a thread of its own, all at the same moment; an exception stands for its answer."""
    gate = threading.Barrier(len(calls))
    result: list[Any] = [None] * len(calls)

    def work(place: int, call: Callable[[], Any]) -> None:
        gate.wait()
        try:
            result[place] = call()
        except Exception as error:  # noqa: BLE001  the test looks at it
            result[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(place, call)) for place, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return result
