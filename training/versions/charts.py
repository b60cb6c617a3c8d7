"""Charts of versions as Plotly figures: pure functions from numbers to the input of `partials/chart.html`.

Figures name their colours "var(--chart-N)", which the page's script replaces by those of the theme.
"""

import html
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from clfsite.core.web.charts import (
    SHOWN_CURVES,
    Chart,
    Table,
    Trace,
    bars,
    chart,
    class_colour,
    diagonal,
    heatmap,
    labelled_axis,
    lines,
    plot,
    scatter,
    share_axis,
    text,
)
from training.ml.judge.costs import PER
from training.versions.costs import Curve

# classes up to which the cells of a confusion matrix have room for numbers
NUMBERED_CLASSES = 12
# most classes for which the numbers have their shares beside them
SHARED_CLASSES = 3
# features in the chart of one version, and in that of several
SHOWN_FEATURES = 15
SHOWN_COMPARED = 10
# rows behind a point of the calibration curve, below which it is drawn open
THIN = 30
# points of a curve in its table
LISTED_POINTS = 21
IMPORTANCE_NOTE = (
    "Drop in ROC-AUC when the values of an input are shuffled. Similar inputs can replace each other."
)


def confusion(
    counts: Sequence[Sequence[int]],
    classes: Sequence[str],
    *,
    name: str = "confusion",
    title: str = "Confusion matrix",
) -> Chart:
    """A confusion matrix as a heatmap, coloured by the share of each actual class.

    Args:
        counts: `counts[i][j]` rows of class i were labelled j.
        classes: the labels in the same order.
    """
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]
    cells = [
        [f"{count:,} ({share:.0%})" for count, share in zip(row, of_row, strict=True)]
        for row, of_row in zip(counts, shares, strict=True)
    ]
    whole = [html.escape(label, quote=False) for label in classes]
    written = "%{text}" if len(classes) <= SHARED_CLASSES else "%{customdata[2]:,}"
    figure = plot(
        heatmap(
            z=shares,
            zmin=0,
            zmax=1,
            text=cells,
            texttemplate=written if len(classes) <= NUMBERED_CLASSES else None,
            customdata=[
                [[actual, predicted, count] for predicted, count in zip(whole, row, strict=True)]
                for actual, row in zip(whole, counts, strict=True)
            ],
            hovertemplate="actual %{customdata[0]}<br>predicted %{customdata[1]}<br>%{text}<extra></extra>",
            textfont={"size": 13},
            showscale=False,
            xgap=2,
            ygap=2,
        ),
        {
            "xaxis": labelled_axis("Predicted class", classes),
            "yaxis": {**labelled_axis("Actual class", classes), "autorange": "reversed"},
        },
    )
    return chart(
        name=name,
        title=title,
        note="Held-out rows by actual and predicted class, with the share of the actual class.",
        figure=figure,
        size=_size(len(classes)),
        table={
            "headers": ["Actual class", *(f"Predicted {label}" for label in classes)],
            "rows": [[label, *row] for label, row in zip(classes, cells, strict=True)],
        },
    )


def _size(parts: int) -> str:
    """The size of a chart with so many classes or curves, whose labels need space."""
    return "chart-lg" if parts > SHARED_CLASSES else ""


def of_held_out(held_out: Mapping[str, Any]) -> list[Chart]:
    """Return the charts of an evaluation; early versions have none.

    Args:
        held_out: `Evaluation.to_dict()`, possibly without `curves` and `importance`.
    """
    curves = held_out.get("curves") or {}
    classes = [row["label"] for row in held_out["per_class"]]
    drawn = [
        draw([{"color": class_colour(classes.index(curve["label"])), **curve} for curve in curves[kind]])
        for kind, draw in CURVES.items()
        if curves.get(kind)
    ]
    features = held_out.get("importance")
    return [*drawn, importance(features, held_out.get("importance_effort"))] if features else drawn


