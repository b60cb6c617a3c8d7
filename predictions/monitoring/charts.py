"""Charts of predictions over time as Plotly figures; see `training.versions.charts` for what a chart is."""

import html
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from clfsite.core.web.charts import (
    Chart,
    bars,
    chart,
    class_colour,
    count_axis,
    labelled_axis,
    plot,
    scatter,
    text,
)
from clfsite.core.web.numbers import percent
from predictions.batches.charts import SHARES, SHOWN_CLASSES

# number of colours in the palette; the last one is for all other series
SHOWN_SERIES = 7
REST = "others"
GREY = "var(--chart-7)"
TIME = {"title": {"text": "Time (UTC)"}, "type": "date", "showgrid": False}


def volume(
    name: str, title: str, steps: Sequence[datetime], series: Mapping[str, Sequence[int]], note: str = ""
) -> Chart:
    """Predictions over time as stacked bars.

    Args:
        name: of the chart in the page.
        steps: the start of each bar, evenly spaced.
        series: the name of each part of the bars, with its counts.
    """
    shown = _shown(series)
    at = _stamps(steps)
    every = _every(steps)
    highest = max(map(sum, zip(*shown.values(), strict=True)), default=0)
    figure = plot(
        [
            bars(
                x=at,
                y=list(values),
                name=text(label),
                marker={"color": f"var(--chart-{place})"},
                hovertemplate="%{x|%d %b %Y %H:%M}: %{y:,} predictions<extra>%{fullData.name}</extra>",
            )
            for place, (label, values) in enumerate(shown.items(), start=1)
        ],
        {
            "xaxis": TIME,
            "yaxis": count_axis(f"Predictions per {every}", highest),
            "barmode": "stack",
            "bargap": 0.15,
            "showlegend": True,
        },
    )
    return chart(
        name=name,
        title=title,
        note=note,
        figure=figure,
        table={
            "headers": ["Time (UTC)", *series],
            "rows": [
                [stamp, *(f"{values[place]:,}" for values in series.values())]
                for place, stamp in enumerate(at)
            ],
        },
    )


def latency(steps: Sequence[datetime], quantiles: Mapping[str, Sequence[float | None]]) -> Chart:
    """Scoring time over time.

    Args:
        quantiles: the name of each line, with its milliseconds; None if there were no predictions.
    """
    at = _stamps(steps)
    figure = plot(
        [
            scatter(
                x=at,
                y=list(values),
                mode="lines+markers",
                marker={"size": 5},
                name=text(label),
                line={"color": f"var(--chart-{place})"},
                hovertemplate="%{x|%d %b %Y %H:%M}: %{y:.2f} ms<extra>%{fullData.name}</extra>",
            )
            for place, (label, values) in enumerate(quantiles.items(), start=1)
        ],
        {
            "xaxis": TIME,
            "yaxis": {"title": {"text": "Latency of a row (ms)"}, "rangemode": "tozero"},
            "showlegend": True,
        },
    )
    return chart(
        name="latency",
        title="Latency",
        note="Time to score a checked row, without the log. Estimated from a histogram with three steps per "
        "power of ten.",
        figure=figure,
        table={
            "headers": ["Time (UTC)", *(f"{label} (ms)" for label in quantiles)],
            "rows": [
                [
                    stamp,
                    *(
                        "none" if (value := values[place]) is None else f"{value:.2f}"
                        for values in quantiles.values()
                    ),
                ]
                for place, stamp in enumerate(at)
            ],
        },
    )


