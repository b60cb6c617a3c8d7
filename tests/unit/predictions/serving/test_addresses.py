"""The list of addresses for programs covers what is routed, and says how each is treated."""

import re

import pytest
from django.conf import settings

from predictions.serving.addresses import ADDRESSES, PROBES, SCORING, SHARED, Address
from tests.support.routes import routes


def paths() -> set[str]:
    """Every route's address, without its first slash."""
    return {address.lstrip("/") for _, address in routes()}


def test_every_route_is_a_page_or_below_a_listed_address() -> None:
    listed = tuple(f"{address.path}/" for address in ADDRESSES)
    pages = tuple(page.lstrip("/") for page in settings.PAGES)
    others = {path for path in paths() if not path.startswith((*listed, *pages))}
    assert others == {"", "docs/"}


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda address: address.path)
def test_every_listed_address_is_routed(address: Address) -> None:
    assert any(path.startswith(f"{address.path}/") for path in paths())


@pytest.mark.parametrize(
    ("path", "is_probe", "is_shared"),
    [
        ("health", True, False),
        ("health/ready/", True, False),
        ("metrics", True, False),
        ("ping/", True, True),
        ("v2/health/live", True, True),
        ("v2/models/churn/infer", False, True),
        ("predict", False, True),
        ("predict-batch/", False, True),
        ("api/runs", False, True),
        ("predictors", False, False),
        ("portal/predict", False, False),
        ("portal/versions/3", False, False),
        ("admin/", False, False),
    ],
)
def test_probes_skip_https_and_calls_are_shared_with_listed_origins(
    path: str, is_probe: bool, is_shared: bool
) -> None:
    assert bool(re.search(PROBES, path)) == is_probe
    assert bool(re.search(SHARED, f"/{path}")) == is_shared


def test_scoring_goes_the_short_way_and_pages_do_not() -> None:
    for path in ("/predict", "/predict-batch", "/info", "/invocations", "/v2/models/churn/infer"):
        assert path.startswith(SCORING)
    for path in ("/portal/predict", "/v2/health/live", "/api/predictions"):
        assert not path.startswith(SCORING)