def overlaid(names: Sequence[str], held_out: Sequence[Mapping[str, Any]], label: str) -> list[Chart]:
    """The curves of one class by several versions in the same charts.

    Args:
        names: the name of each version.
        held_out: `Evaluation.to_dict()` of each; versions without curves or without the class are left out.
        label: the class.
    """
    drawn = []
    for kind, draw in CURVES.items():
        curves = [
            # each version has the same colour in all charts
            {**curve, "label": name, "color": f"var(--chart-{place})"}
            for place, (name, judged) in enumerate(zip(names, held_out, strict=True), start=1)
            for curve in (judged.get("curves") or {}).get(kind, [])
            if curve["label"] == label
        ]
        if curves:
            drawn.append(draw(curves, "Version"))
    return drawn


def roc(curves: Sequence[Mapping[str, Any]], each_is: str = "Class") -> Chart:
    """ROC curves, one for each class.

    Args:
        curves: `label`, `x` (false positive rate), `y` (true positive rate) and `area` of each.
        each_is: what the labels name, if not classes.
    """
    figure = plot(
        [
            *lines(curves, "false positives %{x:.1%}<br>true positives %{y:.1%}"),
            diagonal("by chance"),
        ],
        {"xaxis": share_axis("False positive rate"), "yaxis": share_axis("True positive rate")},
    )
    return chart(
        name="roc",
        title="ROC curve",
        note=curves_note(
            "Share of the class that is found, against the share of false alarms. Better curves are closer "
            "to the upper left.",
            curves,
        ),
        figure=figure,
        size=_size(len(curves)),
        table=curves_table(curves, [each_is, "False positive rate", "True positive rate"]),
    )


def precision_recall(curves: Sequence[Mapping[str, Any]], each_is: str = "Class") -> Chart:
    """Precision-recall curves, one for each class.

    Args:
        curves: `label`, `x` (recall), `y` (precision) and `area` (average precision) of each.
        each_is: what the labels name, if not classes.
    """
    figure = plot(
        lines(curves, "recall %{x:.1%}<br>precision %{y:.1%}"),
        {"xaxis": share_axis("Recall"), "yaxis": share_axis("Precision"), "showlegend": True},
    )
    return chart(
        name="precision-recall",
        title="Precision-recall curve",
        note=curves_note(
            "Share of the predictions of the class that are correct, against the share of the class that is "
            "found.",
            curves,
        ),
        figure=figure,
        size=_size(len(curves)),
        table=curves_table(curves, [each_is, "Recall", "Precision"]),
    )


def calibration(curves: Sequence[Mapping[str, Any]], each_is: str = "Class") -> Chart:
    """Calibration curves, one for each class.

    Args:
        curves: `label`, `x` (mean probability), `y` (share of the class) and `counts` (rows), a point for each tenth
            of the probability scale that has rows.
        each_is: what the labels name, if not classes.
    """
    hover = "probability %{x:.1%}<br>observed %{y:.1%}<br>%{customdata:,} rows"
    figure = plot(
        [
            *(
                {
                    **line,
                    # labels of several curves would cover each other
                    "mode": "lines+markers+text" if len(curves) == 1 else "lines+markers",
                    "text": [f"{count:,}" for count in curve["counts"]],
                    "textposition": "top left",
                    "cliponaxis": False,
                    "customdata": curve["counts"],
                    "marker": {
                        "size": 9,
                        "symbol": ["circle-open" if count < THIN else "circle" for count in curve["counts"]],
                    },
                }
                for line, curve in zip(lines(curves, hover), curves, strict=False)
            ),
            diagonal("as predicted"),
        ],
        {"xaxis": share_axis("Predicted probability"), "yaxis": share_axis("Observed share")},
    )
    return chart(
        name="calibration",
        title="Calibration",
        note=curves_note(
            "Of the rows with a probability of 70\u202f%, about 70\u202f% should be of the class: points near the diagonal are "
            f"good. The numbers are the rows behind each point; an open point has fewer than {THIN} rows and may be off "
            "by chance.",
            curves,
        ),
        figure=figure,
        size=_size(len(curves)),
        table={
            "headers": [each_is, "Predicted probability", "Observed share of the class", "Rows"],
            "rows": [
                [curve["label"], f"{x:.1%}", f"{y:.1%}", f"{count:,}"]
                for curve in curves
                for x, y, count in zip(curve["x"], curve["y"], curve["counts"], strict=True)
            ],
        },
    )