def accuracy(
    steps: Sequence[datetime],
    judged: Mapping[str, Sequence[tuple[int, int]]],
    held_out: Mapping[str, float],
) -> Chart:
    """The accuracy over time on predictions with feedback.

    Args:
        judged: per version, pairs of judged and correct.
        held_out: the accuracy of each version on held-out rows.
    """
    at = _stamps(steps)
    lines: list[dict[str, Any]] = []
    rows: list[list[str]] = []
    for place, (label, pairs) in enumerate(list(judged.items())[:SHOWN_SERIES], start=1):
        known = [(stamp, *pair) for stamp, pair in zip(at, pairs, strict=True) if pair[0]]
        color = f"var(--chart-{place})"
        lines += [
            scatter(
                x=[stamp for stamp, _, _ in known],
                y=[right / total for _, total, right in known],
                mode="lines+markers",
                marker={"size": 5},
                name=text(label),
                line={"color": color},
                customdata=[[right, total] for _, total, right in known],
                hovertemplate="%{x|%d %b %Y %H:%M}: %{y:.1%} (%{customdata[0]:,} of %{customdata[1]:,})<extra>%{fullData.name}</extra>",
            ),
            scatter(
                x=[at[0], at[-1]],
                y=[held_out[label]] * 2,
                mode="lines",
                name=f"{text(label)} on held-out rows",
                line={"color": color, "dash": "dot", "width": 1},
                hovertemplate="%{y:.1%}<extra>%{fullData.name}</extra>",
            ),
        ]
        rows += [[label, stamp, f"{total:,}", percent(right / total)] for stamp, total, right in known]
    figure = plot(
        lines,
        {
            "xaxis": TIME,
            "yaxis": {**SHARES, "title": {"text": "Accuracy"}},
            "showlegend": True,
        },
    )
    return chart(
        name="accuracy",
        title="Live accuracy",
        note="Predictions with feedback, by the time of the prediction. The dotted line is the accuracy on "
        "held-out rows.",
        figure=figure,
        table={"headers": ["Version", "Time (UTC)", "With feedback", "Correct"], "rows": rows},
    )


def against_training(expected: Mapping[str, float], counts: Mapping[str, int], note: str) -> Chart:
    """The label mix compared with that of the held-out rows.

    Args:
        expected: label to share, from 0 to 1.
        counts: label to predictions.
    """
    total = max(sum(counts.values()), 1)
    ranked = sorted({**dict.fromkeys(expected, 0), **counts}, key=lambda label: -counts.get(label, 0))
    in_order = (
        ranked
        if len(ranked) > SHOWN_CLASSES
        else [*counts, *(label for label in ranked if label not in counts)]
    )
    shown = in_order[:SHOWN_CLASSES]
    left_out = len(in_order) - len(shown)
    return chart(
        name="label-mix",
        title="Labels, against training",
        note=f"{note} The {len(shown)} most frequent; {left_out} more are in the table."
        if left_out
        else note,
        figure=_mixes(
            {label: class_colour(list(counts).index(label)) if label in counts else GREY for label in shown},
            {label: counts.get(label, 0) / total for label in shown},
            {label: expected.get(label, 0.0) for label in shown},
        ),
        table={
            "headers": ["Label", "Predictions", "Share", "Share on held-out rows"],
            "rows": [
                [
                    label,
                    f"{counts.get(label, 0):,}",
                    percent(counts.get(label, 0) / total),
                    percent(expected.get(label, 0)),
                ]
                for label in in_order
            ],
        },
    )


def _mixes(
    colours: Mapping[str, str], live: Mapping[str, float], held_out: Mapping[str, float]
) -> dict[str, Any]:
    """Two mixes of labels side by side, that of held-out rows hatched.

    Args:
        colours: the labels in order, with the colours of their classes.
    """
    shown = list(colours)
    named = [html.escape(label, quote=False) for label in shown]
    groups: tuple[tuple[str, dict[str, Any], Mapping[str, float]], ...] = (
        ("predictions in this period", {}, live),
        ("predictions on held-out rows", {"pattern": {"shape": "/"}}, held_out),
    )
    traces = []
    for name, hatch, shares in groups:
        shared = {
            "name": name,
            "offsetgroup": name,
            "legendgroup": name,
            "hovertemplate": "%{customdata}: %{y:.1%}<extra>%{fullData.name}</extra>",
        }
        traces += [
            bars(
                x=list(range(len(shown))),
                y=[shares[label] for label in shown],
                marker={"color": list(colours.values()), **hatch},
                customdata=named,
                showlegend=False,
                **shared,
            ),
            # The legend would show the colour of the first class; it shows that of a bar without a height instead.
            bars(x=[0], y=[None], marker={"color": GREY, **hatch}, **shared),
        ]
    return plot(
        traces,
        {
            "xaxis": labelled_axis("Label", shown),
            "yaxis": {"title": {"text": "Share of predictions"}, "rangemode": "tozero", "tickformat": ".0%"},
            "barmode": "group",
            "showlegend": True,
        },
    )


