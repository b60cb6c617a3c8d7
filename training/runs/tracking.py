"""Weights & Biases. Only this module uses it, and its failures are only warnings of a run."""

import logging
import os
from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings

from clfsite.core.storage import files
from training.ml.trainer import Trained
from training.models import Version

logger = logging.getLogger(__name__)

PROJECT = "clfsite"
# seconds that a run may wait for the first answer of the server, and for the upload at the end
CONNECT_SECONDS, FINISH_SECONDS = 15, 120


@dataclass(frozen=True)
class Tracked:
    """The result of tracking: the run's page if there is one, and a warning if something failed."""

    url: str = ""
    warning: str = ""


def record(version: Version, trained: Trained) -> Tracked:
    """Write a version's recipe, candidates, metrics, curves and artifact to W&B.

    Offline runs are files under the state folder's `wandb`, for `wandb sync` to send later.
    """
    mode = settings.CLFSITE_WANDB_MODE
    if mode == "disabled":
        return Tracked()
    try:
        return _record(version, trained, mode)
    except Exception as error:  # noqa: BLE001  a foreign client may raise anything
        logger.warning("run %s was not tracked: %s", version.run_id, error)
        return Tracked(warning=_warning("did not accept the run", error))


def _warning(what: str, error: Exception) -> str:
    return f"Weights & Biases {what}: {type(error).__name__}: {str(error).strip()}"[:500]


def _record(version: Version, trained: Trained, mode: str) -> Tracked:
    # set before wandb is imported, because its first call may ask for a login
    folder = settings.STATE_DIR / "wandb"
    folders = {f"WANDB_{name}_DIR": str(folder / name.lower()) for name in ("DATA", "CACHE", "CONFIG")}
    os.environ |= {"WANDB_MODE": mode, "WANDB_SILENT": "true", **folders}
    import wandb

    run = wandb.init(
        project=PROJECT,
        name=f"{version.classifier}-v{version.number}",
        dir=str(settings.STATE_DIR),
        mode=cast(Any, mode),  # validated with the settings
        config=_config(version),
        reinit="create_new",
        settings=wandb.Settings(
            init_timeout=CONNECT_SECONDS,
            finish_timeout=FINISH_SECONDS,
            finish_timeout_raises=True,
            console="off",
            disable_git=True,
            save_code=False,
            x_disable_stats=True,
        ),
    )
    try:
        for candidate in reversed(trained.candidates):
            run.log(
                {
                    "candidate/mean": candidate.mean,
                    "candidate/std": candidate.std,
                    "candidate/rank": candidate.rank,
                }
            )
        run.log({"candidates": _candidates(wandb, trained), "confusion": _confusion(wandb, version)})
        run.log(_curves(wandb, trained))
        for name, value in trained.held_out.metrics.items():
            run.summary[f"held_out/{name}"] = value
            run.summary[f"cross_validation/{name}"] = trained.cross_validation[name]["mean"]
        model = _log_artifact(wandb, run, version)
    finally:
        run.finish()
    if mode != "online":
        return Tracked()
    try:
        # the run succeeds even if its artifact was refused; only the artifact shows it
        model.wait(CONNECT_SECONDS)
    except Exception as error:  # noqa: BLE001  as in `record`
        logger.warning("the model of run %s was not confirmed: %s", version.run_id, error)
        return Tracked(run.url or "", _warning("did not confirm the model", error))
    return Tracked(run.url or "")


def _log_artifact(wandb: Any, run: Any, version: Version) -> Any:
    entry = version.artifacts["pipeline"]
    model = wandb.Artifact(
        f"{version.classifier}",
        type="model",
        metadata={"version": version.number, "sha256": entry["sha256"]},
    )
    with files.local_path(files.artifacts(), entry["name"]) as path:
        # W&B may upload a file days later; temporary files need a copy
        is_copy = path.is_relative_to(settings.FILE_UPLOAD_TEMP_DIR)
        model.add_file(
            str(path),
            name="pipeline.joblib",
            policy="mutable" if is_copy else "immutable",
            skip_cache=True,
        )
    return run.log_artifact(model, aliases=[f"v{version.number}"])


def _config(version: Version) -> dict[str, Any]:
    dataset = version.run.dataset
    return {
        "classifier": version.classifier.name,
        "version": version.number,
        "run": version.run_id,
        "dataset": {
            "name": dataset.name,
            "number": dataset.number,
            "sha256": dataset.sha256,
            "rows": dataset.rows,
        },
        "recipe": version.run.recipe_data,
        "corrections": version.run.corrections_data,
        "family": version.family,
        "params": version.params,
        "positive": version.contract.positive,
        "threshold": version.threshold,
        "libraries": version.libraries,
    }


def _candidates(wandb: Any, trained: Trained) -> Any:
    rows = [
        [row.rank, row.family, str(row.params), row.mean, row.std, row.seconds] for row in trained.candidates
    ]
    return wandb.Table(columns=["rank", "family", "params", "mean", "std", "seconds"], data=rows)


def _confusion(wandb: Any, version: Version) -> Any:
    classes = version.contract.classes
    rows = [
        [truth, predicted, count]
        for truth, counts in zip(classes, version.held_out["confusion"], strict=True)
        for predicted, count in zip(classes, counts, strict=True)
    ]
    return wandb.Table(columns=["true", "predicted", "rows"], data=rows)


def _curves(wandb: Any, trained: Trained) -> dict[str, Any]:
    tables = {}
    for kind in ("roc", "precision_recall"):
        rows = [
            [curve["label"], x, y]
            for curve in trained.held_out.curves[kind]
            for x, y in zip(curve["x"], curve["y"], strict=True)
        ]
        tables[kind] = wandb.Table(columns=["class", "x", "y"], data=rows)
    return tables
