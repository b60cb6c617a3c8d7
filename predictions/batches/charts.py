"""Charts of predictions as Plotly figures; see `training.versions.charts` for what a chart is."""

import html
from collections.abc import Mapping, Sequence

from clfsite.core.web.charts import (
    CLASS_COLOURS,
    Chart,
    bars,
    chart,
    class_colour,
    count_axis,
    labelled_axis,
    plot,
    text,
)
from clfsite.core.web.numbers import percent

# most classes in a chart; the table has all of them
SHOWN_CLASSES = 12
# most labels in a chart, as many as there are colours
SHOWN_LABELS = CLASS_COLOURS
# an axis from 0 to 1, read as 0 to 100 %
SHARES = {"range": [0, 1.001], "tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1]}


def label_mix(counts: Mapping[str, int]) -> Chart:
    """The number of rows with each label.

    Args:
        counts: label to rows, in the order to show.
    """
    total = max(sum(counts.values()), 1)
    ranked = (
        sorted(counts.items(), key=lambda pair: -pair[1])
        if len(counts) > SHOWN_CLASSES
        else list(counts.items())
    )
    shown = ranked[:SHOWN_CLASSES]
    left_out = len(ranked) - len(shown)
    highest = max(counts.values(), default=0)
    figure = plot(
        bars(
            orientation="h",
            x=[count for _, count in shown],
            y=list(range(len(shown))),
            text=[percent(count / total, 0) for _, count in shown],
            textposition="outside",
            customdata=[html.escape(name, quote=False) for name, _ in shown],
            marker={"color": [class_colour(list(counts).index(name)) for name, _ in shown]},
            hovertemplate="%{customdata}: %{x:,} rows (%{text})<extra></extra>",
        ),
        {
            # with room for the share behind the longest bar
            "xaxis": {**count_axis("Rows", highest), "range": [0, highest * 1.2 or 1]},
            "yaxis": {**labelled_axis("Label", [name for name, _ in shown]), "autorange": "reversed"},
            "bargap": 0.5,
        },
    )
    return chart(
        name="label-mix",
        title="Labels",
        note=f"The {SHOWN_CLASSES} most frequent; {left_out} more are in the table." if left_out else "",
        figure=figure,
        table={
            "headers": ["Label", "Rows", "Share"],
            "rows": [[name, f"{count:,}", percent(count / total)] for name, count in ranked],
        },
    )


def probability_histogram(counts: Sequence[int], of: str, place: int = 0) -> Chart:
    """The distribution of a probability over the rows.

    Args:
        counts: rows in each of the equal bins between 0 and 1.
        of: the class of the probability, for title and axis.
        place: the place of the class among those of the contract.
    """
    width = 1 / len(counts)
    ranges = [
        f"{percent(place * width, 0)} to {percent((place + 1) * width, 0)}" for place in range(len(counts))
    ]
    figure = plot(
        bars(
            x=[(place + 0.5) * width for place in range(len(counts))],
            y=list(counts),
            width=[width * 0.95] * len(counts),
            marker={"color": class_colour(place)},
            customdata=ranges,
            hovertemplate="%{customdata}: %{y:,} rows<extra></extra>",
        ),
        {
            "xaxis": {
                "title": {"text": html.escape(f"Probability of {of}", quote=False)},
                **SHARES,
            },
            "yaxis": count_axis("Rows", max(counts, default=0)),
        },
    )
    return chart(
        name="probability-histogram",
        title=f"Probability of {of}",
        figure=figure,
        table={
            "headers": [f"Probability of {of}", "Rows"],
            "rows": [[span, f"{count:,}"] for span, count in zip(ranges, counts, strict=True)],
        },
    )


def label_by_group(
    feature: str, groups: Sequence[str], classes: Sequence[str], table: Sequence[Sequence[int]]
) -> Chart:
    """Labels of the rows, by the values of one feature.

    Args:
        groups: the groups of values in the order to show; groups without rows are left out.
        table: rows by group and class.
    """
    counted = [(name, row) for name, row in zip(groups, table, strict=True) if sum(row)]
    totals = [sum(row[place] for _, row in counted) for place in range(len(classes))]
    shown = sorted(sorted(range(len(classes)), key=lambda place: -totals[place])[:SHOWN_LABELS])
    figure = plot(
        [
            bars(
                name=text(classes[place]),
                orientation="h",
                x=[row[place] / sum(row) for _, row in counted],
                y=list(range(len(counted))),
                marker={"color": class_colour(place)},
                customdata=[[html.escape(name, quote=False), row[place], sum(row)] for name, row in counted],
                hovertemplate=f"%{{customdata[0]}}: {text(classes[place])} %{{x:.1%}}"
                " (%{customdata[1]:,} of %{customdata[2]:,} rows)<extra></extra>",
            )
            for place in shown
        ],
        {
            # most ticks that fit on a phone beside long names
            "xaxis": {"title": {"text": "Share of the rows"}, **SHARES, "tickvals": [0, 0.5, 1]},
            "yaxis": {**labelled_axis(feature, [name for name, _ in counted]), "autorange": "reversed"},
            "barmode": "stack",
            "bargap": 0.3,
        },
    )
    left_out = len(classes) - len(shown)
    return chart(
        name="label-by-feature",
        title=f"Labels by {feature}",
        note=f"The {SHOWN_LABELS} most frequent labels; {left_out} more are in the table."
        if left_out
        else "",
        figure=figure,
        table={
            "headers": [feature, "Rows", *classes],
            "rows": [[name, f"{sum(row):,}", *(f"{count:,}" for count in row)] for name, row in counted],
        },
    )
