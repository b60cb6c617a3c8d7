"""Live accuracy, label mix and drift of the inputs."""

from collections.abc import Mapping, Sequence

from clfsite.core.web import numbers
from predictions.monitoring import quality
from predictions.monitoring.evaluation import advice
from predictions.report import charts
from predictions.report.blocks import Block, Chapter, Figure, Heading, Table, Text
from predictions.report.facts import Facts
from training.ml.watch.shift import ENOUGH_ROWS, FLOOR, differs

LISTED = 25  # rows of a table


def monitoring(facts: Facts) -> Chapter:
    """Accuracy on feedback, label mix, drift, and values outside the training data."""
    blocks: list[Block] = [
        *_accuracy(facts),
        Heading("Label mix"),
        *_label_mix(facts),
        Heading("Drift of the inputs"),
        *_moved(facts),
        Heading("Values outside the training data"),
        *_unseen(facts),
    ]
    return Chapter("monitoring", "Monitoring", blocks)


def _accuracy(facts: Facts) -> list[Block]:
    judged = facts.monitoring.quality
    if judged.accuracy is None:
        return [
            Text(
                "There is no feedback for this version yet. Enter true labels through the API, on the page "
                "of a prediction or as a file to see the live accuracy."
            )
        ]
    held_out = judged.held_out
    blocks: list[Block] = [
        Text(
            f"There is feedback for {numbers.count(judged.judged, 'prediction')} of this version, and "
            f"{judged.correct:,} of them were correct: an accuracy of {numbers.percent(judged.accuracy)} "
            f"(95{numbers.NARROW}% interval "
            f"{numbers.interval(judged.interval)}). On the held-out rows it was {numbers.percent(held_out)}. "
            f"{_verdict(facts)}"
        ),
        Figure(
            charts.confusion(judged.confusion, judged.classes),
            "Predictions with feedback, by true and predicted class",
            _per_class(facts),
        ),
    ]
    days = facts.monitoring.days
    if len(days) > 1:
        blocks.append(
            Figure(
                charts.accuracy(
                    [f"{day:%m-%d}" for day in days],
                    [day.accuracy or 0 for day in days.values()],
                    [day.interval for day in days.values()],
                    held_out,
                ),
                "Accuracy by day of the prediction, with 95 % intervals",
                "If an interval is completely below the dashed line, the accuracy was lower than on the "
                "held-out rows.",
            )
        )
    return blocks


def _verdict(facts: Facts) -> str:
    """Whether accuracy has dropped, by the rule of the portal's pages and of the alert."""
    lately = facts.monitoring.lately
    if lately.judged < quality.ENOUGH:
        return (
            f"{numbers.count(lately.judged, 'prediction')} with feedback {lately.span} are too few to detect a drop in "
            "accuracy."
        )
    if lately.has_dropped:
        return (
            f"Accuracy has dropped: {lately.beside}, which is less than chance explains. Find out "
            "what changed, and retrain on newer rows."
        )
    if facts.monitoring.quality.interval[0] > facts.monitoring.quality.held_out:
        return "That is higher than on the held-out rows; rows with feedback may be easier."
    return f"It has not dropped {lately.span} by more than chance explains."


def _per_class(facts: Facts) -> str:
    judged = facts.monitoring.quality
    shares = [
        f"{numbers.percent(row[place] / sum(row))} of the {sum(row):,} that were {label}"
        for place, (label, row) in enumerate(zip(judged.classes, judged.confusion, strict=True))
        if sum(row)
    ][:5]
    return f"{', '.join(shares)} were correct. Rows with feedback may not be representative."


