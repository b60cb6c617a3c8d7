"""Searches on a real Dask cluster: the same models as on one machine, also when a worker is lost on the way."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Client
from joblib import Parallel, delayed

from clfsite.core.errors import Unavailable
from tests.support.dask_cluster import Cluster, dask_cluster
from tests.support.factories import RunFactory, tiny
from tests.support.site import free_port
from training.ml.progress import Progress
from training.ml.search.recipe import Recipe
from training.ml.trainer import Trained, train
from training.models import Run
from training.runs import cluster as boundary
from training.runs.execution import execute_run

# said by scikit-learn-intelex of every fit that is not in a main thread; it then takes every core, which is right
pytestmark = [
    pytest.mark.filterwarnings("ignore:'Threading' parallel backend is not supported"),
]

# three forests to grow, of which each serves four settings
FOREST = {"n_estimators": [5, 8], "max_depth": [2, None], "min_samples_leaf": [1, 2, 4]}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with dask_cluster(tmp_path_factory.mktemp("dask"), workers=2) as cluster:
        yield cluster


def search(recipe: Recipe, address: str = "", report: Callable[[Progress], None] | None = None) -> Trained:
    """Train on the tiny table, on this machine or on a cluster."""
    options: dict[str, Any] = {"spread": lambda: boundary.connected(address)} if address else {}
    return train(
        tiny().table, tiny().contract, recipe, jobs=1, report=report or (lambda progress: None), **options
    )


def summary(trained: Trained) -> dict[str, Any]:
    """Everything about a model but how long it took."""
    return {
        "candidates": [{**vars(candidate), "seconds": None} for candidate in trained.candidates],
        "fits": trained.fits,
        "cross_validation": trained.cross_validation,
        "held_out": trained.held_out.to_dict(),
        "threshold": trained.threshold,
        "answers": trained.golden,
    }


def fits_by_worker(client: Client) -> Counter[str]:
    return Counter(task["worker"] for task in client.get_task_stream() if "clfsite-fit" in str(task["key"]))


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(folds=3, space=FOREST),
        Recipe(folds=3, search="halving", space=FOREST),
        Recipe(folds=3, search="random", estimator="logistic_regression", max_minutes=5),
    ],
    ids=["grid", "halving", "random within a budget"],
)
def test_model_and_progress_are_those_of_one_machine(cluster: Cluster, recipe: Recipe) -> None:
    here, there = list[Progress](), list[Progress]()
    expected = summary(search(recipe, report=here.append))
    assert summary(search(recipe, cluster.address, there.append)) == expected
    assert there[-1] == here[-1]


def test_both_workers_fit(cluster: Cluster) -> None:
    with Client(cluster.address, set_as_default=False) as client:
        client.get_task_stream()  # from here on the scheduler remembers
        search(Recipe(folds=5, space=FOREST), cluster.address)
        fits = fits_by_worker(client)
    assert len(fits) == 2, fits


def test_search_outlives_the_loss_of_a_worker(cluster: Cluster) -> None:
    recipe = Recipe(folds=5, space={"n_estimators": [60], "min_samples_leaf": list(range(1, 9))})
    expected = summary(search(recipe))
    lost = cluster.start_worker("--no-nanny")
    cluster.wait_for_workers(3)

    def kill(progress: Progress) -> None:
        if progress.done and lost.poll() is None:
            lost.kill()
            lost.wait()

    assert summary(search(recipe, cluster.address, kill)) == expected
    assert lost.poll() is not None


def test_fault_of_the_recipe_is_told_as_on_one_machine(cluster: Cluster) -> None:
    recipe = Recipe(folds=3, space={"n_estimators": ["many"]})
    with pytest.raises(ValueError, match="n_estimators"):
        search(recipe, cluster.address)


@pytest.mark.django_db(transaction=True)
def test_run_is_trained_on_the_cluster(cluster: Cluster, settings: Any) -> None:
    settings.CLFSITE_DASK_ADDRESS = cluster.address
    run = RunFactory.create()
    assert run.start()
    version = execute_run(run)
    run.refresh_from_db()
    assert version is not None, run.error
    assert version.golden == tiny().trained.golden
    assert (run.fits_done, run.fits_total, run.best_score) == (3, 3, run.candidates[0]["mean"])


@pytest.mark.django_db(transaction=True)
def test_run_whose_scheduler_is_not_there_fails_with_the_address_within_15_seconds(settings: Any) -> None:
    settings.CLFSITE_DASK_ADDRESS = f"tcp://127.0.0.1:{free_port()}"
    run = RunFactory.create()
    assert run.start()
    began = time.monotonic()
    assert execute_run(run) is None
    assert time.monotonic() - began < 15
    run.refresh_from_db()
    assert run.state == Run.State.FAILED
    assert (
        f"no Dask scheduler was found at {settings.CLFSITE_DASK_ADDRESS} (CLFSITE_DASK_ADDRESS)" in run.error
    )


@pytest.mark.fault
def test_fit_that_always_ends_its_worker_fails_the_search(cluster: Cluster) -> None:
    with (
        pytest.raises(Unavailable, match="repeatedly killed its worker"),
        boundary.connected(cluster.address),
    ):
        Parallel(n_jobs=2)(delayed(os._exit)(1) for _ in range(2))
    cluster.wait_for_workers(2)


@pytest.mark.fault
def test_cluster_without_workers_and_one_that_is_lost_are_told_apart(tmp_path: Path) -> None:
    with dask_cluster(tmp_path, workers=0) as cluster:
        with pytest.raises(Unavailable, match="has no worker"), boundary.connected(cluster.address):
            pytest.fail("it has none")
        cluster.start_worker()
        cluster.wait_for_workers(1)

        def kill(progress: Progress) -> None:
            if progress.done:
                cluster.processes[0].kill()

        began = time.monotonic()
        with pytest.raises(Unavailable, match="was lost during the search"):
            search(
                Recipe(folds=5, space={"n_estimators": [200], "min_samples_leaf": list(range(1, 9))}),
                cluster.address,
                kill,
            )
        assert time.monotonic() - began < 60
