"""A trained model in a folder of its own: written once, and loaded only where it answers as it did then."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from training.ml.serve import artifact
from training.ml.serve.loaded_model import LoadedModel
from training.ml.tables.contract import Contract

if TYPE_CHECKING:
    from training.ml.trainer import Trained

PIPELINE, FACTS = "pipeline.joblib", "model.json"


def save(trained: "Trained", folder: Path) -> None:
    """Write a trained model into a new folder: the pipeline, and beside it what scoring needs to know.

    Raises:
        FileExistsError: the folder exists; a model is not overwritten.
    """
    data = artifact.dump(trained.pipeline)
    facts = {
        "sha256": artifact.digest(data),
        "contract": trained.contract.to_dict(),
        "threshold": trained.threshold,
        "engine": trained.engine,
        "golden": trained.golden,
        "libraries": artifact.libraries(),
    }
    folder.mkdir(parents=True)
    (folder / PIPELINE).write_bytes(data)
    (folder / FACTS).write_text(json.dumps(facts))


def load(folder: Path) -> LoadedModel:
    """Load what `save` wrote.

    Raises:
        ArtifactError: the pipeline is not the one that was saved, was written by another scikit-learn, or answers
            differently here.
    """
    facts = json.loads((folder / FACTS).read_text())
    contract = Contract.from_dict(facts["contract"])
    pipeline = artifact.load((folder / PIPELINE).read_bytes(), facts["sha256"])
    artifact.check_golden(pipeline, contract, facts["golden"])
    return LoadedModel.load(
        pipeline, contract, facts["threshold"], facts["engine"], facts["golden"]["records"]
    )
