"""Going live: checked first, one at a time, with a reason; and nothing changes when it is refused."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from threading import Barrier
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from django.core.files.storage import storages
from django.db import connections

from clfsite.core.errors import Conflict, InvalidInput
from tests.support.factories import ClassifierFactory, VersionFactory, tiny, trained_version
from training.ml.judge.costs import Costs
from training.ml.serve.artifact import digest
from training.models import Activation, Version
from training.versions import costs as costs_of
from training.versions.registry import load_model
from training.versions.service import activate_version

pytestmark = pytest.mark.dialect

RACERS = 32


def activate(version: Version, reason: str = "better recall") -> Activation:
    return activate_version(version=version, actor="ada", reason=reason)


def pipeline_of(version: Version) -> Path:
    return Path(storages["artifacts"].path(version.artifacts["pipeline"]["name"]))


@pytest.mark.django_db
def test_activation_says_who_and_why() -> None:
    version = trained_version()
    activation = activate(version, "  better recall ")
    assert (activation.number, activation.version, activation.classifier) == (1, version, version.classifier)
    assert (activation.actor, activation.reason) == ("ada", "better recall")
    assert version.is_active


@pytest.mark.django_db
def test_rolling_back_is_another_activation() -> None:
    classifier = ClassifierFactory.create()
    first, second = trained_version(classifier=classifier), trained_version(classifier=classifier)
    assert [activate(version).number for version in (first, second, first)] == [1, 2, 3]
    assert (first.is_active, second.is_active) == (True, False)
    assert [activation.version for activation in classifier.activations.order_by("number")] == [
        first,
        second,
        first,
    ]


@pytest.mark.django_db
def test_classifiers_count_their_activations_apart() -> None:
    assert [activate(trained_version()).number for _ in range(2)] == [1, 1]


@pytest.mark.django_db
@pytest.mark.parametrize("reason", ["", "  \n"], ids=repr)
def test_activation_needs_a_reason(reason: str) -> None:
    version = trained_version()
    with pytest.raises(InvalidInput, match="say why"):
        activate(version, reason)
    assert not version.is_active


@pytest.mark.django_db
def test_reason_beyond_what_its_row_can_keep_is_refused() -> None:
    version = trained_version()
    with pytest.raises(InvalidInput, match="501 characters"):
        activate(version, "x" * 501)
    assert not version.is_active


@pytest.mark.django_db
def test_version_that_is_active_already_is_a_conflict() -> None:
    version = trained_version(activate=True)
    with pytest.raises(Conflict, match=f"{version} is already active"):
        activate(version)
    assert version.classifier.activations.count() == 1


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def swap(path: Path) -> None:
    path.write_bytes(path.with_name("model.joblib").read_bytes())


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("model.joblib"))


@pytest.mark.django_db
@pytest.mark.parametrize("spoil", [flip, cut, swap, link, Path.unlink], ids=lambda spoil: spoil.__name__)
def test_artifact_that_is_not_the_recorded_one_is_a_conflict_and_changes_nothing(
    spoil: Callable[[Path], None],
) -> None:
    classifier = ClassifierFactory.create()
    serving, spoiled = (
        trained_version(classifier=classifier, activate=True),
        trained_version(classifier=classifier),
    )
    spoil(pipeline_of(spoiled))
    with pytest.raises(Conflict, match=f"{spoiled}"):
        activate(spoiled)
    assert serving.is_active
    assert classifier.activations.count() == 1


@pytest.mark.django_db
def test_artifact_of_another_scikit_learn_is_a_conflict_that_says_what_to_do() -> None:
    version = trained_version()
    ours = sklearn.__version__
    other = ours[:-1] + ("0" if ours[-1] != "0" else "1")
    buffer = io.BytesIO()
    joblib.dump(tiny().trained.pipeline, buffer)
    written = buffer.getvalue().replace(ours.encode(), other.encode())
    pipeline_of(version).write_bytes(written)
    version.artifacts["pipeline"] |= {"sha256": digest(written), "size_bytes": len(written)}
    with pytest.raises(Conflict, match=f"by scikit-learn {other}, this is {ours}; train again, or install"):
        activate(version)
    assert not version.is_active


@pytest.mark.django_db
def test_version_that_no_longer_answers_as_at_training_is_a_conflict() -> None:
    version = trained_version()
    version.golden["proba"][0] = [0.123, 0.877]
    with pytest.raises(Conflict, match="does not reproduce the predictions"):
        activate(version)


@pytest.mark.django_db
def test_version_whose_files_were_never_there_is_a_conflict() -> None:
    with pytest.raises(Conflict, match="missing from storage"):
        activate(VersionFactory.create())


@pytest.mark.django_db(transaction=True)
def test_racing_activations_are_numbered_in_a_row_and_fail_with_conflict_alone() -> None:
    classifier = ClassifierFactory.create()
    versions = [trained_version(classifier=classifier).pk for _ in range(2)]
    together = Barrier(RACERS)

    def race(number: int) -> int | None:
        try:
            version = Version.objects.get(pk=versions[number % 2])
            together.wait()
            return activate(version).number
        except Conflict:
            return None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(RACERS) as pool:
        numbers = [number for number in pool.map(race, range(RACERS)) if number]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    written = list(classifier.activations.order_by("number").values_list("number", "version"))
    assert [number for number, _ in written] == sorted(numbers)
    # an activation of what is already active was refused, so the two take turns
    assert all(before != after for (_, before), (_, after) in pairwise(written))


def decide(version: Version, threshold: float | None = None, costs: Costs | None = None) -> Activation:
    return activate_version(
        version=version, actor="ada", reason="fewer misses", threshold=threshold, costs=costs
    )


@pytest.mark.django_db
def test_the_threshold_of_the_active_version_changes_as_an_activation() -> None:
    version = trained_version(activate=True)
    moved = decide(version, 0.3)
    assert (moved.number, moved.version, moved.threshold_in_force) == (2, version, 0.3)
    with pytest.raises(Conflict, match=r"already active with the threshold 0\.3"):
        decide(version, 0.3)
    # an activation alone must not undo it
    with pytest.raises(Conflict, match="already active"):
        activate(version)
    assert decide(version, 0.5).number == 3


@pytest.mark.django_db
def test_costs_without_a_threshold_choose_the_cheapest() -> None:
    version = trained_version(activate=True)
    costs = Costs(("no", "yes"), ((0, 1), (30, 0)), "EUR")
    moved = decide(version, costs=costs)
    curve = costs_of.curve(version, costs)
    assert curve is not None
    assert moved.threshold == curve.cheapest < 0.5
    assert moved.costs == costs


@pytest.mark.django_db
@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_threshold_that_is_no_probability_is_refused(threshold: float) -> None:
    with pytest.raises(InvalidInput, match="expected a probability"):
        decide(trained_version(), threshold)


@pytest.mark.django_db
def test_version_of_many_classes_takes_costs_and_no_threshold() -> None:
    version = trained_version(activate=True)
    # no test trains a model of three classes for this
    version.threshold = None
    with pytest.raises(InvalidInput, match="more than two classes"):
        decide(version, 0.3)


@pytest.mark.django_db
def test_scikit_learn_answers_where_compiled_models_are_switched_off(settings: Any) -> None:
    version = trained_version()
    records = [version.contract.example, *version.golden["records"]]
    labels, proba = load_model(version).score(records)
    assert load_model(version).engine == "onnxruntime"
    settings.CLFSITE_COMPILED = False
    plain = load_model(version)
    assert plain.engine == "scikit-learn"
    plain_labels, plain_proba = plain.score(records)
    assert plain_labels == labels
    assert np.abs(plain_proba - proba).max() < 1e-6
