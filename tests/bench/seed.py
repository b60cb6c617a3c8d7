"""`python -m tests.bench.seed --rows 5_000_000`: fill a PostgreSQL database with a log as months of use would leave it.

DATABASE_URL names the database; it is migrated and given the demo classifier first where it has none. What is written
looks as if it had been asked for: ids that grow with time, a daily rhythm, versions that follow each other, hourly
counts that agree with the log, and the truth about one prediction in fifty. A few things are rare on purpose, for it is
rare things that are slow to find.
"""

import argparse
import copy
import io
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import django
import numpy as np
import orjson
import pandas as pd
from django.core.management import call_command
from numpy.typing import NDArray

DAYS = 90
ROWS_AT_ONCE = 50_000
RECORDS = 500
# inputs of the widest classifier
WIDE = 100
SHARDS = 4
JUDGED = 0.02
RIGHT = 0.8
# (source, caller, share of the rows); what is left over goes to the first
CALLERS = (
    ("api", "checkout", 0.0),
    ("api", "crm", 0.1),
    ("csv", "nightly", 0.05),
    ("open_inference", "edge", 0.01),
    ("form", "ada", 0.002),
    ("api", "one-off", 0.000005),
)
# only in the first tenth of the time, so that whoever looks for them has to go back all the way
LONG_GONE = ("mlflow", "long-gone", 0.0001)
Columns = dict[str, NDArray[Any]]


def main() -> None:
    """Seed the database and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--rows", type=int, default=5_000_000, help="predictions to log; default: %(default)s"
    )
    parser.add_argument(
        "--days", type=int, default=DAYS, help="that they are spread over; default: %(default)s"
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave a database that was filled before as it is"
    )
    options = parser.parse_args()
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        sys.exit(
            "DATABASE_URL has to name a PostgreSQL database of its own, such as postgresql://localhost/bench"
        )
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clfsite.settings")
    django.setup()
    from predictions.models import HourlyCount

    call_command("migrate", verbosity=0)
    if HourlyCount.objects.exists():
        if options.keep:
            return
        sys.exit("the database holds predictions already; name an empty one")
    began = time.perf_counter()
    versions = prepare()
    written = seed(versions, options.rows, options.days)
    bins(versions[1], options.rows // 2, options.days)
    bins(wide(), options.rows, options.days)
    print(f"{written:,} predictions over {options.days} days in {time.perf_counter() - began:.0f} s")


def prepare() -> list[Any]:
    """The demo classifier with two versions and another classifier with one; each answered in its turn."""
    from training.models import Activation, Classifier, Version

    call_command("setup_demo", estimator="logistic_regression", stdout=io.StringIO())
    first = Version.objects.select_related("run", "classifier").earliest("pk")
    result = [first]
    other, _ = Classifier.objects.get_or_create(name="renewal")
    for classifier, number in ((first.classifier, 2), (other, 1)):
        version = Version.objects.filter(classifier=classifier, number=number).first()
        if version is None:
            run = copy.copy(first.run)
            run.pk, run.classifier, run.claim = None, classifier, uuid.uuid4()
            run.save(force_insert=True)
            version = copy.copy(first)
            version.pk, version.classifier, version.run, version.number = None, classifier, run, number
            version.save(force_insert=True)
            last = classifier.activations.order_by("-number").values_list("number", flat=True).first() or 0
            Activation.objects.create(
                classifier=classifier, version=version, number=last + 1, reason="seeded", actor="bench"
            )
        result.append(version)
    return result


def seed(versions: list[Any], rows: int, days: int) -> int:
    """Write that many predictions that end now, and all that goes with them."""
    from django.db import connection

    from predictions.monitoring import counts as counts_of_hours

    random = np.random.default_rng(0)
    classes = versions[0].contract.classes
    records = sample_records(versions[0])
    times = moments(random, rows, days)
    hourly: list[pd.DataFrame] = []
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO off")
        for first in range(0, rows, ROWS_AT_ONCE):
            chunk = make(random, times[first : first + ROWS_AT_ONCE], times[0], versions, classes)
            batch = make_batch(versions[1], chunk)
            copy_rows(
                cursor, "predictions_prediction", LOG_COLUMNS, log_lines(chunk, records, classes, batch)
            )
            hourly.append(summed(chunk))
            copy_rows(cursor, "predictions_feedback", FEEDBACK_COLUMNS, feedback_lines(chunk, classes))
            progress(first + len(chunk["ms"]), rows)
        counts = pd.concat(hourly)
        for table, columns, where in COUNTED:
            kept = counts if where is None else counts[counts[where] >= 0]
            sums = kept.groupby(columns, as_index=False).agg({"predictions": "sum"})
            copy_rows(cursor, table, [*columns, "predictions"], count_lines(sums, classes))
        counts_of_hours.fold()
        for table in ("predictions_prediction", "predictions_feedback", *(table for table, _, _ in COUNTED)):
            cursor.execute(f"VACUUM ANALYZE {table}")
    return rows


def wide() -> Any:
    """An active version of a classifier with many inputs; its predictions are counted, but not logged."""
    from training.models import Version

    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(2_000, WIDE)), columns=[f"x{number}" for number in range(WIDE)])
    table["label"] = np.where(table["x0"] + random.normal(size=len(table)) > 0, "Yes", "No")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/wide.csv"
        table.to_csv(path, index=False)
        fast = {"estimator": "logistic_regression", "space": '{"C": [1.0]}', "activate": True}
        call_command("train", path, target="label", **fast, stdout=io.StringIO(), stderr=io.StringIO())
    return Version.objects.get(classifier__name="wide")


def bins(version: Any, rows: int, days: int) -> None:
    """Count that many predictions of a version by bin, distributed as in its training table, one row for each hour."""
    from predictions.models import HourlyBin, hour_of
    from predictions.monitoring.bins import pack

    random, reference, now = np.random.default_rng(0), version.reference, hour_of(datetime.now(UTC))
    parts = [*map(np.array, reference.counts), reference.cells.rows.ravel()]
    of_hour = rows // (days * 24)
    HourlyBin.objects.bulk_create(
        HourlyBin(
            version=version,
            hour=now - timedelta(hours=hour),
            counts=pack(np.concatenate([random.multinomial(of_hour, part / part.sum()) for part in parts])),
        )
        for hour in range(days * 24)
    )


def sample_records(version: Any) -> list[str]:
    """Rows of the demo table as the log's JSON."""
    from clfsite.core.storage.files import datasets
    from training.ml.tables.checks import read_cell

    with datasets().open(version.run.dataset.file_name) as file:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, nrows=RECORDS)
    contract = version.contract
    return [
        orjson.dumps(
            {feature.name: read_cell(feature, row[feature.name]) for feature in contract.features}
        ).decode()
        for row in table.to_dict("records")
    ]


