"""An S3 bucket as storage, for machines without a shared folder. Only this module uses S3."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from django.conf import settings
from django.core.files.base import File
from storages.backends.s3 import S3Storage

from clfsite.core.errors import Unavailable
from clfsite.core.storage.files import SafeStorage

# seconds; a request that stores or fetches a file waits for at most three attempts
CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 3, 20, 3


class BucketStorage(S3Storage, SafeStorage):  # type: ignore[misc]
    """Objects below a prefix of one bucket. S3 stores an object completely or not at all.

    All methods raise FileNotFoundError for a missing object, like a folder, and Unavailable if the bucket
    fails.
    """

    client_config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )

    def __init__(self, **options: str) -> None:
        super().__init__(**options)
        if self.endpoint_url:
            # servers other than Amazon's rarely have a host name for each bucket
            self.client_config = self.client_config.merge(Config(s3={"addressing_style": "path"}))

    def create(self, name: str, data: bytes) -> None:
        """Store an object under a new name. If several processes try at the same time, S3 accepts one."""
        try:
            with self._asked_for(name):
                self.connection.meta.client.put_object(
                    Bucket=self.bucket_name, Key=self._normalize_name(name), Body=data, IfNoneMatch="*"
                )
        except FileExistsError:
            # the client repeats a put whose answer was lost, and then finds its own object
            with self.open(name) as file:
                if file.read() != data:
                    raise

    def total_bytes(self) -> int:
        with self._asked_for(self.location):
            return sum(item.size for item in self.bucket.objects.filter(Prefix=f"{self.location}/"))

    def url(self, name: str | None) -> str:
        """The address of the object, without a signature, because a signed link gives access to everyone."""
        return f"s3://{self.bucket_name}/{self._normalize_name(name or '')}"

    def exists(self, name: str) -> bool:
        try:
            with self._asked_for(name):
                self.connection.meta.client.head_object(
                    Bucket=self.bucket_name, Key=self._normalize_name(name)
                )
        except FileNotFoundError:
            return False
        return True

    def delete(self, name: str) -> None:
        with self._asked_for(name):
            super().delete(name)

    def _open(self, name: str, mode: str = "rb") -> File:  # type: ignore[type-arg]
        """Fetch the whole object first, because a reader must not get a network error half way."""
        with ExitStack() as closing:
            file = closing.enter_context(tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR))
            with self._asked_for(name):
                self.bucket.Object(self._normalize_name(name)).download_fileobj(file)
            file.seek(0)
            closing.pop_all()
        return File(file, name)

    def _save(self, name: str, content: File) -> str:  # type: ignore[type-arg]
        with self._asked_for(name):
            saved: str = super()._save(name, content)
        return saved

    @contextmanager
    def _asked_for(self, name: str) -> Iterator[None]:
        """Convert exceptions of S3 and its client to those of a folder, or Unavailable."""
        try:
            yield
        except NoCredentialsError as error:
            raise Unavailable(
                f"there are no credentials for the bucket {self.bucket_name}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ) from error
        except ClientError as error:
            raise self._translated(error, name) from error
        except (BotoCoreError, Boto3Error) as error:
            where = self.endpoint_url or "S3"
            raise Unavailable(
                f"the bucket {self.bucket_name} at {where} does not answer ({type(error).__name__}); try again, "
                "or correct CLFSITE_STORAGE_URL"
            ) from error

    def _translated(self, error: ClientError, name: str) -> Exception:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if code in {"PreconditionFailed", "ConditionalRequestConflict"}:
            return FileExistsError(f"{name} exists already")
        if code in {"404", "NoSuchKey"} and self._is_there():
            return FileNotFoundError(f"there is no {name}")
        if code in {"404", "NoSuchKey", "NoSuchBucket"}:
            return Unavailable(
                f"there is no bucket {self.bucket_name}; create it, or correct CLFSITE_STORAGE_URL"
            )
        return Unavailable(
            f"the bucket {self.bucket_name} refused access to {name} ({code or status}); check the credentials "
            "(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) and what they may do"
        )

    def _is_there(self) -> bool:
        """Whether the bucket exists. A 404 for an object may mean either."""
        try:
            self.connection.meta.client.head_bucket(Bucket=self.bucket_name)
        except ClientError as error:
            # credentials without permission to list get 403 for an existing bucket
            return bool(error.response.get("Error", {}).get("Code") != "404")
        return True
