"""Registration of versions, and the check of their artifacts before use."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from clfsite.core.errors import Conflict
from clfsite.core.storage import files
from training.ml.serve import artifact
from training.ml.serve.loaded_model import LoadedModel
from training.models import Classifier, Run, Version

if TYPE_CHECKING:
    from training.ml.trainer import Trained


def register_version(*, run: Run, trained: "Trained") -> Version:
    """Write the artifacts, and then the version's row and the end of the run in one transaction.

    An exception removes the files. After a crash before the commit, files without a row are left; the next attempt
    uses other names.
    """
    parts = {
        "pipeline": trained.pipeline,
        "model": trained.pipeline.named_steps["model"],
        "preprocessor": trained.pipeline.named_steps["preprocessor"],
    }
    store, written, artifacts = files.artifacts(), [], {}
    try:
        for part, fitted in parts.items():
            data = artifact.dump(fitted)
            name = f"run-{run.pk}/{run.claim}/{part}.joblib"
            store.create(name, data)
            written.append(name)
            artifacts[part] = {"name": name, "sha256": artifact.digest(data), "size_bytes": len(data)}
        with transaction.atomic():
            Classifier.objects.select_for_update().get(pk=run.classifier_id)
            last = Version.objects.filter(classifier=run.classifier).aggregate(last=Max("number"))["last"]
            version = Version.objects.create(
                classifier=run.classifier,
                number=(last or 0) + 1,
                run=run,
                contract_data=trained.contract.to_dict(),
                family=trained.family,
                params=trained.params,
                cross_validation=trained.cross_validation,
                held_out=trained.held_out.to_dict(),
                threshold=trained.threshold,
                out_of_fold=trained.out_of_fold,
                artifacts=artifacts,
                libraries=artifact.libraries(trained.pipeline),
                golden=trained.golden,
                engine=trained.engine,
                reference_data=trained.reference.to_dict(),
            )
            if not run.succeed([vars(candidate) for candidate in trained.candidates], trained.warnings):
                raise Conflict(f"run {run.pk} was ended by another process")
    except BaseException:
        files.remove_quietly(store, written)
        raise
    return version


def verify_version(version: Version) -> Any:
    """Load a version's pipeline and return it.

    Raises:
        Conflict: the file is missing or changed, or gives other probabilities than those recorded at training.
        Unavailable: storage does not respond.
    """
    if version.artifacts_removed_at:
        raise Conflict(removed(version))
    entry = version.artifacts["pipeline"]
    try:
        with files.artifacts().open(entry["name"]) as file:
            # no more than one byte beyond what was written, whatever lies there now
            data = file.read(entry["size_bytes"] + 1)
    except OSError as error:
        raise Conflict(
            f"the artifact of {version} is missing from storage; restore it or train again"
        ) from error
    try:
        pipeline = artifact.load(data, entry["sha256"])
        artifact.check_golden(pipeline, version.contract, version.golden)
    except artifact.ArtifactError as error:
        raise Conflict(f"{version} cannot serve: {error}") from error
    return pipeline


def removed(version: Version) -> str:
    """The message about a version whose files were removed."""
    return (
        f"the files of {version} were removed on {version.artifacts_removed_at:%Y-%m-%d} to free space, as it was never "
        "active; train it again"
    )


def load_model(version: Version) -> LoadedModel:
    """Load the model of a version for predictions.

    Raises:
        Conflict, Unavailable: see `verify_version`.
    """
    pipeline = verify_version(version)
    records = version.golden["records"]
    engine = version.engine if settings.CLFSITE_COMPILED else {}
    return LoadedModel.load(pipeline, version.contract, version.threshold, engine, records)
