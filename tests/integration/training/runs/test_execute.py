"""Carrying out a run: the row tells how it ended, and a version is whole or not there."""

import pickle
import threading
import time

import pytest
from django.core.files.storage import storages

from clfsite.core.errors import Unavailable
from tests.integration.conftest import Files
from tests.support.factories import DatasetFactory, RunFactory, UserFactory, tiny
from training.ml.judge.names import METRICS
from training.ml.progress import Phase, Progress
from training.ml.search import fold_scoring
from training.ml.search.recipe import Recipe
from training.ml.serve.artifact import digest
from training.models import Activation, Run, Version
from training.runs.execution import StoppableClock, execute_run
from training.versions import registry

# the search reports from a thread of its own, which would not see an open transaction
pytestmark = pytest.mark.django_db(transaction=True)


def execute(run: Run) -> Version:
    assert run.start()
    version = execute_run(run, jobs=1)
    assert version is not None
    return version


def test_run_ends_as_a_version_with_all_that_is_known_of_it(files: Files) -> None:
    run = RunFactory.create()
    version = execute(run)
    version.refresh_from_db()
    assert (version.number, version.classifier, version.run) == (1, run.classifier, run)
    assert version.contract == tiny().contract
    assert version.params == {"n_estimators": 5}
    assert set(version.cross_validation) == set(METRICS)
    assert version.metrics == tiny().trained.held_out.metrics
    assert version.held_out["confusion"] == tiny().trained.held_out.confusion
    assert version.golden == tiny().trained.golden
    assert version.libraries["scikit-learn"]
    assert sorted(entry["name"] for entry in version.artifacts.values()) == files("artifacts")
    assert not version.is_active


def test_artifacts_are_those_recorded() -> None:
    version = execute(RunFactory.create())
    assert set(version.artifacts) == {"pipeline", "model", "preprocessor"}
    for entry in version.artifacts.values():
        with storages["artifacts"].open(entry["name"]) as file:
            data = file.read()
        assert (digest(data), len(data)) == (entry["sha256"], entry["size_bytes"])


def test_run_that_succeeded_tells_its_figures() -> None:
    run = RunFactory.create()
    execute(run)
    run.refresh_from_db()
    assert run.state == Run.State.SUCCEEDED
    assert (run.fits_done, run.fits_total, run.percent) == (3, 3, 100)
    assert [candidate["params"] for candidate in run.candidates] == [{"n_estimators": 5}]
    assert run.best_score == run.candidates[0]["mean"] > 0.5
    assert run.seconds is not None
    assert run.seconds > 0


def test_a_run_names_every_phase_in_its_order() -> None:
    run, answer = RunFactory.create(), list[Progress]()
    assert run.start()
    version = execute_run(run, report=answer.append)
    assert version is not None
    phases = [progress.phase for progress in answer]
    assert list(dict.fromkeys(phases)) == list(Phase)
    assert phases == sorted(phases, key=lambda phase: phase.number)
    counted = [progress for progress in answer if progress.phase == Phase.IMPORTANCE]
    assert counted[0].total == len(version.contract.features)
    assert version.held_out["importance_effort"] == {"rows": version.held_out["rows"], "repeats": 5}


def test_same_dataset_recipe_and_seed_give_the_same_artifacts() -> None:
    dataset = DatasetFactory.create()
    first, second = (execute(RunFactory.create(dataset=dataset)) for _ in range(2))
    assert [artifact["sha256"] for artifact in first.artifacts.values()] == [
        artifact["sha256"] for artifact in second.artifacts.values()
    ]


def test_versions_of_a_classifier_are_numbered() -> None:
    run = RunFactory.create()
    again = RunFactory.create(classifier=run.classifier, dataset=run.dataset)
    assert [execute(run).number, execute(again).number] == [1, 2]


def test_progress_is_reported_and_kept_in_the_row() -> None:
    run, reports = RunFactory.create(), list[Progress]()
    run.start()
    execute_run(run, jobs=1, report=reports.append)
    last = [progress for progress in reports if progress.phase == Phase.SEARCH][-1]
    assert (last.done, last.total) == (3, 3)


@pytest.mark.parametrize("by", ["ada", None], ids=["a person", "nobody"])
def test_run_activates_its_version_when_asked(by: str | None) -> None:
    user = UserFactory.create(username=by) if by else None
    run = RunFactory.create(activate_when_done=True, created_by=user)
    version = execute(run)
    assert version.is_active
    activation = Activation.objects.get()
    assert activation.actor == (by or "command line")
    assert f"run {run.pk}" in activation.reason


