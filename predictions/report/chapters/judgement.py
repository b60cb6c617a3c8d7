"""Evaluation on held-out rows, and the threshold."""

from collections.abc import Mapping, Sequence
from typing import Any

from clfsite.core.web import numbers
from predictions.report import charts
from predictions.report.blocks import Block, Chapter, Figure, Heading, Items, Remark, Table, Text
from predictions.report.facts import Facts
from training.ml.judge.aim import Aim
from training.ml.judge.calibration import FAIRLY, WELL, calibration_gap
from training.ml.judge.names import DEFAULT_THRESHOLD
from training.ml.tables.digits import exact
from training.templatetags.titles import METRIC_TITLES
from training.versions import verdict
from training.versions.charts import said_of_effort
from training.versions.verdict import ROWS, Outcome

# costs of a miss relative to a false alarm in the table of costs
RATIOS = (1, 2, 3, 5, 10, 20)
# recalls in the table of points of the precision-recall curve
RECALLS = (0.5, 0.6, 0.7, 0.8, 0.9)
LISTED = 40  # rows of a table
MEANINGS = {
    "roc_auc": "how often a row of the class gets a higher probability than a row of another class",
    "accuracy": "the share of rows that are labelled correctly",
    "f1": "the harmonic mean of precision and recall",
    "precision": "the share of the predictions of the class that are correct",
    "recall": "the share of the rows of the class that are found",
}


def evaluation(facts: Facts) -> Chapter:
    """The five metrics, the confusion matrix, curves, calibration and importance."""
    version, held_out = facts.version, facts.held_out
    intervals = held_out.get("intervals") or {}
    names = list(METRIC_TITLES)
    folds = [version.cross_validation[name] for name in names]
    of_class = (
        f"of the class {facts.contract.positive}" if facts.contract.positive else "averaged over the classes"
    )
    blocks: list[Block] = [
        Text(
            f"The metrics of this chapter come from the {held_out['rows']:,} held-out rows, unless stated "
            f"otherwise. Those of the cross-validation come from the training rows, each evaluated by a "
            f"model that was trained without it. F1, precision and recall are those {of_class}."
        ),
        Figure(
            charts.metrics(
                [METRIC_TITLES[name] for name in names],
                folds,
                [version.metrics[name] for name in names],
                [intervals.get(name) for name in names],
            ),
            "The five metrics, over the folds and on the held-out rows",
            _agreement(facts),
        ),
        Table(
            "The five metrics",
            ["Metric", "Cross-validation", "Held out", "95 % interval", "Meaning"],
            [
                [
                    METRIC_TITLES[name],
                    f"{fold['mean']:.3f} ± {fold['std']:.3f}",
                    numbers.score(version.metrics[name]),
                    f"{intervals[name][0]:.3f} to {intervals[name][1]:.3f}"
                    if name in intervals
                    else "not recorded",
                    MEANINGS[name],
                ]
                for name, fold in zip(names, folds, strict=True)
            ],
            numbers=(1, 2, 3),
            wide=4,
        ),
        *_confusion(facts),
        *_curves(held_out.get("curves") or {}, facts),
        *_importance(held_out.get("importance") or [], held_out.get("importance_effort")),
    ]
    return Chapter("evaluation", "Evaluation", blocks)


def _agreement(facts: Facts) -> str:
    """The comparison of cross-validation and held-out rows."""
    fold, value = facts.version.cross_validation["roc_auc"], facts.version.metrics["roc_auc"]
    difference = value - fold["mean"]
    bounds = (facts.held_out.get("intervals") or {}).get("roc_auc")
    inside = bounds and bounds[0] <= fold["mean"] <= bounds[1]
    verdict = (
        "which chance explains: the search did not overfit its folds"
        if inside
        else "which is more than chance explains"
    )
    if not bounds:
        verdict = "which cannot be interpreted because no intervals were recorded"
    return (
        f"ROC-AUC is {value:.3f} on the held-out rows and {fold['mean']:.3f} over the folds, a difference of "
        f"{abs(difference):.3f}, {verdict}. The intervals show the uncertainty due to the choice of the rows."
    )


def _confusion(facts: Facts) -> list[Block]:
    held_out, classes = facts.held_out, facts.contract.classes
    counts = held_out["confusion"]
    right = sum(row[place] for place, row in enumerate(counts))
    wrong = [
        (count, actual, predicted)
        for actual, row in enumerate(counts)
        for predicted, count in enumerate(row)
        if actual != predicted
    ]
    most, actual, predicted = max(wrong)
    reading = f"{right:,} of {held_out['rows']:,} rows are labelled correctly."
    if most:
        reading += (
            f" The most frequent error: {numbers.count(most, 'row')} of {classes[actual]} labelled {classes[predicted]}, "
            f"{numbers.percent(most / sum(counts[actual]))} of the rows of {classes[actual]}."
        )
    return [
        Heading("Confusion matrix"),
        Figure(charts.confusion(counts, classes), "Rows by actual and predicted class", reading),
        Table(
            "By class",
            ["Class", "Precision", "Recall", "F1", "Rows"],
            [
                [
                    of_class["label"],
                    numbers.score(of_class["precision"]),
                    numbers.score(of_class["recall"]),
                    numbers.score(of_class["f1"]),
                    f"{of_class['rows']:,}",
                ]
                for of_class in held_out["per_class"][:LISTED]
            ],
            numbers=(1, 2, 3, 4),
            wide=0,
        ),
    ]


