"""Rows for tests. `trained_version` gives a version with a real model behind it; the others are rows alone."""

# mypy: allow-untyped-calls
# factory-boy types its factories and not its declarations

import hashlib
import io
import uuid
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db.models import Max
from django.utils import timezone
from factory.declarations import LazyAttribute, LazyFunction, SelfAttribute, Sequence, SubFactory, Trait
from factory.django import DjangoModelFactory, Password
from factory.helpers import post_generation

from clfsite.core.storage import files
from predictions.batches.models import Batch
from predictions.keys import service as keys
from predictions.models import ApiKey, Prediction
from predictions.monitoring import counts
from training.ml.search.recipe import Recipe
from training.ml.serve import artifact
from training.ml.tables import contract, findings, inference, profile
from training.ml.trainer import Trained, train
from training.models import Activation, Classifier, Dataset, Run, Version
from training.versions.registry import register_version
from training.versions.service import activate_version

TINY_SPACE = {"n_estimators": [5]}
PASSWORD = "a-test-password-9"


def tiny_csv(rows: int = 60, seed: int = 0) -> bytes:
    """A table to learn `left` from: a number, an integer with gaps, a boolean, and a category with gaps."""
    random = np.random.default_rng(seed)
    spend = random.normal(100, 20, rows).round(2)
    tenure = random.integers(1, 72, rows)
    table = pd.DataFrame(
        {
            "spend": spend,
            "tenure": tenure,
            "member": np.where(random.random(rows) < 0.5, "true", "false"),
            "plan": random.choice(["basic", "plus", "pro"], rows),
            "left": np.where(spend - tenure + random.normal(0, 30, rows) > 65, "yes", "no"),
        }
    )
    table.loc[::7, "spend"] = np.nan
    table.loc[::11, "plan"] = np.nan
    return table.to_csv(index=False).encode()


@dataclass(frozen=True)
class Tiny:
    """The tiny table with all that training makes of it."""

    csv: bytes
    table: pd.DataFrame
    contract: contract.Contract
    recipe: Recipe
    trained: Trained


@cache
def tiny() -> Tiny:
    """Train once for all tests, in well under a second."""
    csv = tiny_csv()
    table = pd.read_csv(io.BytesIO(csv))
    recipe = Recipe(folds=3, space=TINY_SPACE)
    inferred = inference.infer(table, "left")
    return Tiny(csv, table, inferred, recipe, train(table, inferred, recipe, jobs=1, accelerate=False))


@cache
def _profile() -> list[dict[str, Any]]:
    return profile.describe(tiny().table, "left")


@cache
def _warnings() -> list[dict[str, Any]]:
    return [vars(item) for item in findings.find(tiny().table, tiny().contract)]


def _contract_data() -> dict[str, Any]:
    return tiny().contract.to_dict()


def _recipe_data() -> dict[str, Any]:
    return tiny().recipe.to_dict()


def _held_out() -> dict[str, Any]:
    return tiny().trained.held_out.to_dict()