def moments(random: np.random.Generator, rows: int, days: int) -> NDArray[np.int64]:
    """Times in milliseconds, the last one now, more of them by day than by night."""
    now = int(time.time() * 1_000)
    at = now - np.sort(random.random(rows))[::-1] * days * 86_400_000
    hour = at / 3_600_000
    return np.sort(np.minimum(at + 3_000_000 * np.sin(2 * np.pi * hour / 24), now)).astype(np.int64)


def make(
    random: np.random.Generator,
    ms: NDArray[np.int64],
    since: int,
    versions: list[Any],
    classes: tuple[str, ...],
) -> Columns:
    """The columns of a piece of the log, as numbers."""
    size, now = len(ms), time.time() * 1_000
    passed = (ms - since) / (now - since)
    asked = random.random(size)
    who = np.zeros(size, dtype=np.int64)
    edge = 0.0
    for place, (_, _, share) in enumerate(CALLERS):
        who[(asked >= edge) & (asked < edge + share)] = place
        edge += share
    who[(passed < 0.1) & (random.random(size) < LONG_GONE[2])] = len(CALLERS)
    # the second version took over after half of the time; the other classifier gets one call in five
    version = np.where(passed > 0.5, versions[1].pk, versions[0].pk)
    version[random.random(size) < 0.2] = versions[2].pk
    score = random.beta(0.9, 2.0, size)
    label = (score >= 0.5).astype(np.int64)
    wrong = random.random(size) > RIGHT
    truth = np.where(wrong, 1 - label, label)
    truth[(random.random(size) > JUDGED) | (passed > 0.98)] = -1
    return {
        "ms": ms,
        "version_id": version,
        "who": who,
        "score": score,
        "label": label,
        "truth": truth,
        "latency_ms": np.round(random.lognormal(-0.5, 0.6, size), 4),
        "shard": random.integers(0, SHARDS, size),
        "record": random.integers(0, RECORDS, size),
        "tail": random.integers(0, 2**62, size),
    }


def make_batch(version: Any, chunk: Columns) -> int:
    """The file that a piece's CSV rows came from."""
    from predictions.batches.models import Batch

    at = datetime.fromtimestamp(chunk["ms"][0] / 1_000, UTC)
    rows = int((chunk["who"] == 2).sum())
    batch = Batch.objects.create(
        version=version,
        file_name="nightly.csv",
        caller="nightly",
        state=Batch.State.SUCCEEDED,
        rows_total=rows,
        rows_done=rows,
        created_at=at,
        started_at=at,
        finished_at=at + timedelta(seconds=3),
    )
    return batch.pk


