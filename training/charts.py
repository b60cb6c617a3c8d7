"""Charts as Plotly figures: pure functions from numbers to what `partials/chart.html` shows.

A figure names no colours but "var(--chart-N)"; the page's script gives it those of the theme.
"""

import html
import json
from collections.abc import Sequence
from typing import Any, TypedDict

import plotly.graph_objects as go

LONGEST_LABEL = 24
# more classes than this leave no room for numbers in the cells
NUMBERED_CLASSES = 12


class Table(TypedDict):
    """A chart's data for those who cannot see it."""

    headers: list[str]
    rows: list[list[Any]]


class Chart(TypedDict):
    """What `partials/chart.html` takes."""

    id: str
    title: str
    note: str
    figure: dict[str, Any]
    table: Table


def chart(*, name: str, title: str, figure: go.Figure, table: Table, note: str = "") -> Chart:
    """Put a figure and its table together, as JSON values."""
    plain = json.loads(figure.to_json())
    plain["layout"].pop("template", None)
    return {"id": name, "title": title, "note": note, "figure": plain, "table": table}


def text(label: str) -> str:
    """A label that Plotly shows as it stands, cut to fit an axis."""
    cut = label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"
    return html.escape(cut, quote=False)


def labelled_axis(title: str, labels: Sequence[str]) -> dict[str, Any]:
    """An axis of positions 0, 1, ... that carry labels, so that labels cut alike stay apart."""
    return {
        "title": {"text": html.escape(title, quote=False)},
        "tickmode": "array",
        "tickvals": list(range(len(labels))),
        "ticktext": [text(label) for label in labels],
        "showgrid": False,
        "zeroline": False,
    }


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> Chart:
    """A confusion matrix as a heatmap, coloured by the share of each actual class.

    Args:
        counts: `counts[i][j]` rows of class i were labelled j.
        classes: in the same order.
    """
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]
    cells = [
        [f"{count:,} ({share:.0%})" for count, share in zip(row, of_row, strict=True)]
        for row, of_row in zip(counts, shares, strict=True)
    ]
    whole = [html.escape(label, quote=False) for label in classes]
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            zmin=0,
            zmax=1,
            text=cells,
            texttemplate="%{text}" if len(classes) <= NUMBERED_CLASSES else None,
            customdata=[[[actual, predicted] for predicted in whole] for actual in whole],
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
        name="confusion",
        title="Confusion matrix",
        note="Rows of the held-out fifth by their actual class and the one predicted, with the share of the actual class.",
        figure=figure,
        table={
            "headers": ["Actual class", *(f"Predicted {label}" for label in classes)],
            "rows": [[label, *row] for label, row in zip(classes, cells, strict=True)],
        },
    )


def spark(counts: Sequence[int]) -> list[dict[str, float]]:
    """Bars of a small histogram in a box one unit wide per count and 100 units high."""
    highest = max(counts, default=0) or 1
    heights = [100 * count / highest for count in counts]
    return [{"x": place, "y": 100 - height, "height": height} for place, height in enumerate(heights)]
