"""Static files named by templates that are newer than the process."""

import json
from pathlib import Path

import pytest

from clfsite.core.storage.static_files import StaticFiles


@pytest.fixture
def storage(tmp_path: Path) -> StaticFiles:
    _write(tmp_path, {"site.css": "site.1111.css"})
    return StaticFiles(location=tmp_path, base_url="/static/")


def _write(folder: Path, paths: dict[str, str]) -> None:
    manifest = {"paths": paths, "version": "1.1", "hash": "abc"}
    (folder / "staticfiles.json").write_text(json.dumps(manifest))


def test_a_name_is_found_that_was_collected_after_the_start(storage: StaticFiles, tmp_path: Path) -> None:
    assert storage.url("site.css") == "/static/site.1111.css"
    _write(tmp_path, {"site.css": "site.2222.css", "new.js": "new.3333.js"})
    assert storage.url("site.css") == "/static/site.1111.css"
    assert storage.url("new.js") == "/static/new.3333.js"


def test_a_name_that_was_never_collected_is_no_error_of_the_page(
    storage: StaticFiles, caplog: pytest.LogCaptureFixture
) -> None:
    assert storage.url("forgotten.js") == "/static/forgotten.js"
    assert "forgotten.js is not a collected static file" in caplog.text
