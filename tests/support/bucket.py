"""A real S3 server on this machine, and storages that lie in a bucket of it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import httpx

from tests.support.site import free_port, trust, wait_for

REGION = "eu-central-1"
SECRET = "a-secret-key-of-the-bucket"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "a-key-of-the-bucket", "AWS_SECRET_ACCESS_KEY": SECRET}
NAMES = ("datasets", "artifacts", "batches")


@contextmanager
def s3_server(port: int = 0) -> Iterator[str]:
    """Start an empty server and give its URL."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    environment = {**os.environ, **CREDENTIALS}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        assert server.poll() is None, "the S3 server ended by itself"
        try:
            answer = httpx.get(url, timeout=2, trust_env=False, verify=trust())
        except httpx.TransportError:
            return False
        return answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR

    try:
        wait_for(answers, "the S3 server")
        yield url
    finally:
        server.kill()
        server.wait()


def client(url: str) -> Any:
    """Boto's own client, to look at the bucket past the site."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=SECRET,
    )


def make_bucket(url: str, name: str) -> None:
    client(url).create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})


def in_bucket(url: str, bucket: str, storages: dict[str, Any]) -> dict[str, Any]:
    """STORAGES with everything that the site keeps in a bucket."""
    options = {"bucket_name": bucket, "endpoint_url": url, "region_name": REGION}
    return storages | {
        name: {
            "BACKEND": "clfsite.core.storage.bucket.BucketStorage",
            "OPTIONS": {**options, "location": f"site/{name}"},
        }
        for name in NAMES
    }
