"""The files that rows of the database refer to, and their verification."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.core.files.storage import Storage, storages
from django.db import connection

from clfsite.core.storage.files import digest
from predictions.models import Batch
from training.models import Dataset, Upload, Version

STORAGES = ("datasets", "artifacts", "batches")
# states of a batch in which its uploaded file is still needed
UNFINISHED = ("queued", "running", "checked")


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
        Version.objects.order_by("pk")
        .select_related("classifier")
        .only("artifacts", "number", "classifier__name")
    ):
        for part, entry in version.artifacts.items():
            yield KnownFile("artifacts", entry["name"], entry["sha256"], f"version {version}, {part}")
    for batch in Batch.objects.order_by("pk").only("folder", "state").prefetch_related("parts"):
        yield from _files_of(batch)


def check_files() -> Findings:
    """Compare the SHA-256 of all known files, and list the files without a row."""
    findings = Findings()
    known: dict[str, set[str]] = {name: set() for name in STORAGES}
    for file in known_files():
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


def _files_of(batch: Batch) -> Iterator[KnownFile]:
    row = f"batch {batch.pk}"
    yield KnownFile("batches", batch.source_name, None, row, required=batch.state in UNFINISHED)
    yield KnownFile("batches", batch.errors_name, None, row, required=False)
    for part in batch.parts.all():
        yield KnownFile("batches", batch.part_name(part.number), None, row)
