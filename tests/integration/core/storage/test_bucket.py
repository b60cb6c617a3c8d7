"""A bucket as storage, on a real S3 server: whole objects, never another's, and every refusal in words."""

import hashlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.core.exceptions import SuspiciousOperation
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from clfsite.core.errors import Conflict, NotFound, Unavailable
from clfsite.core.storage import files
from tests.support import bucket as buckets
from tests.support.factories import DatasetFactory, RunFactory, tiny, trained_version
from tests.support.site import free_port
from training.datasets.frames import load_table
from training.datasets.service import import_dataset
from training.ml.serve.artifact import digest
from training.models import Run, Version
from training.runs.execution import execute_run
from training.versions.service import activate_version, artifact_path, open_artifact

RACERS = 8


class BreakingFile(ContentFile):  # type: ignore[type-arg]  # generic in its stubs alone
    """A source that fails after the first piece."""

    def read(self, *_args: int) -> bytes:
        if self.tell():
            raise OSError(5, "Input/output error")
        self.seek(1)
        return b"the first piece"


@pytest.fixture
def keys(bucket: str, s3_url: str) -> Callable[[], list[str]]:
    """Name every object of the bucket."""

    def names() -> list[str]:
        result = buckets.client(s3_url).list_objects_v2(Bucket=bucket)
        return sorted(entry["Key"] for entry in result.get("Contents", []))

    return names


@pytest.fixture
def put(bucket: str, s3_url: str) -> Callable[[str, bytes], None]:
    """Write an object past the site."""

    def write(key: str, data: bytes) -> None:
        buckets.client(s3_url).put_object(Bucket=bucket, Key=key, Body=data)

    return write


