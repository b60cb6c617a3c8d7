"""Everything that changes more than one row or file on the way from a CSV to an active version."""

from training.datasets.service import import_dataset, load_table
from training.runs.service import execute_run, request_retrain, request_run, track_version
from training.versions.service import (
    activate_version,
    artifact_path,
    load_scorer,
    make_default,
    open_artifact,
    register_version,
    verify_version,
)

__all__ = [
    "activate_version",
    "artifact_path",
    "execute_run",
    "import_dataset",
    "load_scorer",
    "load_table",
    "make_default",
    "open_artifact",
    "register_version",
    "request_retrain",
    "request_run",
    "track_version",
    "verify_version",
]