def _label_mix(facts: Facts) -> list[Block]:
    served = facts.serving
    if not served.predictions:
        return [Text("The version has made no predictions yet.")]
    classes = facts.contract.classes
    confusion = facts.monitoring.quality.expected
    rows = sum(map(sum, confusion))
    given = [served.labels.get(label, 0) / served.predictions for label in classes]
    expected = [sum(row[place] for row in confusion) / rows for place in range(len(classes))]
    actual = [sum(row) / rows for row in confusion]
    gap, label = max(
        (abs(live - held), name) for live, held, name in zip(given, expected, classes, strict=True)
    )
    verdict = "The threshold or the costs were changed, so a part of the labels was decided otherwise."
    if facts.monitoring.quality.since is None:
        verdict = _mix_verdict(
            [sum(row[place] for row in confusion) for place in range(len(classes))],
            [served.labels.get(label, 0) for label in classes],
        )
    return [
        Figure(
            charts.label_mix(
                classes,
                {
                    "held-out rows: actual": actual,
                    "held-out rows: predicted": expected,
                    "live: predicted": given,
                },
            ),
            "Shares of the labels",
            f"The largest difference between live predictions and those on held-out rows is "
            f"{numbers.percent(gap)}, for "
            f"{label}. {verdict}",
        ),
        Table(
            "Predicted labels",
            ["Label", "Predictions", "Share", "Share on held-out rows"],
            [
                [name, f"{served.labels.get(name, 0):,}", numbers.percent(live), numbers.percent(held)]
                for name, live, held in zip(classes, given, expected, strict=True)
            ][:LISTED],
            numbers=(1, 2, 3),
            wide=0,
        ),
    ]


def _mix_verdict(then: Sequence[int], now: Sequence[int]) -> str:
    if sum(now) < ENOUGH_ROWS:
        return f"At least {ENOUGH_ROWS} predictions are needed to tell whether the mix moved."
    if differs(then, now):
        return "The mix moved: the inputs may have changed; check them."
    return "The mix has not moved."


CODES: Mapping[str, str] = {
    "unknown_category": "a category outside the training data",
    "out_of_range": "a number outside the training range",
}


def _unseen(facts: Facts) -> list[Block]:
    watched = facts.monitoring
    if not watched.looked_at:
        return [Text("There are no predictions yet.")]
    sentence = (
        f"Of the latest {numbers.count(watched.looked_at, 'prediction')} of this version "
        f"{watched.warned:,} ({numbers.percent(watched.warned / watched.looked_at)}) carried a warning."
    )
    if not watched.warnings:
        return [Text(f"{sentence} The inputs match the training data.")]
    return [
        Text(sentence),
        Table(
            "Warnings by input",
            ["Input", "Value", "Predictions", "Share"],
            [
                [feature, CODES.get(code, code), f"{count:,}", numbers.percent(count / watched.looked_at)]
                for (feature, code), count in list(watched.warnings.items())[:LISTED]
            ],
            numbers=(2, 3),
            wide=1,
        ),
    ]


def _moved(facts: Facts) -> list[Block]:
    evaluation = facts.monitoring.evaluation
    if not evaluation.predictions:
        return [Text("There are no predictions to compare with the table.")]
    columns, moved = evaluation.columns, evaluation.moved
    if not evaluation.is_enough:
        verdict = f"At least {ENOUGH_ROWS} are needed to tell whether an input moved."
    elif moved:
        verdict = f"{numbers.count(len(moved), 'input')} moved, most of all {moved[0].name}."
    else:
        verdict = "No input moved."
    return [
        Text(
            f"The {numbers.count(evaluation.predictions, 'prediction')} from {numbers.moment(evaluation.since)} to "
            f"{numbers.moment(evaluation.until)} compared with the training table. An input has moved if its values differ by "
            f"more than chance explains and by a shift above {FLOOR}: the population stability index, less the part that the "
            f"sizes of both samples explain. {verdict}"
        ),
        Table(
            "How far inputs have moved"
            + (f": the first {LISTED} of {len(columns):,}" if len(columns) > LISTED else ""),
            ["Input", "Shift", "By chance", "Largest change"],
            [
                [
                    column.name,
                    "unknown" if column.shift is None else f"{column.shift:.3f}",
                    "unknown" if column.p is None else numbers.percent(column.p),
                    advice.largest(column),
                ]
                for column in columns[:LISTED]
            ],
            numbers=(1, 2),
            wide=3,
            strong=list(range(len(moved[:LISTED]))),
        ),
    ]
