"""Upload handlers that enforce the size limit and clean up after a full disk."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import (
    FileUploadHandler,
    StopUpload,
    TemporaryFileUploadHandler,
)
from django.http import HttpRequest


def was_cut(request: HttpRequest) -> bool:
    """Whether the files of a request were larger than the limit and were dropped."""
    return getattr(request, "upload_too_large", False)


class SizeLimitUploadHandler(FileUploadHandler):
    """Counts the bytes of all files of a request and drops them past CLFSITE_UPLOAD_BYTES.

    Forms and parsers check `was_cut` and report it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.received = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        self.received += len(raw_data)
        if self.received > settings.CLFSITE_UPLOAD_BYTES:
            if self.request is not None:
                self.request.upload_too_large = True  # type: ignore[attr-defined]
            # the rest is read and dropped, because otherwise the client sees a reset connection instead of
            # the answer
            raise StopUpload(connection_reset=False)
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None


class DiskUploadHandler(TemporaryFileUploadHandler):
    """Writes an upload to disk, and deletes it at once if the disk is full."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        with self._whole_or_gone():
            return super().receive_data_chunk(raw_data, start)

    def file_complete(self, file_size: int) -> UploadedFile | None:  # type: ignore[type-arg]
        # the last bytes are written here
        with self._whole_or_gone():
            return super().file_complete(file_size)

    @contextmanager
    def _whole_or_gone(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            # otherwise the file stays until garbage collection; closing it tries to write again
            with suppress(OSError):
                self.file.close()
            raise