def costs(curve: Curve, threshold: float, unit: str) -> Chart:
    """The cost of mistakes by threshold, with the threshold in force and the cheapest.

    Args:
        curve: see `training.versions.costs`.
        threshold: the one in force.
        unit: of the costs; may be empty.
    """
    title = f"Cost of {PER:,} rows" + (f" ({text(unit)})" if unit else "")
    hover = "threshold %{x:.3f}<br>cost %{y:,.2f}<extra>%{fullData.name}</extra>"
    series = {f"{curve.chosen_on} rows": (curve.thresholds, curve.costs)}
    if curve.held_out:
        series["held-out rows"] = curve.held_out
    marked = {"in force": threshold, "cheapest": curve.cheapest}
    figure = plot(
        [
            *(
                scatter(x=x, y=y, mode="lines", name=name, hovertemplate=hover)
                for name, (x, y) in series.items()
            ),
            *(
                scatter(
                    x=[at],
                    y=[_at(curve.thresholds, curve.costs, at)],
                    mode="markers",
                    name=f"{name}: {at:.3g}",
                    marker={"size": 10, "symbol": symbol, "color": "var(--chart-6)"},
                    hovertemplate=hover,
                )
                for (name, at), symbol in zip(marked.items(), ("circle", "diamond"), strict=True)
            ),
        ],
        {
            "xaxis": {"title": {"text": "Threshold"}, "range": [-0.01, 1.01], "zeroline": False},
            "yaxis": {"title": {"text": title}, "rangemode": "tozero"},
            "showlegend": True,
        },
    )
    listed = [step / (LISTED_POINTS - 1) for step in range(LISTED_POINTS)]
    return chart(
        name="costs",
        title="Cost by threshold",
        note="What the mistakes in 1,000 rows cost at each threshold. A threshold is chosen on "
        f"{curve.chosen_on} rows" + ("; the held-out rows check the choice." if curve.held_out else "."),
        figure=figure,
        table={
            "headers": ["Threshold", *(f"{title}, {name}" for name in series)],
            "rows": [[f"{at:g}", *(f"{_at(x, y, at):,.2f}" for x, y in series.values())] for at in listed],
        },
    )


def _at(thresholds: Sequence[float], values: Sequence[float], threshold: float) -> float:
    """The value at the first of the rising thresholds that is not below the given one, or at the last."""
    return values[min(bisect_left(thresholds, threshold), len(values) - 1)]


