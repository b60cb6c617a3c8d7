"""A body that ends before the length that was announced is refused; half a file would be taken for a shorter one."""

import io
from typing import Any

import pytest

from clfsite.core.requests.whole_body import CutShort, WholeBody
from clfsite.wsgi import application
from predictions.models import Batch, Prediction
from tests.support.factories import ApiKeyFactory, trained_version
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


def ask(path: str, body: bytes, content_type: str, missing: int | None) -> tuple[int, bytes]:
    """Call the site as its server does where the caller left after sending all but some bytes.

    None of them is missing to a length that was not announced.
    """
    answer: list[Any] = []
    length = {"HTTP_TRANSFER_ENCODING": "chunked"}
    if missing is not None:
        length = {"CONTENT_LENGTH": str(len(body) + missing)}
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "HTTP_HOST": "localhost",
        "HTTP_AUTHORIZATION": f"Bearer {SECRET}",
        "CONTENT_TYPE": content_type,
        **length,
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
    }
    content = b"".join(application(environ, lambda status, headers: answer.append(status)))
    return int(answer[0].split()[0]), content


@pytest.fixture
def _served(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An active version, and a key that may do everything; the follower is left out."""
    monkeypatch.setattr("clfsite.wsgi.follower.start", lambda: None)
    trained_version(classifier="churn", activate=True, default=True)
    ApiKeyFactory.create(secret=SECRET, scopes=("predict", "train", "feedback"))


@pytest.mark.parametrize("path", ["/predict", "/predict-batch", "/invocations", "/v2/models/churn/infer"])
@pytest.mark.usefixtures("_served")
def test_a_call_whose_body_is_not_there_to_its_end_is_refused(path: str) -> None:
    status, content = ask(path, b"{}", "application/json", missing=1)
    assert (status, b"ended 1 bytes before its Content-Length" in content) == (400, True)
    assert not Prediction.objects.exists()


@pytest.mark.parametrize("path", ["/predict", "/predict-batch", "/api/batches", "/portal/batches/new"])
@pytest.mark.usefixtures("_served")
def test_a_body_of_no_announced_length_is_asked_for_one(path: str) -> None:
    status, content = ask(path, b'{"features": {}}', "application/json", missing=None)
    assert (status, b"send a Content-Length" in content) == (411, True)


@pytest.mark.parametrize("path", ["/api/datasets", "/api/batches", "/api/feedback"])
@pytest.mark.usefixtures("_served")
def test_half_a_file_is_no_file(path: str) -> None:
    rows = b"spend,tenure,member,plan,left\n" + b"1,2,true,basic,yes\n2,3,true,pro,no\n" * 20
    fields = {"name": b"half", "target": b"left", "mode": b"strict"}
    parts = [
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
        for name, value in fields.items()
    ]
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="half.csv"\r\n\r\n'
    status, content = ask(path, b"".join(parts) + head + rows, "multipart/form-data; boundary=b", missing=9)
    assert (status, b"ended 9 bytes before its Content-Length" in content) == (400, True)
    assert not Dataset.objects.filter(name="half").exists()
    assert not Batch.objects.exists()
