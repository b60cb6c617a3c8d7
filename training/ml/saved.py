"""A trained model in its own folder: written once, and loaded only if its predictions are unchanged."""

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
    """Write a trained model into a new folder: the pipeline, and a file with the facts needed for scoring.

    Raises:
        FileExistsError: the folder exists; a saved model is not overwritten.
    """
    data = artifact.dump(trained.pipeline)
    facts = {
        "sha256": artifact.digest(data),
        "contract": trained.contract.to_dict(),
        "threshold": trained.threshold,
        "engine": trained.engine,
        "golden": trained.golden,
        "libraries": artifact.libraries(trained.pipeline),
    }
    folder.mkdir(parents=True)
    (folder / PIPELINE).write_bytes(data)
    (folder / FACTS).write_text(json.dumps(facts))


def load(folder: Path) -> LoadedModel:
    """Load a model written by `save`.

    Raises:
        ArtifactError: the pipeline differs from the saved one, was written by another version of scikit-learn, or
            gives other probabilities here.
    """
    facts = json.loads((folder / FACTS).read_text())
    contract = Contract.from_dict(facts["contract"])
    pipeline = artifact.load((folder / PIPELINE).read_bytes(), facts["sha256"])
    artifact.check_golden(pipeline, contract, facts["golden"])
    return LoadedModel.load(
        pipeline, contract, facts["threshold"], facts["engine"], facts["golden"]["records"]
    )
