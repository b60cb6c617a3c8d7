"""Charts of distributions beside those of training; see `training.versions.charts` for what a chart is."""

import html
from collections.abc import Mapping
from datetime import date

from clfsite.core.web.charts import Chart, bars, chart, labelled_axis, plot, scatter
from clfsite.core.web.numbers import interval, percent
from predictions.batches.charts import SHARES
from predictions.monitoring.charts import TIME
from predictions.monitoring.evaluation.facts import Moved
from training.ml.watch.shares import Share

METRICS = ("Accuracy", "Precision", "Recall", "ROC-AUC")
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


def over_time(days: Mapping[date, Mapping[str, Share]]) -> Chart:
    """The metrics of each day with feedback, with their 95 % intervals.

    Args:
        days: by day the metrics that are known, by title.
    """
    lines = []
    for place, metric in enumerate(METRICS, start=1):
        known = [(day, shares[metric]) for day, shares in days.items() if metric in shares]
        if not known:
            continue
        lines.append(
            scatter(
                x=[day.isoformat() for day, _ in known],
                y=[share.value for _, share in known],
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [share.high - share.value for _, share in known],
                    "arrayminus": [share.value - share.low for _, share in known],
                    "thickness": 1,
                },
                mode="lines+markers",
                name=metric,
                line={"color": f"var(--chart-{place})"},
                customdata=[[interval((share.low, share.high)), share.rows] for _, share in known],
                hovertemplate="%{x|%d %b %Y}: %{y:.1%}, %{customdata[0]}, %{customdata[1]:,} rows"
                "<extra>%{fullData.name}</extra>",
            )
        )
    return chart(
        name="over-time",
        title="Metrics by day of the prediction",
        note="As far as true labels came. Bars are 95 % intervals.",
        figure=plot(
            lines,
            {"xaxis": TIME, "yaxis": {**SHARES, "title": {"text": "Share"}}, "showlegend": True},
        ),
        table={
            "headers": ["Day", "Metric", "Value", "95 % interval", "Rows"],
            "rows": [
                [
                    day.isoformat(),
                    metric,
                    percent(share.value),
                    interval((share.low, share.high)),
                    f"{share.rows:,}",
                ]
                for day, shares in days.items()
                for metric, share in shares.items()
            ],
        },
    )
