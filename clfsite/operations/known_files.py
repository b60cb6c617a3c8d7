"""The files that rows of the database refer to, and their verification."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.core.files.storage import Storage, storages
from django.db import connection

from clfsite.core.jobs.models import Chore
from clfsite.core.storage.files import digest
from predictions.batches.models import Batch
from training.models import Dataset, Upload, Version

STORAGES = ("datasets", "artifacts", "batches")
# states of a batch in which its uploaded file is still needed
UNFINISHED = ("queued", "running", "checked")


# the chore of the workers, and of `manage.py verify`
NAME = "verify"
logger = logging.getLogger(__name__)


class Stopped(Exception):
    """The check was asked to end."""


@dataclass(frozen=True)
class KnownFile:
    """A file that a row refers to.

    `sha256` is None if the database does not have it. Files that are not required may be missing, such as the
    upload of a batch that has ended.
    """

    storage: str
    name: str
    sha256: str | None
    row: str
    required: bool = True


@dataclass
class Findings:
    """The result of a check of all files."""

    checked: int = 0
    missing: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether all required files exist unchanged; orphans are harmless."""
        return not self.missing and not self.changed

    @property
    def counts(self) -> dict[str, int]:
        """How many files were checked, and how many are missing, changed and orphans."""
        lists = {"missing": self.missing, "changed": self.changed, "orphans": self.orphans}
        return {"checked": self.checked, **{name: len(places) for name, places in lists.items()}}


def verify() -> Findings:
    """Check all files, and store the result for the metrics."""
    findings = check_files()
    Chore.objects.note(NAME, findings.counts)
    return findings


def verify_as_chore(is_stopping: Callable[[], bool]) -> dict[str, int] | None:
    """Check all files unless the worker stops, and log what is wrong; returns the result to store."""
    try:
        findings = check_files(is_stopping)
    except Stopped:
        return None
    for place in (*findings.missing, *findings.changed):
        logger.error("a file is missing or changed: %s; restore it from a backup", place)
    return findings.counts


def known_files() -> Iterator[KnownFile]:
    """All files that rows refer to, each once.

    Reads no more columns than it needs: a backup is made before an upgrade adds columns.
    """
    seen: set[str] = set()
    for dataset in Dataset.objects.order_by("pk").only("name", "number", "sha256"):
        if dataset.file_name not in seen:
            seen.add(dataset.file_name)
            yield KnownFile("datasets", dataset.file_name, dataset.sha256, f"dataset {dataset}")
    # a database from before an upgrade has no such table yet
    has_uploads = Upload._meta.db_table in connection.introspection.table_names()
    for upload in Upload.objects.order_by("pk").only("folder") if has_uploads else ():
        yield KnownFile("datasets", upload.file_name, None, f"upload {upload.pk}", required=False)
    for version in (
        _kept(Version, "artifacts_removed_at")
        .order_by("pk")
        .select_related("classifier")
        .only("artifacts", "number", "classifier__name")
    ):
        for part, entry in version.artifacts.items():
            yield KnownFile("artifacts", entry["name"], entry["sha256"], f"version {version}, {part}")
    for batch in (
        _kept(Batch, "files_removed_at").order_by("pk").only("folder", "state").prefetch_related("parts")
    ):
        yield from _files_of(batch)


def check_files(is_stopping: Callable[[], bool] = lambda: False) -> Findings:
    """Compare the SHA-256 of all known files, and list the files without a row.

    Args:
        is_stopping: asked before every file whether to end.

    Raises:
        Stopped: it was asked to end.
    """
    findings = Findings()
    known: dict[str, set[str]] = {name: set() for name in STORAGES}
    for file in known_files():
        if is_stopping():
            raise Stopped
        findings.checked += 1
        known[file.storage].add(file.name)
        place = f"{file.storage}/{file.name} ({file.row})"
        storage = storages[file.storage]
        if not storage.exists(file.name):
            if file.required:
                findings.missing.append(place)
        elif file.sha256 is not None:
            with storage.open(file.name) as content:
                if digest(content) != file.sha256:
                    findings.changed.append(place)
    for name in STORAGES:
        findings.orphans += [f"{name}/{path}" for path in walk(storages[name]) if path not in known[name]]
    return findings


def walk(storage: Storage, folder: str = "") -> Iterator[str]:
    """The names of all files of a storage, below a folder of it."""
    try:
        folders, names = storage.listdir(folder)
    except FileNotFoundError:
        return
    prefix = f"{folder}/" if folder else ""
    yield from (f"{prefix}{name}" for name in sorted(names))
    for inner in sorted(folders):
        yield from walk(storage, f"{prefix}{inner}")


def _kept(model: type[Any], removed: str) -> Any:
    """The rows whose files were not removed; a database from before an upgrade has no such column yet."""
    with connection.cursor() as cursor:
        columns = connection.introspection.get_table_description(cursor, model._meta.db_table)
    rows = model.objects.all()
    return rows.filter(**{removed: None}) if removed in {column.name for column in columns} else rows


def _files_of(batch: Batch) -> Iterator[KnownFile]:
    row = f"batch {batch.pk}"
    yield KnownFile("batches", batch.source_name, None, row, required=batch.state in UNFINISHED)
    yield KnownFile("batches", batch.errors_name, None, row, required=False)
    for part in batch.parts.all():
        yield KnownFile("batches", batch.part_name(part.number), None, row)