def test_version_that_cannot_be_activated_stands_and_the_run_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = RunFactory.create(activate_when_done=True)

    def refuse(_version: Version) -> None:
        raise Unavailable("the bucket does not answer; try again")

    monkeypatch.setattr(registry, "verify_version", refuse)
    version = execute(run)
    run.refresh_from_db()
    assert (run.state, version.is_active) == (Run.State.SUCCEEDED, False)
    assert "v1 was not activated: the bucket does not answer" in run.warnings[0]


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (Recipe(folds=50), "Use fewer folds"),
        (Recipe(folds=2, space={"n_estimators": ["many"]}), "n_estimators"),
        (Recipe(folds=2, scoring="r2"), "r2|could not convert"),
    ],
    ids=["folds", "space", "scoring"],
)
def test_run_that_cannot_work_fails_with_the_reason(recipe: Recipe, reason: str, files: Files) -> None:
    run = RunFactory.create(recipe_data=recipe.to_dict())
    run.start()
    assert execute_run(run, jobs=1) is None
    run.refresh_from_db()
    assert run.state == Run.State.FAILED
    assert any(part in run.error for part in reason.split("|"))
    assert "Traceback" not in run.error
    assert files("artifacts") == []


def test_run_fails_when_the_file_of_its_dataset_is_gone() -> None:
    run = RunFactory.create(dataset__file=False)
    run.start()
    assert execute_run(run, jobs=1) is None
    run.refresh_from_db()
    assert (run.state, "is missing from storage" in run.error) == (Run.State.FAILED, True)


def test_run_ended_by_another_process_leaves_no_version(files: Files) -> None:
    run = RunFactory.create()
    run.start()

    def end_it(_progress: Progress) -> None:
        Run.objects.get(pk=run.pk).fail("the worker was shut down")

    assert execute_run(run, jobs=1, report=end_it) is None
    run.refresh_from_db()
    assert (run.state, run.error) == (Run.State.FAILED, "the worker was shut down")
    assert not Version.objects.exists()
    assert files("artifacts") == []


def test_run_that_is_interrupted_at_the_terminal_does_not_look_alive() -> None:
    run = RunFactory.create()
    assert run.start()

    def interrupt(_progress: Progress) -> None:
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute_run(run, jobs=1, report=interrupt)
    run.refresh_from_db()
    assert (run.state, run.error) == (Run.State.FAILED, "interrupted at the terminal")


@pytest.mark.parametrize("asked", [Phase.READ, Phase.SEARCH])
@pytest.mark.parametrize("search", ["grid", "optuna"])
def test_a_search_that_is_asked_to_stop_keeps_the_best_so_far(
    search: str, asked: Phase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fold_scoring, "POLL_SECONDS", 0.01)
    space = {"n_estimators": [50], "min_samples_leaf": list(range(1, 17))}
    recipe = Recipe(search=search, folds=3, max_minutes=60, space=space)
    run = RunFactory.create(recipe_data=recipe.to_dict(), fits_total=recipe.fits)

    def report(progress: Progress) -> None:
        if progress.phase == asked and run.stop_requested_at is None:
            # another process asks, and the row is read with the next note
            assert Run.objects.get(pk=run.pk).request_stop()

    assert run.start()
    version = execute_run(run, jobs=1, report=report)
    assert version is not None
    run.refresh_from_db()
    assert run.state == Run.State.SUCCEEDED
    assert 0 < len(run.candidates) < recipe.candidates
    assert all(candidate["seconds"] < 60 for candidate in run.candidates)


def test_the_clock_of_a_run_travels_to_other_processes_without_the_run() -> None:
    sent = pickle.dumps(StoppableClock(RunFactory.create()))
    assert pickle.loads(sent).func is time.monotonic  # noqa: S301
    assert b"training" not in sent


def test_only_a_search_with_a_budget_of_time_can_be_stopped() -> None:
    for recipe, stops in (({"max_minutes": None}, False), ({"max_minutes": 5}, True)):
        run = RunFactory.create(running=True, recipe_data=recipe)
        assert run.request_stop() is stops
        assert run.request_stop() is False
    assert RunFactory.create(recipe_data={"max_minutes": 5}).request_stop() is False