@pytest.fixture
def _nobody_listens(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in buckets.CREDENTIALS.items():
        monkeypatch.setenv(variable, value)
    url = f"http://127.0.0.1:{free_port()}"
    settings.STORAGES = buckets.in_bucket(url, "nowhere", settings.STORAGES)


def test_object_is_written_below_the_prefix_and_read_back(keys: Callable[[], list[str]]) -> None:
    files.artifacts().create("run-1/pipeline.joblib", b"model")
    assert keys() == ["site/artifacts/run-1/pipeline.joblib"]
    with files.artifacts().open("run-1/pipeline.joblib") as file:
        assert (file.size, file.read()) == (5, b"model")


def test_object_that_is_there_is_not_written_over(bucket: str) -> None:
    files.artifacts().create("pipeline.joblib", b"first")
    with pytest.raises(FileExistsError, match="exists already"):
        files.artifacts().create("pipeline.joblib", b"second")
    with files.artifacts().open("pipeline.joblib") as file:
        assert file.read() == b"first"


def test_put_that_is_sent_again_after_a_lost_answer_is_done(bucket: str) -> None:
    files.artifacts().create("pipeline.joblib", b"first")
    files.artifacts().create("pipeline.joblib", b"first")


def test_of_racing_writers_exactly_one_gets_the_name(bucket: str) -> None:
    together = Barrier(RACERS)

    def race(number: int) -> int | None:
        together.wait()
        try:
            files.artifacts().create("pipeline.joblib", f"of {number}".encode())
        except FileExistsError:
            return None
        return number

    with ThreadPoolExecutor(RACERS) as pool:
        winners = [number for number in pool.map(race, range(RACERS)) if number is not None]
    assert len(winners) == 1
    with files.artifacts().open("pipeline.joblib") as file:
        assert file.read() == f"of {winners[0]}".encode()


def test_saving_replaces_at_one_stroke_and_deleting_twice_is_no_error(keys: Callable[[], list[str]]) -> None:
    store = storages["batches"]
    assert store.save("1/result.csv", ContentFile(b"first")) == "1/result.csv"
    assert store.save("1/result.csv", ContentFile(b"second")) == "1/result.csv"
    with store.open("1/result.csv") as file:
        assert file.read() == b"second"
    for _ in range(2):
        store.delete("1/result.csv")
    assert keys() == []
    assert not store.exists("1/result.csv")


def test_write_that_breaks_off_leaves_nothing(keys: Callable[[], list[str]]) -> None:
    with pytest.raises(OSError, match="Input/output error"):
        storages["batches"].save("1/result.csv", BreakingFile(b"content"))
    assert keys() == []


@pytest.mark.parametrize("name", ["../outside", "run-1/../../outside"])
def test_name_that_leads_outside_is_refused(name: str, keys: Callable[[], list[str]]) -> None:
    for call in (
        lambda: files.artifacts().create(name, b"content"),
        lambda: files.artifacts().open(name),
        lambda: files.artifacts().delete(name),
    ):
        with pytest.raises(SuspiciousOperation):
            call()
    assert keys() == []


def test_address_of_an_object_is_no_link_that_lets_anybody_in(bucket: str) -> None:
    assert artifact_path("run-1/pipeline.joblib") == (f"s3://{bucket}/site/artifacts/run-1/pipeline.joblib")


def test_local_path_is_a_copy_that_is_gone_afterwards(bucket: str) -> None:
    files.artifacts().create("run-1/pipeline.joblib", b"model")
    with files.local_path(files.artifacts(), "run-1/pipeline.joblib") as path:
        assert (path.name, path.read_bytes()) == ("pipeline.joblib", b"model")
    assert not path.exists()


def test_missing_object_is_missing_as_in_a_folder(bucket: str) -> None:
    with pytest.raises(FileNotFoundError):
        files.artifacts().open("absent")
    assert not files.artifacts().exists("absent")


def test_missing_bucket_is_named_and_not_taken_for_a_missing_object(bucket: str, settings: Any) -> None:
    endpoint = settings.STORAGES["artifacts"]["OPTIONS"]["endpoint_url"]
    settings.STORAGES = buckets.in_bucket(endpoint, "mistyped", settings.STORAGES)
    for call in (
        lambda: files.artifacts().open("name"),
        lambda: files.artifacts().exists("name"),
        lambda: files.artifacts().create("name", b""),
        lambda: files.artifacts().save("name", ContentFile(b"")),
    ):
        with pytest.raises(
            Unavailable, match="no bucket mistyped; create it, or correct CLFSITE_STORAGE_URL"
        ):
            call()


def test_credentials_that_are_not_there_are_asked_for(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in buckets.CREDENTIALS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Unavailable, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        files.artifacts().open("name")


@pytest.mark.usefixtures("_nobody_listens")
def test_server_that_is_down_is_named_without_the_credentials() -> None:
    with pytest.raises(Unavailable, match="bucket nowhere at http://127") as caught:
        files.artifacts().open("name")
    assert buckets.SECRET not in str(caught.value)


@pytest.mark.usefixtures("_nobody_listens")
def test_taking_files_back_goes_on_past_a_server_that_is_down() -> None:
    files.remove_quietly(files.artifacts(), ["name"])


def upload(data: bytes) -> Any:
    return import_dataset(name="small", target="left", source=io.BytesIO(data))


@pytest.mark.django_db
def test_upload_is_stored_under_its_hash_and_repaired_by_another(
    keys: Callable[[], list[str]], put: Callable[[str, bytes], None]
) -> None:
    dataset = upload(tiny().csv)
    (key,) = keys()
    assert key == f"site/datasets/{hashlib.sha256(tiny().csv).hexdigest()}.csv"
    put(key, b"something else")
    with pytest.raises(Conflict, match="was changed; upload it again"):
        load_table(dataset)
    assert upload(tiny().csv) == dataset
    assert len(load_table(dataset)) == len(tiny().table)


@pytest.mark.django_db
def test_dataset_whose_object_is_gone_says_so(bucket: str) -> None:
    dataset = DatasetFactory.create()
    files.datasets().delete(dataset.file_name)
    with pytest.raises(NotFound, match="missing from storage; upload the table again"):
        load_table(dataset)


@pytest.mark.django_db
@pytest.mark.usefixtures("_nobody_listens")
def test_upload_while_the_server_is_down_is_refused_and_leaves_no_row() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        upload(tiny().csv)


@pytest.mark.django_db(transaction=True)
def test_run_trains_from_the_bucket_into_the_bucket_and_serves(keys: Callable[[], list[str]]) -> None:
    run = RunFactory.create(activate_when_done=True)
    assert run.start()
    version = execute_run(run, jobs=1)
    assert version is not None, run.error
    assert version.is_active
    names = [entry["name"] for entry in version.artifacts.values()]
    assert sorted(f"site/artifacts/{name}" for name in names) == keys()[:3]
    for part, entry in version.artifacts.items():
        with open_artifact(version, part) as file:
            assert digest(file.read()) == entry["sha256"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_nobody_listens")
def test_run_whose_table_cannot_be_fetched_fails_with_the_reason() -> None:
    run = RunFactory.create(dataset__file=False)
    assert run.start()
    assert execute_run(run, jobs=1) is None
    run.refresh_from_db()
    assert run.state == Run.State.FAILED
    assert "does not answer" in run.error


@pytest.fixture
def version(db: None, bucket: str) -> Version:
    return trained_version()


def activate(version: Version) -> None:
    activate_version(version=version, actor="ada", reason="better recall")


def pipeline_key(version: Version) -> str:
    return f"site/artifacts/{version.artifacts['pipeline']['name']}"


def test_version_whose_object_is_gone_is_a_conflict(version: Version) -> None:
    files.artifacts().delete(version.artifacts["pipeline"]["name"])
    with pytest.raises(Conflict, match="missing from storage"):
        activate(version)
    with pytest.raises(NotFound, match="missing from storage"):
        open_artifact(version, "pipeline")


def test_version_of_which_one_bit_was_changed_is_a_conflict(
    version: Version, put: Callable[[str, bytes], None]
) -> None:
    with files.artifacts().open(version.artifacts["pipeline"]["name"]) as file:
        data = bytearray(file.read())
    data[len(data) // 2] ^= 1
    put(pipeline_key(version), bytes(data))
    with pytest.raises(Conflict, match="SHA-256"):
        activate(version)
    with pytest.raises(Conflict, match="differs from its recorded SHA-256"):
        open_artifact(version, "pipeline")


def test_version_whose_bucket_does_not_answer_is_unavailable_and_nothing_changes(
    version: Version, settings: Any
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    settings.STORAGES = buckets.in_bucket(url, "nowhere", settings.STORAGES)
    with pytest.raises(Unavailable, match="does not answer"):
        activate(version)
    assert not version.is_active
