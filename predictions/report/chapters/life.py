"""The versions of the classifier, their activations and predictions."""

from datetime import datetime

from django.template.defaultfilters import filesizeformat

from clfsite.core.web import numbers
from predictions.models import Prediction
from predictions.monitoring.counts import LATENCY_MS
from predictions.report import charts
from predictions.report.blocks import Block, Chapter, Figure, Heading, Pairs, Remark, Table, Text, Tile, Tiles
from predictions.report.facts import Facts, Serving

LISTED = 25  # rows of a table
# hours; longer periods are drawn by day
HOURS = 72
PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)  # shares of the predictions


def versions(facts: Facts) -> Chapter:
    """The classifier's versions, which of them served when, and this one's files."""
    blocks: list[Block] = [
        Text(
            f"{facts.version.classifier} has {numbers.count(len(facts.versions), 'version')}; "
            + (
                f"version {facts.activations[0].version.number} is active."
                if facts.activations
                else "none of them has been active."
            )
        ),
        Table(
            "Versions" + _of(len(facts.versions)),
            ["Version", "Trained", "Dataset", "ROC-AUC", "F1", "Precision", "Recall", "Live accuracy"],
            [
                [
                    f"{version.number}{', active' if version.active else ''}",  # type: ignore[attr-defined]
                    f"{version.created_at:%Y-%m-%d}",
                    str(version.run.dataset),
                    *(
                        numbers.score(version.metrics[name])
                        for name in ("roc_auc", "f1", "precision", "recall")
                    ),
                    _live(facts, version.pk),
                ]
                for version in facts.versions[:LISTED]
            ],
            numbers=(3, 4, 5, 6, 7),
            wide=2,
            strong=[place for place, version in enumerate(facts.versions) if version.pk == facts.version.pk],
        ),
    ]
    if len({version.run.dataset_id for version in facts.versions}) > 1:
        blocks.append(
            Remark(
                "The versions were evaluated on held-out rows of different datasets: a small difference may "
                "come from the rows."
            )
        )
    blocks += [Heading("Activation history"), *_activations(facts), Heading("Files"), *_files(facts)]
    return Chapter("versions", "Versions and activations", blocks)


def _of(total: int) -> str:
    return f": the latest {LISTED} of {total:,}" if total > LISTED else ""


def _live(facts: Facts, key: int) -> str:
    judged = facts.qualities[key]
    return f"{numbers.percent(judged.accuracy)} of {judged.judged:,}" if judged.judged else "no feedback yet"


def _activations(facts: Facts) -> list[Block]:
    if not facts.activations:
        return [Text("No version has been active.")]
    return [
        Table(
            "Activations, latest first" + _of(len(facts.activations)),
            ["Since", "Version", "By", "Reason"],
            [
                [numbers.moment(row.created_at), str(row.version.number), row.actor, row.reason]
                for row in facts.activations[:LISTED]
            ],
            numbers=(1,),
            wide=3,
        )
    ]


def _files(facts: Facts) -> list[Block]:
    engine = facts.version.engine
    name = engine.get("name", "scikit-learn")
    sentence = (
        f"Single rows are scored by {name}. At registration, its predictions matched scikit-learn's on all "
        "held-out rows and on synthetic extreme rows."
        if name != "scikit-learn"
        else "Rows are scored by scikit-learn itself"
        + (f", because {engine['reason']}." if engine.get("reason") else ".")
    )
    return [
        Table(
            "The version's files",
            ["Part", "Size", "SHA-256"],
            [
                [part, filesizeformat(entry["size_bytes"]), entry["sha256"]]
                for part, entry in facts.version.artifacts.items()
            ],
            numbers=(1,),
            wide=2,
        ),
        Text(
            "A file is compared with its SHA-256 before it is loaded, and has to reproduce the predictions "
            f"recorded at training before it serves. {sentence}"
        ),
    ]


