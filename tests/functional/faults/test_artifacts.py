"""Artifacts flipped, cut, swapped, linked and deleted under a running server: never served, and repaired at once."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.functional.faults.conftest import example_of, make_key
from tests.functional.faults.load import PATIENCE_SECONDS
from tests.support.site import Site, wait_for

pytestmark = [pytest.mark.site, pytest.mark.fault, pytest.mark.promise(7)]

# as a part of the file's length: what joblib and zlib read first, the arrays, and the checksum at the end
PLACES = {"first byte": 0.0, "header": 0.001, "quarter": 0.25, "middle": 0.5, "end": 0.999, "last byte": 1.0}


def flip(place: float) -> Callable[[Path, Path], None]:
    """Change one bit."""

    def spoil(path: Path, _: Path) -> None:
        data = bytearray(path.read_bytes())
        data[int(place * (len(data) - 1))] ^= 1
        path.write_bytes(data)

    return spoil


def cut(path: Path, _: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path, _: Path) -> None:
    path.write_bytes(b"")


def swap(path: Path, other: Path) -> None:
    path.write_bytes(other.read_bytes())


def link(path: Path, other: Path) -> None:
    path.unlink()
    path.symlink_to(other)


def delete(path: Path, _: Path) -> None:
    path.unlink()


HARMS = {**{f"flip the {name}": flip(place) for name, place in PLACES.items()}, "cut": cut, "empty": empty}
HARMS |= {"swap": swap, "link": link, "delete": delete}


def pipelines(site: Site, caller: httpx.Client) -> dict[int, Path]:
    """The pipeline files of the versions by number."""
    result = caller.get("/api/versions", params={"page_size": 100}).json()["results"]
    folder = site.state / "artifacts"
    return {
        item["number"]: next(path for path in folder.glob(f"run-{item['run']}/*/pipeline.joblib"))
        for item in result
    }


@contextmanager
def spoiled(path: Path, other: Path, harm: Callable[[Path, Path], None]) -> Iterator[None]:
    """Do it, and put the file back afterwards."""
    whole = path.with_suffix(".whole")
    shutil.copyfile(path, whole)
    try:
        harm(path, other)
        yield
    finally:
        whole.replace(path)


@pytest.mark.case("F18", "F19", "F20", "F21", "F22")
def test_no_spoiled_artifact_is_activated_or_served(small_site: Site) -> None:
    example = example_of(small_site)
    with small_site.client(make_key(small_site, "keeper", "read", "activate", "predict")) as caller:
        files = pipelines(small_site, caller)
        ids = {
            item["number"]: item["id"]
            for item in caller.get("/api/versions", params={"page_size": 100}).json()["results"]
        }
        answered = caller.post("/predict", json={"features": example}).json()
        for name, harm in HARMS.items():
            with spoiled(files[2], files[1], harm):
                refused = caller.post(f"/api/versions/{ids[2]}/activate", json={"reason": "a fault test"})
                assert refused.status_code == httpx.codes.CONFLICT, (name, refused.text)
                pinned = caller.post("/predict", json={"features": example, "version": 2})
                assert pinned.status_code == httpx.codes.SERVICE_UNAVAILABLE, (name, pinned.text)
            # the version that is loaded goes on whatever becomes of its file
            with spoiled(files[1], files[2], harm):
                again = caller.post("/predict", json={"features": example}).json()
            for field in ("version", "label", "probabilities"):
                assert again[field] == answered[field], name


def test_a_restarted_server_serves_no_changed_artifact_and_takes_the_repaired_one_by_itself(
    small_site: Site,
) -> None:
    example = example_of(small_site)
    with small_site.client(make_key(small_site, "keeper", "read")) as caller:
        files = pipelines(small_site, caller)
    beside = Site(small_site.state, small_site.environment)
    try:
        with spoiled(files[1], files[2], flip(0.5)):
            beside.serve_unready("--no-worker")
            with beside.client() as caller:
                refused = caller.post("/predict", json={"features": example})
                assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE, refused.text
                assert "SHA-256" in refused.json()["detail"]
                assert "SHA-256" in caller.get("/health/ready").json()["checks"]["model"]
        with beside.client() as caller:
            wait_for(
                lambda: caller.post("/predict", json={"features": example}).is_success,
                "the repaired version to be served",
                PATIENCE_SECONDS,
            )
    finally:
        beside.stop()