class UserFactory(DjangoModelFactory[User]):
    """A member of staff without further permissions; `password=` where a test logs in through the form."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = Sequence(lambda number: f"person{number}")
    is_staff = True
    password = Password(PASSWORD)


class ClassifierFactory(DjangoModelFactory[Classifier]):
    class Meta:
        model = Classifier

    name = Sequence(lambda number: f"classifier{number}")


class DatasetFactory(DjangoModelFactory[Dataset]):
    """The tiny table as a dataset, with its file in storage."""

    class Meta:
        model = Dataset
        skip_postgeneration_save = True

    name = Sequence(lambda number: f"table{number}")
    number = 1
    sha256 = LazyFunction(lambda: hashlib.sha256(tiny().csv).hexdigest())
    target = "left"
    contract_data = LazyFunction(_contract_data)
    profile = LazyFunction(lambda: deepcopy(_profile()))
    warnings = LazyFunction(lambda: deepcopy(_warnings()))
    rows = LazyFunction(lambda: len(tiny().table))
    columns = LazyFunction(lambda: len(tiny().table.columns))
    size_bytes = LazyFunction(lambda: len(tiny().csv))

    @post_generation
    def file(self: Dataset, create: bool, extracted: bool | None, **_: Any) -> None:
        """Store the content, unless the test says `file=False`."""
        store = files.datasets()
        if create and extracted is not False and not store.exists(self.file_name):
            store.save(self.file_name, ContentFile(tiny().csv))


class RunFactory(DjangoModelFactory[Run]):
    """A queued run; `running`, `succeeded` and `failed` are its later states."""

    class Meta:
        model = Run

    classifier = SubFactory(ClassifierFactory)
    dataset = SubFactory(DatasetFactory)
    recipe_data = LazyFunction(_recipe_data)
    fits_done = 0
    fits_total = LazyFunction(lambda: tiny().recipe.fits)

    class Params:
        begun = Trait(claim=LazyFunction(uuid.uuid4), started_at=LazyFunction(timezone.now))
        running = Trait(
            begun=True,
            state=Run.State.RUNNING,
            phase="search",
            phase_at=SelfAttribute("started_at"),
            phase_done=SelfAttribute("fits_done"),
            phase_total=SelfAttribute("fits_total"),
        )
        succeeded = Trait(
            begun=True,
            state=Run.State.SUCCEEDED,
            finished_at=LazyFunction(timezone.now),
            fits_done=SelfAttribute("fits_total"),
            candidates=LazyFunction(lambda: [vars(candidate) for candidate in tiny().trained.candidates]),
            best_score=LazyFunction(lambda: tiny().trained.candidates[0].mean),
        )
        failed = Trait(
            begun=True,
            state=Run.State.FAILED,
            finished_at=LazyFunction(timezone.now),
            error="it was made to fail",
        )


def _next_number(model: type[Version] | type[Activation], classifier: Classifier) -> int:
    last: int | None = model.objects.filter(classifier=classifier).aggregate(last=Max("number"))["last"]
    return (last or 0) + 1


class VersionFactory(DjangoModelFactory[Version]):
    """The row of a version whose files do not exist; to serve or activate it take `trained_version`."""

    class Meta:
        model = Version

    classifier = SubFactory(ClassifierFactory)
    number = LazyAttribute(lambda version: _next_number(Version, version.classifier))
    run = SubFactory(RunFactory, classifier=SelfAttribute("..classifier"), succeeded=True)
    contract_data = LazyFunction(_contract_data)
    params = LazyFunction(lambda: tiny().trained.params)
    cross_validation = LazyFunction(lambda: tiny().trained.cross_validation)
    held_out = LazyFunction(_held_out)
    threshold = 0.5
    artifacts = LazyAttribute(
        lambda version: {
            part: {"name": f"run-{version.run.pk}/absent/{part}.joblib", "sha256": "0" * 64, "size_bytes": 1}
            for part in ("pipeline", "model", "preprocessor")
        }
    )
    libraries = LazyFunction(lambda: artifact.libraries(tiny().trained.pipeline))
    golden = LazyFunction(lambda: tiny().trained.golden)


class ActivationFactory(DjangoModelFactory[Activation]):
    class Meta:
        model = Activation

    version = SubFactory(VersionFactory)
    classifier = SelfAttribute("version.classifier")
    number = LazyAttribute(lambda activation: _next_number(Activation, activation.classifier))
    reason = "a test needs it"
    actor = "tests"


class ApiKeyFactory(DjangoModelFactory[ApiKey]):
    """A key made the way `createkey` does; `secret=` is what a request sends."""

    class Meta:
        model = ApiKey

    name = Sequence(lambda number: f"key{number}")
    secret = Sequence(lambda number: f"clf_secret-of-key-{number}")
    scopes = ("predict",)

    @classmethod
    def _create(cls, model_class: type[ApiKey], *args: Any, **kwargs: Any) -> ApiKey:
        later = {name: kwargs.pop(name) for name in ("expires_at", "revoked_at") if name in kwargs}
        row, _ = keys.create(*args, **kwargs)
        if later:
            model_class.objects.filter(pk=row.pk).update(**later)
            row.refresh_from_db()
        return row


class BatchFactory(DjangoModelFactory[Batch]):
    """A queued batch; its files do not exist. `checked` waits to be started."""

    class Meta:
        model = Batch

    version = SubFactory(VersionFactory)
    file_name = "customers.csv"
    caller = "tests"
    header = LazyAttribute(lambda batch: batch.version.contract.names)

    class Params:
        begun = Trait(claim=LazyFunction(uuid.uuid4), started_at=LazyFunction(timezone.now))
        running = Trait(begun=True, state=Batch.State.RUNNING)
        checked = Trait(
            begun=True, state=Batch.State.CHECKED, checked_at=LazyFunction(timezone.now), rows_total=10
        )
        succeeded = Trait(begun=True, state=Batch.State.SUCCEEDED, finished_at=LazyFunction(timezone.now))
        failed = Trait(
            begun=True,
            state=Batch.State.FAILED,
            finished_at=LazyFunction(timezone.now),
            error="it was made to fail",
        )


class PredictionFactory(DjangoModelFactory[Prediction]):
    """A logged answer, counted as every other."""

    class Meta:
        model = Prediction

    version = SubFactory(VersionFactory)
    features = LazyFunction(lambda: tiny().contract.example)
    label = "yes"
    probability = 0.8
    probabilities = LazyFunction(lambda: {"no": 0.2, "yes": 0.8})
    latency_ms = 1.5
    source = Prediction.Source.API
    caller = "tests"

    @classmethod
    def _create(cls, model_class: type[Prediction], *args: Any, **kwargs: Any) -> Prediction:
        row: Prediction = super()._create(model_class, *args, **kwargs)
        tenths = counts.tenths([row.label], [row.probability])
        counts.add([counts.Counted(row.created_at, row.version_id, row.source, row.latency_ms, tenths)])
        return row


# writing the files of the model trained once takes as long as the rest of its version
_dumped = cache(artifact.dump)


def trained_version(
    *, classifier: Classifier | str | None = None, activate: bool = False, default: bool = False
) -> Version:
    """Register the model trained once as the next version of a classifier, with files in this test's storage."""
    if classifier is None:
        classifier = ClassifierFactory.create()
    if isinstance(classifier, str):
        classifier = Classifier.objects.get_or_create(name=classifier)[0]
    if default:
        Classifier.objects.filter(is_default=True).exclude(pk=classifier.pk).update(is_default=False)
        Classifier.objects.filter(pk=classifier.pk).update(is_default=True)
        classifier.refresh_from_db()
    run = RunFactory.create(classifier=classifier)
    assert run.start()
    with mock.patch.object(artifact, "dump", _dumped):
        version = register_version(run=run, trained=tiny().trained)
    if activate:
        activate_version(version=version, actor="tests", reason="a test needs it")
    # read anew, so that a test which changes its fields does not change the model that others share
    return Version.objects.select_related("classifier").get(pk=version.pk)
