"""What workers were told, which files lie in storage, and training without the long part."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages

from clfsite import celery_app

Told = Callable[[], list[tuple[str, list[int]]]]
Files = Callable[[str], list[str]]


@pytest.fixture
def told() -> Told:
    """Take the messages that wait for a worker, as (task, arguments); what other tests sent is gone."""

    def take() -> list[tuple[str, list[int]]]:
        for thread in threading.enumerate():
            if thread.name.startswith("wake "):
                thread.join()
        found = []
        with celery_app.connection_for_read() as connection:
            channel: Any = connection.default_channel
            while message := channel.basic_get("celery", no_ack=True):
                found.append((message.headers["task"], message.decode()[0]))
        return found

    # the queue is not there before something is sent
    celery_app.send_task("nothing")
    take()
    return take


@pytest.fixture
def files() -> Files:
    """Name every file of a storage, those half written too."""

    def names(storage: str) -> list[str]:
        folder = Path(storages[storage].path(""))
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    return names