def _curves(curves: Mapping[str, Sequence[Mapping[str, Any]]], facts: Facts) -> list[Block]:
    if not curves:
        return [Remark("No curves were recorded for this version; a version trained today has them.")]
    shares = {row["label"]: row["rows"] / facts.held_out["rows"] for row in facts.held_out["per_class"]}
    roc, precision_recall = curves["roc"], curves["precision_recall"]
    worst = min(roc, key=lambda row: row["area"])
    first = precision_recall[0]
    blocks: list[Block] = [
        Heading("Ranking"),
        Figure(
            charts.ranking(roc, precision_recall),
            "ROC and precision-recall curves" + (" of each class against all others" if len(roc) > 1 else ""),
            f"Left: found rows of a class against false alarms. In {numbers.percent(worst['area'])} of all "
            f"pairs of a row of {worst['label']} and another row, the former gets the higher probability"
            + (", the least of all classes. " if len(roc) > 1 else "; by chance it would be half. ")
            + f"Right: correct predictions of {first['label']} against found rows. The average precision is "
            f"{first['area']:.3f}; labelling at random reaches {shares[first['label']]:.3f}, the share of "
            "the class.",
        ),
    ]
    if curves.get("calibration"):
        blocks += _calibration(curves["calibration"])
        blocks += [Text(sentence) for sentence in verdict.of_calibration(facts.version)]
    return blocks


def _calibration(lines: Sequence[Mapping[str, Any]]) -> list[Block]:
    line = lines[0]
    gap = calibration_gap(line)
    quality = "well" if gap < WELL else "fairly" if gap < FAIRLY else "badly"
    advice = (
        "They can be used as frequencies."
        if gap < WELL
        else "They order rows, but should not be used as frequencies without care."
    )
    return [
        Heading("Calibration"),
        Figure(
            charts.calibration(lines),
            "Observed shares over predicted probabilities, and rows at each",
            f"The probabilities of {line['label']} are {quality} calibrated: on average they differ from the "
            f"observed share by {numbers.percent(gap)}. {advice}",
        ),
    ]


def _importance(features: Sequence[Mapping[str, Any]], effort: Mapping[str, int] | None) -> list[Block]:
    if not features:
        return []
    top, total = features[0], sum(max(row["mean"], 0) for row in features)
    idle = sum(row["mean"] <= row["std"] for row in features)
    of_all = (
        f", {numbers.percent(top['mean'] / total, 0)} of the drops of all inputs together"
        if total > 0
        else ""
    )
    reading = (
        f"The drop in ROC-AUC when the values of one input are shuffled. The most important input is "
        f"{top['feature']}: without it, ROC-AUC would be lower by {top['mean']:.3f}{of_all}. "
        f"{numbers.count(idle, 'input shows', 'inputs show')} no effect beyond chance. Similar inputs can "
        "replace each other, so each may look unimportant although the pair is not. Importance is not "
        "causation." + (f" {said_of_effort(effort)}" if effort else "")
    )
    return [
        Heading("Importance of the inputs"),
        Figure(
            charts.importance(features),
            "Permutation importance on held-out rows"
            + (
                f": the first {charts.SHOWN_FEATURES} of {len(features):,}"
                if len(features) > charts.SHOWN_FEATURES
                else ""
            ),
            reading,
        ),
    ]


def threshold(facts: Facts) -> Chapter:
    """The threshold and its consequences."""
    positive = facts.contract.positive
    if positive is None or facts.version.threshold is None:
        return Chapter(
            "threshold",
            "Decision",
            [
                Text(
                    f"With {len(facts.contract.classes)} classes there is no threshold: the most probable "
                    "class is the label. To treat uncertain rows differently, use the probabilities in each "
                    "answer."
                )
            ],
        )
    outcome = Outcome(facts.held_out["confusion"], facts.contract.classes.index(positive))
    blocks: list[Block] = [
        Text(
            f"A row is labelled {positive} when its probability is at least {exact(facts.version.threshold)}. "
            f"{_aim(facts)} The threshold was chosen on the cross-validated probabilities of the training "
            "rows; the figures below come from the held-out rows."
        ),
        *_changed(facts),
        Heading(f"Outcome for {ROWS:,} rows"),
        _outcome(outcome, positive),
        *_business(outcome, positive, facts),
        *_other_thresholds(facts, outcome, positive),
    ]
    return Chapter("threshold", "Threshold and costs", blocks)


