import pytest
from django.test import Client

from tests.integration.conftest import SECRET, Post
from tests.integration.predictions.protocols.tensors import Get, Record


@pytest.fixture
def get(post: Post) -> Get:
    """GET with the key of `post`."""
    return lambda address: Client().get(address, headers={"authorization": f"Bearer {SECRET}"})


@pytest.fixture
def records(example: Record) -> list[Record]:
    """Rows that the contract accepts."""
    return [example, {**example, "spend": 60.25, "tenure": 70}, {**example, "plan": "pro", "member": True}]
