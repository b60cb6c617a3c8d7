"""The frame of every Plotly chart: title, axes, hover and the table beneath.

Figures are plain JSON values, which the browser draws: Plotly's Python objects would take half a second to import and, on
a page with eight charts, longer to check than the counts to read. The tests check every figure with them.
"""

import html
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

LONGEST_LABEL = 24
# characters; with few labels there is space for two lines of this length
WRAPPED_LABELS, LONGEST_LINE, LONGEST_LINES = 8, 16, 2
# most curves in one chart; the others are only in its table
SHOWN_CURVES = 6


class Table(TypedDict):
    """A chart's data as a table, for people who cannot see it."""

    headers: list[str]
    rows: list[list[Any]]


class Chart(TypedDict):
    """The parameters of `partials/chart.html`."""

    id: str
    title: str
    note: str
    figure: dict[str, Any]
    table: Table
    size: str


# Plotly's JSON of one trace
Trace = dict[str, Any]


def plot(traces: Trace | Sequence[Trace], layout: dict[str, Any]) -> dict[str, Any]:
    """Combine traces and a layout to a figure for Plotly's script."""
    return {"data": [traces] if isinstance(traces, dict) else list(traces), "layout": layout}


def bars(**properties: Any) -> Trace:
    """Return a trace of bars."""
    return _trace("bar", properties)


def scatter(**properties: Any) -> Trace:
    """Return a trace of points or lines."""
    return _trace("scatter", properties)


def heatmap(**properties: Any) -> Trace:
    """Return a trace of coloured cells."""
    return _trace("heatmap", properties)


def _trace(kind: str, properties: Mapping[str, Any]) -> Trace:
    return {"type": kind, **{name: value for name, value in properties.items() if value is not None}}


def chart(
    *, name: str, title: str, figure: dict[str, Any], table: Table, note: str = "", size: str = ""
) -> Chart:
    """Put a figure and its table together.

    Args:
        size: a class of the style sheet, if not the usual size.
    """
    return {"id": name, "title": title, "note": note, "figure": figure, "table": table, "size": size}


def text(label: str) -> str:
    """A label that Plotly shows unchanged, cut to fit an axis."""
    cut = label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"
    return html.escape(cut, quote=False)


def wrapped(label: str) -> str:
    """A label that Plotly shows unchanged in one or two lines, cut if it is longer."""
    lines = [""]
    # a name with underscores or hyphens breaks after one, not in the middle of a word or a unit
    for part in re.findall(r"[^\s_-]*[\s_-]*", label):
        if lines[-1] and len((lines[-1] + part).rstrip()) > LONGEST_LINE:
            lines.append("")
        lines[-1] += part
    lines = [line.strip() for line in lines]
    if len(lines) > LONGEST_LINES or max(map(len, lines)) > LONGEST_LABEL:
        whole = " ".join(lines)
        lines = textwrap.wrap(whole, LONGEST_LINE, max_lines=LONGEST_LINES, placeholder="…")
    return "<br>".join(html.escape(line, quote=False) for line in lines)


# colours for classes; the next one, grey, is for what belongs to no class
CLASS_COLOURS = 6


def class_colour(place: int) -> str:
    """The colour of a class, by its place among the classes of its contract, which is the same on every page."""
    return f"var(--chart-{place % CLASS_COLOURS + 1})"


def labelled_axis(title: str, labels: Sequence[str]) -> dict[str, Any]:
    """An axis of positions 0, 1, ... with labels, because cut labels may be equal."""
    return {
        "title": {"text": html.escape(title, quote=False)},
        "tickmode": "array",
        "tickvals": list(range(len(labels))),
        "ticktext": [wrapped(label) if len(labels) <= WRAPPED_LABELS else text(label) for label in labels],
        "showgrid": False,
        "zeroline": False,
    }


def lines(curves: Sequence[Mapping[str, Any]], hover: str) -> list[Trace]:
    """A line for each of the first curves, named by its class and the area beneath it."""
    return [
        scatter(
            x=curve["x"],
            y=curve["y"],
            mode="lines",
            line={"color": curve["color"]} if "color" in curve else None,
            name=text(curve["label"]) + (f" (area {curve['area']:.3f})" if "area" in curve else ""),
            hovertemplate=f"{hover}<extra>%{{fullData.name}}</extra>",
        )
        for curve in curves[:SHOWN_CURVES]
    ]


def diagonal(name: str) -> Trace:
    """A line from corner to corner to compare with."""
    return scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        name=name,
        line={"dash": "dot", "width": 1, "color": "var(--chart-7)"},
        hoverinfo="skip",
    )


# count from which Plotly's steps between ticks are whole numbers
FEW = 5


def count_axis(title: str, highest: float) -> dict[str, Any]:
    """An axis of counts from 0. Few counts get a tick each: rounded halves would show numbers twice."""
    axis = {"title": {"text": title}, "rangemode": "tozero", "tickformat": ",d"}
    return {**axis, "dtick": 1} if highest < FEW else axis


def share_axis(title: str) -> dict[str, Any]:
    """An axis from 0 to 1, shown as 0 to 100 %, with space for a line along its ends."""
    return {
        "title": {"text": title},
        "range": [-0.01, 1.01],
        "tickformat": ".0%",
        "tickvals": [0, 0.25, 0.5, 0.75, 1],
        "zeroline": False,
    }


def spark(counts: Sequence[float], highest: float = 0) -> list[dict[str, float]]:
    """Bars of a small histogram in a box one unit wide per count and 100 units high.

    Args:
        highest: the count of a bar of full height; if it is 0, the highest count.
    """
    full = highest or max(counts, default=0) or 1
    heights = [100 * count / full for count in counts]
    return [{"x": place, "y": 100 - height, "height": height} for place, height in enumerate(heights)]
