"""A body that ends before the length that was announced is refused; half a file would be taken for a shorter one."""

import gzip
import io
import json

import pytest
from pytest_django import Settings

from clfsite.core.requests.whole_body import CutShort, WholeBody
from clfsite.rsgi import SHORT
from predictions.batches.models import Batch
from predictions.models import Prediction
from tests.support import rsgi
from tests.support.factories import ApiKeyFactory, tiny, trained_version
from training.models import Dataset

SECRET = "clf_caller"


class Dripping(io.BytesIO):
    """A stream that gives less than it is asked for, as a socket may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 3))


def test_a_body_that_comes_in_pieces_is_read_whole() -> None:
    body = WholeBody(Dripping(b"0123456789"), 10)
    assert [body.read(4), body.read(6)] == [b"0123", b"456789"]


def test_a_body_that_ends_early_is_told_with_what_is_missing() -> None:
    body = WholeBody(io.BytesIO(b"0123456789"), 12)
    assert body.read(4) == b"0123"
    with pytest.raises(CutShort, match="ended 2 bytes before"):
        body.read(8)


def test_lines_end_as_early() -> None:
    body = WholeBody(io.BytesIO(b"one\ntw"), 10)
    assert [body.readline(10), body.readline(6)] == [b"one\n", b"tw"]
    with pytest.raises(CutShort, match="ended 4 bytes before"):
        body.readline(4)


def ask(path: str, body: bytes, content_type: str, missing: int) -> tuple[int, bytes]:
    """Call the site as its server does where the caller left after sending all but some bytes."""
    headers = {"authorization": f"Bearer {SECRET}", "content-type": content_type}
    answer = rsgi.ask(path, body, headers=headers, missing=missing)
    return answer.status, answer.content


@pytest.fixture
def _served(transactional_db: None) -> None:
    """An active version, and a key that may do everything."""
    trained_version(classifier="churn", activate=True, default=True)
    ApiKeyFactory.create(secret=SECRET, scopes=("predict", "train", "feedback"))


@pytest.mark.parametrize("path", ["/predict", "/predict-batch", "/invocations", "/v2/models/churn/infer"])
@pytest.mark.usefixtures("_served")
def test_a_call_whose_body_is_not_there_to_its_end_is_refused(path: str) -> None:
    status, content = ask(path, b"{}", "application/json", missing=1)
    assert (status, b"ended before its Content-Length" in content) == (400, True)
    assert not Prediction.objects.exists()


CHUNKED = {
    "authorization": f"Bearer {SECRET}",
    "transfer-encoding": "chunked",
    "content-type": "application/json",
}


@pytest.mark.parametrize("path", ["/api/batches", "/portal/batches/new"])
@pytest.mark.usefixtures("_served")
def test_an_upload_of_no_announced_length_is_asked_for_one(path: str) -> None:
    answer = rsgi.ask(path, b'{"features": {}}', headers=CHUNKED)
    assert (answer.status, b"send a Content-Length" in answer.content) == (411, True)


@pytest.mark.parametrize(("missing", "status"), [(0, 200), (1, 400)])
@pytest.mark.usefixtures("_served")
def test_a_chunked_call_is_answered_if_it_is_whole(missing: int, status: int) -> None:
    body = json.dumps({"features": tiny().contract.example}).encode()
    answer = rsgi.ask("/predict", body, headers=CHUNKED, missing=missing)
    assert answer.status == status, answer.content
    assert Prediction.objects.count() == (not missing)


@pytest.mark.usefixtures("_served")
def test_a_call_in_gzip_is_read_up_to_the_limit_after_unpacking(settings: Settings) -> None:
    body = json.dumps({"features": tiny().contract.example}).encode()
    headers = {
        "authorization": f"Bearer {SECRET}",
        "content-type": "application/json",
        "content-encoding": "gzip",
    }
    packed = gzip.compress(body)
    assert rsgi.ask("/predict", packed, headers=headers).status == 200
    for wrong in (body, packed[:-1], packed + b"more"):
        answer = rsgi.ask("/predict", wrong, headers=headers)
        assert (answer.status, b"is not gzip" in answer.content) == (400, True)
    settings.CLFSITE_BODY_BYTES = len(body) - 1
    assert rsgi.ask("/predict", packed, headers=headers).status == 413
    assert Prediction.objects.count() == 1


@pytest.mark.usefixtures("_served")
def test_host_of_an_absolute_request_line_counts() -> None:
    body = json.dumps({"features": tiny().contract.example}).encode()
    headers = {"authorization": f"Bearer {SECRET}", "content-type": "application/json"}
    assert rsgi.ask("/predict", body, headers=headers, authority="evil.example.org").status == 400
    assert rsgi.ask("/accounts/login/", authority="evil.example.org").status == 400
    assert rsgi.ask("/predict", body, headers=headers, authority="localhost").status == 200


def form(pairs: int, **fields: bytes) -> bytes:
    """The body of an upload of twice as many rows, without its end."""
    rows = b"spend,tenure,member,plan,left\n" + b"1,2,true,basic,yes\n2,3,true,pro,no\n" * pairs
    parts = [
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
        for name, value in fields.items()
    ]
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="half.csv"\r\n\r\n'
    return b"".join(parts) + head + rows


@pytest.mark.parametrize("path", ["/api/datasets", "/api/batches", "/api/feedback"])
@pytest.mark.usefixtures("_served")
def test_half_a_file_is_no_file(path: str) -> None:
    status, content = ask(
        path,
        form(20, name=b"half", target=b"left", mode=b"strict"),
        "multipart/form-data; boundary=b",
        missing=9,
    )
    assert (status, b"ended before its Content-Length" in content) == (400, True)
    assert not Dataset.objects.filter(name="half").exists()
    assert not Batch.objects.exists()


@pytest.mark.usefixtures("_served")
def test_a_large_file_reaches_its_thread_in_pieces() -> None:
    body = form(40_000, name=b"half", target=b"left") + b"\r\n--b--\r\n"
    assert len(body) > SHORT
    status, content = ask("/api/datasets", body, "multipart/form-data; boundary=b", missing=0)
    assert status == 201, content
    assert Dataset.objects.get(name="half").rows == 80_000
