"""A Dask cluster that fits the models of a search: all that the project knows of Dask.

Its workers need the site's code and packages, no database and no storage: rows go to them, scores come back.
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

# raised, by the client of a scheduler that is gone, of everything it was asked
LOST = (CommClosedError, concurrent.futures.CancelledError, asyncio.CancelledError)
# a scheduler that does not answer, or has no worker, is told about after so long
CONNECT_SECONDS, WORKER_SECONDS = 6, 6


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Let the searches in the block fit on the cluster of this scheduler.

    Raises:
        Unavailable: the scheduler does not answer or has no worker, or the cluster was lost on the way.
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
    """Gives the rows to every worker, so that they outlive the loss of one."""

    def scatter(self, data: Any, **options: Any) -> Any:
        return super().scatter(data, **{**options, "broadcast": True})


class ClusterBackend(DaskDistributedBackend):  # type: ignore[misc]
    """joblib's backend for Dask, which also brings scores back and does not wait for what will never come.

    joblib's own never tells of a task whose worker was killed again and again, and lets every tree of a forest travel.
    """

    def effective_n_jobs(self, n_jobs: int) -> int:
        # joblib takes 1 for this very process
        cores: int = super().effective_n_jobs(n_jobs)
        return max(2, cores)

    def submit(self, func: Any, callback: Callable[[Any], None]) -> None:
        async def send() -> None:
            try:
                _, tasks = await self._to_func_args(func)
                out = await self.client.submit(fit, tasks=tasks, key=f"clfsite-fit-{uuid4().hex}")
            except BaseException as error:  # noqa: BLE001  joblib hands it on to whoever waits
                out = error
            callback(out)

        self.client.loop.add_callback(send)

    def retrieve_result_callback(self, out: Any) -> list[Any]:
        """Return the results of a batch and enter its scores in the search's journal."""
        if isinstance(out, BaseException):
            raise out
        results, lines = out
        for journal, line in lines:
            fold_scoring.note(journal, line)
        return list(results)


def fit(tasks: list[tuple[Callable[..., Any], list[Any], dict[str, Any]]]) -> tuple[list[Any], list[Any]]:
    """Carry out a batch on a worker; return the results, and the lines for the search's journal."""
    # whatever runs side by side inside a fit stays on its worker
    with fold_scoring.away() as lines, parallel_config(backend="sequential"):
        results = [function(*args, **kwargs) for function, args, kwargs in tasks]
    return results, lines
