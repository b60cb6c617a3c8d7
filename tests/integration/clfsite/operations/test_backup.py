"""`manage.py backup`, `restore` and `verify`: what they refuse, and what an interruption leaves behind."""

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from pytest_django import Settings

from clfsite.core.storage import files
from clfsite.operations import backup, doctor
from clfsite.operations.backup import MANIFEST, BackupError, check_backup, create_backup, list_backups
from clfsite.operations.known_files import check_files
from predictions.monitoring import gauges
from tests.support.disk import fill, small_disk
from tests.support.factories import trained_version
from training.models import Version

# a dump is made and read by other connections, which see what was committed alone
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def version() -> Version:
    return trained_version(classifier="churn", activate=True)


@pytest.fixture
def notes() -> list[str]:
    return []


def make(folder: Path, notes: list[str], keep: int | None = None) -> Path:
    return create_backup(folder, keep=keep, note=notes.append)


def make_named(folder: Path, name: str) -> Path:
    """An earlier complete backup, which only its manifest makes one."""
    (folder / name).mkdir(parents=True)
    (folder / name / MANIFEST).write_text("{}")
    return folder / name


def test_a_backup_has_the_database_and_every_file_with_its_hash(
    version: Version, tmp_path: Path, notes: list[str]
) -> None:
    made = make(tmp_path / "backups", notes)
    manifest = json.loads((made / MANIFEST).read_text())
    names = {f"artifacts/{entry['name']}" for entry in version.artifacts.values()}
    assert names <= set(manifest["files"])
    assert manifest["rows"]["training_version"] == 1
    assert notes == []


def test_only_the_owner_can_read_a_backup(version: Version, tmp_path: Path, notes: list[str]) -> None:
    made = make(tmp_path / "backups", notes)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [made, *made.rglob("*")]}
    assert modes == {0o600, 0o700}


@pytest.mark.parametrize("harm", ["changed", "missing", "database"])
def test_a_damaged_backup_is_recognised(
    version: Version, tmp_path: Path, notes: list[str], harm: str
) -> None:
    made = make(tmp_path / "backups", notes)
    artifact = made / "artifacts" / version.artifacts["model"]["name"]
    database = next(made.glob("database.*"))
    if harm == "missing":
        artifact.unlink()
    else:
        path = database if harm == "database" else artifact
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(BackupError, match="missing" if harm == "missing" else "damaged"):
        check_backup(made)


def test_an_interrupted_backup_leaves_the_last_good_one(
    version: Version, tmp_path: Path, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backups"
    good = make_named(folder, "clfsite-20260101T000000Z")

    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(backup, "copy_hashed", fail)
        with pytest.raises(BackupError, match="No space left on device"):
            make(folder, notes, keep=1)
    assert list(folder.iterdir()) == [good]


def test_a_full_disk_leaves_the_last_good_one(version: Version, tmp_path: Path, notes: list[str]) -> None:
    with small_disk(tmp_path / "disk", megabytes=8) as disk:
        good = make(disk / "backups", notes).rename(disk / "backups" / "clfsite-20260101T000000Z")
        fill(disk, but=64 * 1024)
        with pytest.raises(BackupError, match=r"could not be (written|dumped): .*(is full|No space left)"):
            make(disk / "backups", notes, keep=1)
        assert list((disk / "backups").iterdir()) == [good]
        check_backup(good)


def test_the_last_backup_is_noted_for_metrics_and_doctor(
    version: Version, tmp_path: Path, settings: Settings
) -> None:
    settings.STATE_DIR.mkdir(exist_ok=True)
    assert [item.found for item in doctor.check_up() if item.part == "backup"] == [
        "no backup was made with manage.py backup"
    ]
    call_command("backup", str(tmp_path / "backups"))
    assert [item.state for item in doctor.check_up() if item.part == "backup"] == [doctor.OK]
    text = gauges.exposition().decode()
    assert re.search(r"^clfsite_backup_timestamp_seconds \d", text, re.MULTILINE)
    assert re.search(r"^clfsite_backup_bytes [1-9]", text, re.MULTILINE)


def test_what_a_killed_backup_left_is_removed_by_the_next(
    version: Version, tmp_path: Path, notes: list[str]
) -> None:
    folder = tmp_path / "backups"
    (folder / ".partial-clfsite-20260101T000000Z").mkdir(parents=True)
    made = make(folder, notes)
    assert list(folder.iterdir()) == [made]
    assert "interrupted" in notes[0]


def test_rotation_keeps_the_newest(version: Version, tmp_path: Path, notes: list[str]) -> None:
    folder = tmp_path / "backups"
    old, newer = (make_named(folder, f"clfsite-2026010{day}T000000Z") for day in (1, 2))
    made = make(folder, notes, keep=2)
    assert list_backups(folder) == [newer, made]
    assert not old.exists()


def test_a_lost_file_is_told_and_does_not_stop_the_backup(
    version: Version, tmp_path: Path, notes: list[str]
) -> None:
    name = version.artifacts["model"]["name"]
    files.artifacts().delete(name)
    make(tmp_path / "backups", notes)
    assert [note for note in notes if name in note and "missing" in note]


def test_a_used_place_is_refused(version: Version, tmp_path: Path, notes: list[str]) -> None:
    made = make(tmp_path / "backups", notes)
    with pytest.raises(CommandError, match="is restored into an empty one"):
        call_command("restore", str(made))


def test_a_folder_that_is_no_backup_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is not a backup: it has no manifest"):
        call_command("restore", str(tmp_path))


def test_verify_names_missing_changed_and_orphaned_files(
    version: Version, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("verify")
    model, preprocessor = (version.artifacts[part]["name"] for part in ("model", "preprocessor"))
    files.artifacts().delete(model)
    files.artifacts().delete(preprocessor)
    files.artifacts().save(preprocessor, ContentFile(b"another"))
    files.artifacts().save("left/behind", ContentFile(b""))
    findings = check_files()
    assert [place.partition(" ")[0] for place in findings.missing] == [f"artifacts/{model}"]
    assert [place.partition(" ")[0] for place in findings.changed] == [f"artifacts/{preprocessor}"]
    assert findings.orphans == ["artifacts/left/behind"]
    capsys.readouterr()
    with pytest.raises(CommandError, match="2 files are missing or changed"):
        call_command("verify", json=True)
    assert json.loads(capsys.readouterr().out)["is_sound"] is False