def tenths(counts: Sequence[int], of: str, held_out: Sequence[float] | None = None, place: int = 0) -> Chart:
    """The distribution of a probability over the predictions, by tenths.

    Args:
        counts: predictions in each tenth.
        of: whose probability, for title and axis.
        held_out: the share of held-out rows in each tenth, to compare with; None where unknown.
        place: the place of the class among those of the contract.
    """
    total = max(sum(counts), 1)
    ranges = [
        f"{percent(place / len(counts), 0)} to {percent((place + 1) / len(counts), 0)}"
        for place in range(len(counts))
    ]
    beside = [[percent(share)] for share in held_out] if held_out else [[]] * len(counts)
    return chart(
        name="probability",
        title=f"Probability of {of}",
        note="Where the bars differ from the dotted line, predictions are more or less certain than on "
        "held-out rows."
        if held_out
        else "",
        figure=_spread(counts, of, ranges, held_out, class_colour(place)),
        table={
            "headers": [
                f"Probability of {of}",
                "Predictions",
                "Share",
                *(["Share of held-out rows"] if held_out else []),
            ],
            "rows": [
                [span, f"{count:,}", percent(count / total), *more]
                for span, count, more in zip(ranges, counts, beside, strict=True)
            ],
        },
    )


def _spread(
    counts: Sequence[int], of: str, ranges: Sequence[str], held_out: Sequence[float] | None, colour: str
) -> dict[str, Any]:
    total = max(sum(counts), 1)
    width = 1 / len(counts)
    middles = [(place + 0.5) * width for place in range(len(counts))]
    traces: list[dict[str, Any]] = [
        bars(
            x=middles,
            y=[count / total for count in counts],
            width=[width * 0.95] * len(counts),
            name="predictions in this period",
            marker={"color": colour},
            customdata=[[span, count] for span, count in zip(ranges, counts, strict=True)],
            hovertemplate="%{customdata[0]}: %{y:.1%}, %{customdata[1]:,} predictions<extra></extra>",
        )
    ]
    if held_out:
        traces.append(
            scatter(
                x=middles,
                y=list(held_out),
                mode="lines+markers",
                name="held-out rows",
                line={"color": GREY, "dash": "dot"},
                customdata=ranges,
                hovertemplate="%{customdata}: %{y:.1%} of held-out rows<extra></extra>",
            )
        )
    return plot(
        traces,
        {
            "xaxis": {"title": {"text": html.escape(f"Probability of {of}", quote=False)}, **SHARES},
            "yaxis": {"title": {"text": "Share of predictions"}, "rangemode": "tozero", "tickformat": ".0%"},
            "showlegend": bool(held_out),
        },
    )


def _shown(series: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """The largest series in the given order; the others are combined."""
    if len(series) <= SHOWN_SERIES:
        return {label: list(values) for label, values in series.items()}
    largest = set(sorted(series, key=lambda label: -sum(series[label]))[: SHOWN_SERIES - 1])
    rest = [values for label, values in series.items() if label not in largest]
    kept = {label: list(values) for label, values in series.items() if label in largest}
    return {**kept, REST: [sum(column) for column in zip(*rest, strict=True)]}


def _stamps(steps: Sequence[datetime]) -> list[str]:
    return [f"{step:%Y-%m-%d %H:%M}" for step in steps]


def _every(steps: Sequence[datetime]) -> str:
    """The name of a step."""
    hours = (steps[1] - steps[0]).total_seconds() / 3_600 if len(steps) > 1 else 24
    return "hour" if hours == 1 else "day"