LOG_COLUMNS = [
    *("id", "version_id", "features", "label", "probability", "probabilities", "warnings", "latency_ms"),
    *("source", "caller", "batch_id", "row", "created_at"),
]
FEEDBACK_COLUMNS = ["prediction_id", "label", "source", "actor", "created_at"]


def ids(chunk: Columns) -> list[str]:
    """UUIDv7s of the rows, growing with them."""
    return [
        f"{(int(ms) << 16 | 0x7000):016x}{(2 << 62 | int(tail)):016x}"
        for ms, tail in zip(chunk["ms"], chunk["tail"], strict=True)
    ]


def stamps(chunk: Columns) -> list[str]:
    return list(np.datetime_as_string(chunk["ms"].astype("datetime64[ms]"), timezone="UTC"))


def log_lines(
    chunk: Columns, records: list[str], classes: tuple[str, ...], batch: int
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the log."""
    callers = [*CALLERS, LONG_GONE]
    csv_row = 0
    for key, at, version, who, score, label, latency, record in zip(
        ids(chunk),
        stamps(chunk),
        *(chunk[name].tolist() for name in ("version_id", "who", "score", "label", "latency_ms", "record")),
        strict=True,
    ):
        source, caller, _ = callers[who]
        in_batch = source == "csv"
        share = score if label else 1 - score
        shares = f'{{"{classes[0]}":{1 - score:.6f},"{classes[1]}":{score:.6f}}}'
        place = (batch, csv_row) if in_batch else ("\\N", "\\N")
        yield (
            key,
            version,
            records[record],
            classes[label],
            share,
            shares,
            "[]",
            latency,
            source,
            caller,
            *place,
            at,
        )
        csv_row += in_batch


def feedback_lines(chunk: Columns, classes: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    """Yield the truths about the rows that have one."""
    judged = {name: values[chunk["truth"] >= 0] for name, values in chunk.items()}
    for key, at, truth in zip(ids(judged), stamps(judged), judged["truth"].tolist(), strict=True):
        yield key, classes[truth], "csv", "nightly", at


COUNTED: list[tuple[str, list[str], str | None]] = [
    ("predictions_hourlycount", ["hour", "version_id", "source", "label", "decile", "shard"], None),
    ("predictions_hourlylatency", ["hour", "version_id", "source", "bucket", "shard"], None),
    ("predictions_feedbackcount", ["hour", "version_id", "predicted", "truth"], "truth"),
]


def summed(chunk: Columns) -> pd.DataFrame:
    """How many rows of a piece are alike in all that anybody counts."""
    from predictions.monitoring.counts import LATENCY_MS

    callers = [*CALLERS, LONG_GONE]
    share = np.where(chunk["label"], chunk["score"], 1 - chunk["score"])
    table = pd.DataFrame(
        {
            "hour": chunk["ms"] // 3_600_000,
            "version_id": chunk["version_id"],
            "source": np.array([source for source, _, _ in callers])[chunk["who"]],
            "label": chunk["label"],
            "predicted": chunk["label"],
            "truth": chunk["truth"],
            "decile": np.minimum(share * 10, 9).astype(np.int64),
            "bucket": np.searchsorted(LATENCY_MS, chunk["latency_ms"]),
            "shard": chunk["shard"],
            "predictions": 1,
        }
    )
    keys = [name for name in table.columns if name != "predictions"]
    return table.groupby(keys, as_index=False).agg({"predictions": "sum"})


def count_lines(sums: pd.DataFrame, classes: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table of counts."""
    written = sums.assign(
        hour=np.datetime_as_string(
            sums["hour"].to_numpy("datetime64[h]").astype("datetime64[s]"), timezone="UTC"
        )
    )
    if "label" in written:
        written["label"] = written["label"].map(dict(enumerate(classes)))
    yield from written.itertuples(index=False, name=None)


def copy_rows(cursor: Any, table: str, columns: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Hand rows to PostgreSQL with COPY; our own texts hold nothing that would need an escape."""
    text = "\n".join("\t".join(map(str, row)) for row in rows)
    names = ", ".join(f'"{name}"' for name in columns)
    cursor.copy_expert(f"COPY {table} ({names}) FROM STDIN", io.StringIO(text))


def progress(done: int, rows: int) -> None:
    """Show how far it is on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{done:,} of {rows:,}", end="" if done < rows else "\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
