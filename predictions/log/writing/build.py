"""The only builder of log rows: scored rows of a call or of a file become rows of the log, column by column."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from predictions.batches.models import Batch
from predictions.log.writing.columns import LogColumns
from predictions.log.writing.rows import LogRows
from predictions.models import Prediction
from predictions.serving.live_models import Live
from training.ml.files.cells.joining import Piece
from training.ml.tables.contract import FeatureProblem


def log_rows(
    live: Live,
    *,
    ids: Sequence[str],
    features: Sequence[Mapping[str, Any]],
    arrays: Mapping[str, NDArray[Any]] | None,
    labels: Sequence[str],
    proba: NDArray[np.float64],
    warnings: Sequence[str],
    seconds: float,
    source: Prediction.Source,
    caller: str,
    created_at: datetime,
    request_id: str | None,
    references: Sequence[str | None] | None,
) -> LogRows:
    """The predictions of a version for the records of a call, for the log.

    Args:
        features: records of JSON values.
        arrays: the same as columns of a prepared frame, if they were checked by column.
        proba: shape (rows, classes), in the contract's order of classes.
        warnings: JSON texts, one for each row.
        seconds: time of each row.
        references: the callers' own keys, None for a row without one.
    """
    shares, places = proba.tolist(), live.places
    probability = [row[places[label]] for row, label in zip(shares, labels, strict=True)]
    return LogRows(
        ids=ids,
        features=features,
        labels=labels,
        probability=probability,
        probabilities=live.write_shares(shares),
        warnings=warnings,
        version_id=live.version_id,
        latency_ms=round(1_000 * seconds, 4),
        source=source,
        caller=caller,
        created_at=created_at,
        request_id=request_id,
        references=references,
        places=partial(live.binner.places, features if arrays is None else arrays, labels, probability),
        activation_id=live.activation_id,
    )


def log_columns(
    live: Live,
    batch: Batch,
    *,
    rows: NDArray[np.int64],
    features: Sequence[Piece],
    values: Mapping[str, NDArray[Any]],
    places: NDArray[np.intp],
    proba: NDArray[np.float64],
    warnings: Sequence[str] | None,
    seconds: float,
    created_at: datetime,
    references: Sequence[str | None] | None,
) -> LogColumns:
    """The predictions of a version for rows of a file, for the log.

    Args:
        features: JSON objects, in pieces to join.
        values: the columns of a prepared frame.
        places: the place of each row's label in the order of classes.
        warnings: JSON texts, one for each row; None if there are none.
    """
    classes = live.contract.classes
    labels = [classes[place] for place in places.tolist()]
    confidences = proba[np.arange(len(proba)), places].tolist()
    return LogColumns(
        id_prefix=batch.id_prefix,
        features=features,
        classes=classes,
        places=places,
        proba=proba,
        warnings=warnings,
        rows=rows,
        references=references,
        version_id=live.version_id,
        latency_ms=round(1_000 * seconds, 4),
        caller=batch.caller,
        batch_id=batch.pk,
        created_at=created_at,
        binned_at=np.asarray(live.binner.places(values, labels, confidences), dtype=np.intp),
        activation_id=live.activation_id,
    )


def write_warnings(warned: Mapping[int, Sequence[FeatureProblem]], count: int) -> list[str]:
    """The warnings of each row as JSON texts."""
    texts = ["[]"] * count
    for row, problems in warned.items():
        texts[row] = orjson.dumps([asdict(problem) for problem in problems]).decode()
    return texts
