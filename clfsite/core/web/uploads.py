"""Uploads end at the limit, not when the disk is full."""

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
    """Whether the files of a request were larger than the limit, so that it arrived without them."""
    return getattr(request, "upload_too_large", False)


class SizeLimitUploadHandler(FileUploadHandler):
    """Counts the bytes of all files of a request and stops reading past CLFSITE_UPLOAD_BYTES.

    Forms and parsers ask `was_cut` and say so.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.received = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        self.received += len(raw_data)
        if self.received > settings.CLFSITE_UPLOAD_BYTES:
            if self.request is not None:
                self.request.upload_too_large = True  # type: ignore[attr-defined]
            # reading the rest and dropping it lets the client see the answer instead of a reset connection
            raise StopUpload(connection_reset=False)
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None


class DiskUploadHandler(TemporaryFileUploadHandler):
    """Writes an upload to disk, and takes back at once what a full disk did not take whole."""

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
            # otherwise it would fill the disk until Python's garbage is collected; closing tries to write once more
            with suppress(OSError):
                self.file.close()
            raise