def _changed(facts: Facts) -> list[Block]:
    """The threshold in force, if it is another one than that of the version."""
    activation = facts.version.classifier.activation
    if activation is None or activation.version_id != facts.version.pk or activation.threshold is None:
        return []
    return [
        Text(
            f"Since {numbers.moment(activation.created_at)} the threshold in force is {exact(activation.threshold)}, set by "
            f"{activation.actor}: {activation.reason}"
        )
    ]


def _aim(facts: Facts) -> str:
    aim = Aim.from_dict(facts.run.recipe.aim)
    if aim is None:
        return f"There was no aim, so it is {DEFAULT_THRESHOLD:g}: the more probable class is the label."
    sentences = {
        "f1": "It was chosen for the best F1.",
        "precision": f"It was chosen for a precision of at least {exact(aim.value)}.",
        "recall": f"It was chosen for a recall of at least {exact(aim.value)}.",
        "cost": f"It was chosen for the least cost, where a miss costs {exact(aim.value)} times a false alarm.",
    }
    return sentences[aim.goal]


def _outcome(outcome: Outcome, positive: str) -> Table:
    rows = [
        (f"labelled {positive}, correct", outcome.found, "found in time"),
        (f"labelled {positive}, wrong", outcome.false_alarms, "false alarms: wasted effort"),
        (f"not labelled {positive}, wrong", outcome.missed, "misses: no action"),
        (f"not labelled {positive}, correct", outcome.quiet, "correctly left alone"),
    ]
    return Table(
        f"Expected outcome for {ROWS:,} similar rows",
        ["Rows", f"Of {ROWS:,}", "Of the held-out rows", "Meaning"],
        [
            [name, f"{outcome.per_thousand(count):.0f}", f"{count:,}", meaning]
            for name, count, meaning in rows
        ],
        numbers=(1, 2),
        wide=3,
    )


def _business(outcome: Outcome, positive: str, facts: Facts) -> list[Block]:
    ratios = [step / 4 for step in range(1, 81)]
    model, nobody, everybody = zip(*(outcome.costs(ratio) for ratio in ratios), strict=True)
    ways = (f"no rows labelled {positive}", f"all rows labelled {positive}")
    aim = Aim.from_dict(facts.run.recipe.aim)
    chosen = aim.value if aim and aim.goal == "cost" else None
    reading = (
        "The model is useful where its line is the lowest. Find your own costs on the axis; the cost of a "
        "false alarm is 1."
    )
    if chosen is not None:
        reading += " The dotted line is the cost that the threshold was chosen for."
    return [
        Heading("In plain words"),
        Items([*verdict.of_outcome(outcome, positive), _worth(outcome)]),
        Figure(
            charts.costs(ratios, {"this threshold": model, ways[0]: nobody, ways[1]: everybody}, chosen),
            "Cost of errors, by the cost of a miss",
            reading,
        ),
        Table(
            f"Cost of {ROWS:,} rows, if a false alarm costs 1",
            ["Cost of a miss", "This threshold", *(f"{way[0].upper()}{way[1:]}" for way in ways)],
            [[str(ratio), *(f"{cost:,.0f}" for cost in outcome.costs(ratio))] for ratio in RATIOS],
            numbers=(0, 1, 2, 3),
        ),
    ]


def _worth(outcome: Outcome) -> str:
    low, high = outcome.pays_from, outcome.pays_until
    if low is None:
        return "No row was labelled correctly: the version is not useful at this threshold."
    nobody = f"It is cheaper than labelling no rows if a miss costs more than {low:.2f} times a false alarm"
    if high is None:
        return f"{nobody}. It missed none."
    if low < high:
        return f"{nobody}, and cheaper than labelling all rows if a miss costs less than {high:.1f} times a false alarm."
    return "At any cost of a miss, labelling no rows or all rows is cheaper than this threshold."


def _other_thresholds(facts: Facts, outcome: Outcome, positive: str) -> list[Block]:
    """Metrics at other thresholds, from the precision-recall curve."""
    curves = (facts.held_out.get("curves") or {}).get("precision_recall")
    if not curves:
        return []
    line = curves[0]
    positives = outcome.per_thousand(outcome.found + outcome.missed)
    rows = []
    for wanted in RECALLS:
        points = [(y, x) for x, y in zip(line["x"], line["y"], strict=True) if x >= wanted and y > 0]
        if not points:
            continue
        precision, recall = max(points)
        rows.append(
            [
                numbers.percent(recall, 0),
                numbers.percent(precision, 0),
                f"{positives * recall / precision:.0f}",
                f"{positives * recall:.0f}",
            ]
        )
    return [
        Heading("Other thresholds"),
        Text(
            "To find more of the class, more rows have to be checked, with more false alarms. The page of the "
            "version has the cost of mistakes at each threshold, and changes the threshold of the active version."
        ),
        Table(
            f"Points of the precision-recall curve, for {ROWS:,} rows",
            ["Recall", "Precision", f"Labelled {positive}", "Of these correct"],
            rows,
            numbers=(0, 1, 2, 3),
        ),
    ]
