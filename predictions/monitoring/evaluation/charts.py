"""Charts of distributions beside those of training; see `training.versions.charts` for what a chart is."""

import html

from clfsite.core.web.charts import Chart, bars, chart, labelled_axis, plot
from clfsite.core.web.numbers import percent
from predictions.monitoring.evaluation.facts import Moved

# groups in a chart; the others are in its table
SHOWN_GROUPS = 24


def beside_training(name: str, title: str, moved: Moved, note: str = "") -> Chart:
    """The shares of training and of the window by group.

    Args:
        name: of the chart in the page.
        title: of the chart, with the name of the input.
    """
    rows = [row for row in zip(moved.groups, moved.then, moved.now, strict=True) if row[1] or row[2]]
    shown = rows[:SHOWN_GROUPS]
    named = [html.escape(group, quote=False) for group, _, _ in shown]
    series = (("training", "var(--chart-7)", 1), ("this period", "var(--chart-1)", 2))
    figure = plot(
        [
            bars(
                x=list(range(len(shown))),
                y=[row[place] for row in shown],
                name=label,
                marker={"color": color},
                customdata=named,
                hovertemplate="%{customdata}: %{y:.1%}<extra>%{fullData.name}</extra>",
            )
            for label, color, place in series
        ],
        {
            "xaxis": labelled_axis("Value", [group for group, _, _ in shown]),
            "yaxis": {"title": {"text": "Share of rows"}, "rangemode": "tozero", "tickformat": ".0%"},
            "barmode": "group",
            "showlegend": True,
        },
    )
    return chart(
        name=name,
        title=title,
        note=note,
        figure=figure,
        table={
            "headers": ["Value", "Share in training", "Share in this period"],
            "rows": [[group, percent(then), percent(now)] for group, then, now in rows],
        },
    )