def serving(facts: Facts) -> Chapter:
    """The number of predictions, their sources and their latency."""
    served = facts.serving
    if not served.predictions:
        return Chapter(
            "serving",
            "Serving",
            [Text("The version has made no predictions yet.")],
        )
    first, last = min(served.hours), max(served.hours)
    busiest = max(served.hours, key=lambda hour: served.hours[hour])
    median, slowest = served.within_ms(0.5), served.within_ms(0.99)
    blocks: list[Block] = [
        Text(
            f"From {numbers.moment(first)} to the hour of {numbers.moment(last)} this version made "
            f"{numbers.count(served.predictions, 'prediction')}. The figures come from hourly counts, which "
            "are written in the same transaction as each prediction."
        ),
        Tiles(
            [
                Tile("Predictions", f"{served.predictions:,}"),
                Tile("Median latency", _at_most(median), "scored within"),
                Tile("99th percentile", _at_most(slowest), "scored within"),
                Tile("Busiest hour", f"{served.hours[busiest]:,}", numbers.moment(busiest)),
            ]
        ),
        _volume(served),
        Heading("Latency"),
        Text(
            "Latency is the time to score a checked row, without the network and the commit to the log. It "
            "is estimated from a histogram: a percentile is the upper end of its step."
        ),
        Figure(
            charts.bars(*_latency_bars(served), "Latency of a prediction, up to", "Predictions"),
            "Scoring time",
            f"Half of the predictions were scored within {_at_most(median)}, 99{numbers.NARROW}% within {_at_most(slowest)}.",
        ),
        Table(
            "Latency percentiles",
            ["Share of the predictions", "Scored within"],
            [[numbers.percent(share), _at_most(served.within_ms(share))] for share in PERCENTILES],
            numbers=(0, 1),
        ),
        Heading("Sources of predictions"),
        Table(
            "Predictions by source",
            ["Source", "Predictions", "Share"],
            [
                [_source(name), f"{count:,}", numbers.percent(count / served.predictions)]
                for name, count in served.sources.items()
            ],
            numbers=(1, 2),
            wide=0,
        ),
        _certainty(served),
    ]
    if served.batches:
        counts = ", ".join(f"{count:,} {state}" for state, count in sorted(served.batches.items()))
        blocks.append(Text(f"Files scored in the background: {counts}."))
    return Chapter("serving", "Serving", blocks)


def _at_most(bound: float | None) -> str:
    return numbers.latency(bound) if bound is not None else f"more than {numbers.latency(LATENCY_MS[-1])}"


def _source(name: str) -> str:
    return str(Prediction.Source(name).label) if name in Prediction.Source.values else name


def _volume(served: Serving) -> Figure:
    first, last = min(served.hours), max(served.hours)
    hours = int((last - first).total_seconds() // 3_600) + 1
    by_hour = hours <= HOURS
    counts: dict[datetime, int] = {}
    for hour, count in served.hours.items():
        place = hour if by_hour else hour.replace(hour=0)
        counts[place] = counts.get(place, 0) + count
    form = "%m-%d %H:00" if by_hour and hours > 24 else "%H:00" if by_hour else "%m-%d"  # noqa: PLR2004  hours of a day
    unit = "hour" if by_hour else "day"
    return Figure(
        charts.bars(
            [f"{place:{form}}" for place in counts],
            list(counts.values()),
            f"{unit.title()} (UTC)",
            "Predictions",
        ),
        f"Predictions by {unit}; one without a prediction is not shown",
        f"{numbers.count(len(counts), unit)} with predictions, {served.predictions / len(counts):,.0f} each on average.",
    )


def _latency_bars(served: Serving) -> tuple[list[str], list[int]]:
    """The steps from the first to the last that has predictions."""
    names = [*map(numbers.latency, LATENCY_MS), "longer"]
    kept = [place for place, count in enumerate(served.latencies) if count]
    span = slice(max(kept[0] - 1, 0), kept[-1] + 2)
    return names[span], served.latencies[span]


def _certainty(served: Serving) -> Figure:
    width = 100 // len(served.deciles)
    names = [
        f"{place * width} to {(place + 1) * width}{numbers.NARROW}%" for place in range(len(served.deciles))
    ]
    first = next(place for place, count in enumerate(served.deciles) if count)
    doubtful = sum(served.deciles[: len(served.deciles) * 6 // 10])
    return Figure(
        charts.bars(names[first:], served.deciles[first:], "Probability of the label given", "Predictions"),
        "Certainty of the predictions",
        f"{numbers.percent(doubtful / served.predictions)} of the predictions have a probability below "
        f"60{numbers.NARROW}%. Check these first.",
    )


def life_pairs(facts: Facts) -> Pairs:
    """The activation, training time and approver of the version."""
    mine = [row for row in facts.activations if row.version_id == facts.version.pk]
    return Pairs(
        [
            ("State", "active" if facts.is_active else "active before" if mine else "never active"),
            ("First active", numbers.moment(mine[-1].created_at) if mine else "never"),
            (
                "Trained in",
                numbers.duration(facts.run.seconds) if facts.run.seconds is not None else "not recorded",
            ),
        ]
    )
