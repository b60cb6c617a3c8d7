"""A Dask cluster for the fits of a search. Only this module uses Dask.

Its workers need the site's code and packages, but no database and no storage: they receive rows and return
scores.
"""

import asyncio
import concurrent.futures
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from distributed import Client, KilledWorker
from distributed.comm import CommClosedError
from joblib import parallel_config
from joblib._dask import DaskDistributedBackend

from clfsite.core.errors import Unavailable
from training.ml.search import fold_scoring

# raised for all calls by the client of a lost scheduler
LOST = (CommClosedError, concurrent.futures.CancelledError, asyncio.CancelledError)
# seconds after which a scheduler without an answer or without workers is reported
CONNECT_SECONDS, WORKER_SECONDS = 6, 6


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Run the fits of searches in the block on the cluster of this scheduler.

    Raises:
        Unavailable: the scheduler does not answer or has no worker, or the cluster was lost during a search.
    """
    try:
        client = BroadcastingClient(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except OSError as error:
        raise Unavailable(
            f"no Dask scheduler was found at {address} (CLFSITE_DASK_ADDRESS); start it, correct the "
            "address, "
            "or unset it to train on one machine"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError as error:
            raise Unavailable(
                f"the Dask scheduler at {address} has no worker; start some with "
                f"`dask worker {address} --nthreads 1`, or unset CLFSITE_DASK_ADDRESS"
            ) from error
        try:
            with parallel_config(backend=ClusterBackend(client=client)):
                yield
        except KilledWorker as error:
            raise Unavailable(
                f"a fit repeatedly killed its worker of the Dask cluster at {address}, probably because "
                "memory ran out; use fewer rows or a smaller search space, or give the workers more memory"
            ) from error
        except LOST as error:
            raise Unavailable(
                f"the Dask cluster at {address} was lost during the search; start the run again when it is back"
            ) from error


class BroadcastingClient(Client):  # type: ignore[misc]
    """Sends the rows to all workers, so they survive the loss of one."""

    def scatter(self, data: Any, **options: Any) -> Any:
        return super().scatter(data, **{**options, "broadcast": True})


class ClusterBackend(DaskDistributedBackend):  # type: ignore[misc]
    """joblib's backend for Dask that also returns scores and does not wait for lost tasks.

    joblib's own backend does not report a task that repeatedly killed its worker, and transfers each tree of
    a forest.
    """

    def effective_n_jobs(self, n_jobs: int) -> int:
        # joblib uses this process for 1
        cores: int = super().effective_n_jobs(n_jobs)
        return max(2, cores)

    def submit(self, func: Any, callback: Callable[[Any], None]) -> None:
        async def send() -> None:
            try:
                _, tasks = await self._to_func_args(func)
                out = await self.client.submit(fit, tasks=tasks, key=f"clfsite-fit-{uuid4().hex}")
            except BaseException as error:  # noqa: BLE001  joblib passes it to the waiting thread
                out = error
            callback(out)

        self.client.loop.add_callback(send)

    def retrieve_result_callback(self, out: Any) -> list[Any]:
        """Return the results of a batch and add its scores to the search's journal."""
        if isinstance(out, BaseException):
            raise out
        results, lines = out
        for journal, line in lines:
            fold_scoring.note(journal, line)
        return list(results)


def fit(tasks: list[tuple[Callable[..., Any], list[Any], dict[str, Any]]]) -> tuple[list[Any], list[Any]]:
    """Execute a batch on a worker; return the results and the lines for the search's journal."""
    # parallel work inside a fit stays on its worker
    with fold_scoring.away() as lines, parallel_config(backend="sequential"):
        results = [function(*args, **kwargs) for function, args, kwargs in tasks]
    return results, lines