def calibration_change(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Chart:
    """The calibration curve of the positive class, or of the first, before and after calibration.

    Args:
        before, after: see `calibration`.
    """
    curves = [{**before[0], "label": "before"}, {**after[0], "label": "after"}]
    return {
        **calibration(curves, "Calibration"),
        "id": "calibration-change",
        "title": "Before and after calibration",
        "note": f"Observed shares of {before[0]['label'][:60]} on cross-validated rows: the nearer to the diagonal, the better.",
    }


CURVES = {"roc": roc, "precision_recall": precision_recall, "calibration": calibration}


def importance(features: Sequence[Mapping[str, Any]], effort: Mapping[str, int] | None = None) -> Chart:
    """Permutation importance as bars, the most important feature on top.

    Args:
        features: `feature`, `mean` and `std` of each, the most important first.
        effort: number of `rows` and of shuffles (`repeats`); early versions do not have it.
    """
    shown = features[:SHOWN_FEATURES]
    left_out = len(features) - len(shown)
    figure = plot(
        bars(
            x=[row["mean"] for row in shown],
            y=list(range(len(shown))),
            error_x={
                "array": [row["std"] for row in shown],
                "thickness": 1,
                "color": "var(--chart-7)",
            },
            orientation="h",
            customdata=[[html.escape(row["feature"], quote=False), row["std"]] for row in shown],
            hovertemplate="%{customdata[0]}: %{x:.4f} ± %{customdata[1]:.4f}<extra></extra>",
        ),
        {
            "xaxis": {"title": {"text": "Drop in ROC-AUC"}},
            "yaxis": {
                **labelled_axis("Input", [row["feature"] for row in shown]),
                "range": [len(shown) - 0.5, -0.5],
            },
            "bargap": 0.4,
        },
    )
    return chart(
        name="importance",
        title="Permutation importance",
        note=" ".join(
            [
                IMPORTANCE_NOTE,
                *([said_of_effort(effort)] if effort else []),
                *(
                    [f"The {SHOWN_FEATURES} most important; {left_out} more are in the table."]
                    if left_out
                    else []
                ),
            ]
        ),
        figure=figure,
        table={
            "headers": ["Input", "Drop in ROC-AUC", "Standard deviation"],
            "rows": [[row["feature"], f"{row['mean']:.4f}", f"{row['std']:.4f}"] for row in features],
        },
    )


def said_of_effort(effort: Mapping[str, int]) -> str:
    """Say on how many rows importance was measured; there are fewer if a model is slow or has many inputs."""
    times = "once" if effort["repeats"] == 1 else f"{effort['repeats']} times"
    return f"Measured on {effort['rows']:,} held-out rows, each input shuffled {times}."


def compared_importance(names: Sequence[str], features: Sequence[Sequence[Mapping[str, Any]]]) -> Chart:
    """Permutation importance of several versions, a group of bars for each feature.

    Args:
        names: the name of each version.
        features: `feature`, `mean` and `std` for each version; empty if importance was not measured.
    """
    by_version = [{row["feature"]: row for row in rows} for rows in features]
    highest: dict[str, float] = {}
    for row in chain.from_iterable(features):
        highest[row["feature"]] = max(highest.get(row["feature"], row["mean"]), row["mean"])
    ordered = sorted(highest, key=lambda feature: -highest[feature])
    shown = ordered[:SHOWN_COMPARED]
    groups = [
        _importance_bars(
            place, name, [(at, rows[feature]) for at, feature in enumerate(shown) if feature in rows]
        )
        for place, (name, rows) in enumerate(zip(names, by_version, strict=True), start=1)
    ]
    left_out = len(ordered) - len(shown)
    more = f" The {len(shown)} most important of any; {left_out} more are in the table." if left_out else ""
    return chart(
        name="importance",
        title="Permutation importance",
        note=f"{IMPORTANCE_NOTE}{more}",
        figure=plot(
            groups,
            {
                "xaxis": {"title": {"text": "Drop in ROC-AUC"}},
                "yaxis": {**labelled_axis("Input", shown), "range": [len(shown) - 0.5, -0.5]},
                "barmode": "group",
                "showlegend": True,
            },
        ),
        table={
            "headers": ["Input", *names],
            "rows": [
                [
                    feature,
                    *(
                        f"{rows[feature]['mean']:.4f} ± {rows[feature]['std']:.4f}"
                        if feature in rows
                        else "not an input"
                        for rows in by_version
                    ),
                ]
                for feature in ordered
            ],
        },
    )


def _importance_bars(place: int, name: str, rows: Sequence[tuple[int, Mapping[str, Any]]]) -> Trace:
    """The bars of one version.

    Args:
        place: the position among the versions, from 1, which selects the colour.
        rows: position on the axis and importance of each feature.
    """
    return bars(
        x=[row["mean"] for _, row in rows],
        y=[position for position, _ in rows],
        error_x={"array": [row["std"] for _, row in rows], "thickness": 1, "color": "var(--chart-7)"},
        orientation="h",
        name=text(name),
        marker={"color": f"var(--chart-{place})"},
        customdata=[[html.escape(row["feature"], quote=False), row["std"]] for _, row in rows],
        hovertemplate="%{customdata[0]}: %{x:.4f} ± %{customdata[1]:.4f}<extra>%{fullData.name}</extra>",
    )


def curves_note(note: str, curves: Sequence[Mapping[str, Any]]) -> str:
    """Return the note of a chart of curves, with the number of classes that are only in its table."""
    left_out = len(curves) - SHOWN_CURVES
    return (
        f"{note} The first {SHOWN_CURVES} classes; {left_out} more are in the table."
        if left_out > 0
        else note
    )


def curves_table(curves: Sequence[Mapping[str, Any]], headers: list[str]) -> Table:
    """Return evenly spaced points of each curve, including the first and the last."""
    rows = []
    for curve in curves:
        last = len(curve["x"]) - 1
        picked = sorted({round(step * last / (LISTED_POINTS - 1)) for step in range(LISTED_POINTS)})
        rows += [[curve["label"], f"{curve['x'][place]:.1%}", f"{curve['y'][place]:.1%}"] for place in picked]
    return {"headers": headers, "rows": rows}
