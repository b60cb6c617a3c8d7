"""The report's charts: pure functions from numbers to SVG, which the page and the PDF both show."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from clfsite.core.web.numbers import percent
from predictions.report.drawing import (
    MAIN,
    MUTED,
    PALETTE,
    SECOND,
    TEXT,
    count_axis,
    cut,
    name_axis,
    percent_tick,
    picture,
    share_axes,
    whole,
)
from training.ml.tables import times
from training.ml.tables.contract import Kind, top_values

SHADES = LinearSegmentedColormap.from_list("shades", ["#eef5fa", MAIN])
# classes, inputs, settings and curves that a chart shows at most
SHOWN_CLASSES = 12
SHOWN_FEATURES = 15
SHOWN_CANDIDATES = 15
SHOWN_CURVES = 6
DARK = 0.55  # share of a class above which the text on its cell is white


@picture(2.0)
def classes(figure: Figure, counts: Mapping[str, int]) -> float:
    """The rows of each class, with the share next to each bar."""
    axes = figure.subplots()
    shown = list(counts.items())[:SHOWN_CLASSES]
    total = max(sum(counts.values()), 1)
    bars = axes.barh(range(len(shown)), [count for _, count in shown], color=MAIN, height=0.6)
    axes.bar_label(
        bars, [f"{count:,} ({percent(count / total, 0)})" for _, count in shown], padding=4, fontsize=8
    )
    name_axis(axes, [name for name, _ in shown])
    axes.margins(x=0.2)
    axes.set_xlabel("Rows")
    count_axis(axes, "x")
    return 0.8 + 0.32 * len(shown)


@picture(3.6)
def inputs(figure: Figure, columns: Sequence[Mapping[str, Any]]) -> float:
    """The distribution of inputs within each class: shares of the class in each bin or category.

    Args:
        columns: profiles with `by_class`, at most six.
    """
    rows = -(-len(columns) // 2)
    grid = figure.subplots(rows, 2, squeeze=False)
    for axes in grid.flat[len(columns) :]:
        axes.set_visible(False)
    for axes, column in zip(grid.flat, columns, strict=False):
        _spread(axes, column)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4)
    return 0.4 + 1.75 * rows


def _spread(axes: Axes, column: Mapping[str, Any]) -> None:
    groups = column["by_class"][:3]
    axes.set_title(cut(column["name"]), loc="left", fontsize=8, fontweight="bold")
    for place, group in enumerate(groups):
        heights = [count / max(group["rows"], 1) for count in group["counts"]]
        label, color = cut(group["label"]), PALETTE[place]
        if "edges" in column:
            axes.stairs(heights, column["edges"], label=label, color=color, fill=True, alpha=0.35)
            axes.stairs(heights, column["edges"], color=color, linewidth=1.2)
            if column.get("kind") == Kind.DATE:
                axes.xaxis.set_major_locator(MaxNLocator(3))
                axes.xaxis.set_major_formatter(FuncFormatter(_day_tick))
            continue
        width = 0.8 / len(groups)
        middles = [at + (place - (len(groups) - 1) / 2) * width for at in range(min(len(heights), 5))]
        axes.bar(middles, heights[: len(middles)], width * 0.92, label=label, color=color)
        names = [cut(value)[:12] for value, _ in top_values(column)[: len(middles)]]
        axes.set_xticks(range(len(names)), names, fontsize=7)
        axes.grid(visible=False, axis="x")
    axes.yaxis.set_major_formatter(FuncFormatter(percent_tick))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.margins(x=0.02)


def _day_tick(seconds: float, _place: int | None = None) -> str:
    try:
        return times.at(seconds).date().isoformat()
    except OverflowError:  # an axis may reach beyond the year 9999
        return ""


@picture(3.0)
def candidates(
    figure: Figure, rows: Sequence[Mapping[str, Any]], names: Sequence[str], scoring: str
) -> float:
    """The mean scores of the best settings, with bars of one standard deviation to both sides."""
    axes = figure.subplots()
    shown = rows[:SHOWN_CANDIDATES]
    for place, row in enumerate(shown):
        axes.errorbar(
            row["mean"],
            place,
            xerr=row["std"],
            fmt="o",
            color=MAIN if place == 0 else MUTED,
            markersize=5,
            capsize=2.5,
            elinewidth=1.2,
        )
    name_axis(axes, names[: len(shown)])
    axes.set_xlabel(f"{scoring}, mean over the folds ± standard deviation")
    return 0.9 + 0.24 * len(shown)


@picture(2.3)
def metrics(
    figure: Figure,
    names: Sequence[str],
    folds: Sequence[Mapping[str, float]],
    held_out: Sequence[float],
    intervals: Sequence[Sequence[float] | None],
) -> None:
    """Each metric over the folds with its standard deviation, and on held-out rows with its interval."""
    axes = figure.subplots()
    for place, (fold, value, interval) in enumerate(zip(folds, held_out, intervals, strict=True)):
        first = place == 0
        axes.errorbar(
            fold["mean"],
            place - 0.16,
            xerr=fold["std"],
            fmt="s",
            color=SECOND,
            markersize=5,
            capsize=2.5,
            label="cross-validation ± standard deviation" if first else None,
        )
        spread = [[value - interval[0]], [interval[1] - value]] if interval else None
        if spread:
            spread = [[max(side[0], 0)] for side in spread]
        axes.errorbar(
            value,
            place + 0.16,
            xerr=spread,
            fmt="o",
            color=MAIN,
            markersize=5,
            capsize=2.5,
            label="held-out rows with 95 % interval" if first else None,
        )
    name_axis(axes, names)
    share_axes(axes, y=False)
    figure.legend(loc="outside upper left", ncols=2)


@picture(3.0)
def confusion(figure: Figure, counts: Sequence[Sequence[int]], names: Sequence[str]) -> float:
    """A confusion matrix, shaded by the share of each actual class."""
    axes = figure.subplots()
    size = len(names)
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]
    # Cells are drawn as shapes, because the page's policy would treat an image as a foreign resource.
    edges = [place - 0.5 for place in range(size + 1)]
    axes.pcolormesh(edges, edges, shares, cmap=SHADES, vmin=0, vmax=1, edgecolors="white", linewidth=1)
    axes.set_ylim(size - 0.5, -0.5)
    if size <= SHOWN_CLASSES:
        for actual, row in enumerate(counts):
            for predicted, count in enumerate(row):
                share = shares[actual][predicted]
                text = f"{count:,}\n{percent(share, 0)}" if size <= 6 else f"{count:,}"  # noqa: PLR2004  small cells have room for one line
                axes.text(
                    predicted,
                    actual,
                    text,
                    ha="center",
                    va="center",
                    fontsize=9 if size <= 6 else 7,  # noqa: PLR2004
                    color="white" if share > DARK else TEXT,
                )
    labels = [cut(name) for name in names]
    turned = 45 if size > 4 else 0  # noqa: PLR2004
    axes.set_xticks(range(size), labels, rotation=turned, ha="right" if turned else "center")
    axes.set_yticks(range(size), labels)
    axes.set(xlabel="Predicted class", ylabel="Actual class")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    if size <= 4:  # noqa: PLR2004  few cells would be as wide as the page and hard to compare
        axes.set_box_aspect(0.6)
    return min(1.6 + 0.5 * size, 5.5)


@picture(3.0)
def ranking(
    figure: Figure, roc: Sequence[Mapping[str, Any]], precision_recall: Sequence[Mapping[str, Any]]
) -> float:
    """ROC and precision-recall curves side by side, with one line per class.

    Args:
        roc, precision_recall: `label`, `x`, `y` and `area` of each.
    """
    left, right = figure.subplots(1, 2)
    for axes, lines in ((left, roc), (right, precision_recall)):
        for place, line in enumerate(lines[:SHOWN_CURVES]):
            label = f"{cut(line['label'])}: {line['area']:.3f}"
            axes.plot(line["x"], line["y"], color=PALETTE[place], label=label)
        share_axes(axes)
    left.plot([0, 1], [0, 1], color=MUTED, linestyle=":", linewidth=1.2, label="by chance")
    left.set(xlabel="False positive rate", ylabel="True positive rate")
    right.set(xlabel="Recall", ylabel="Precision")
    for axes, title in (
        (left, "ROC, with the area beneath"),
        (right, "Precision and recall, with the average"),
    ):
        axes.set_title(title, loc="left", fontsize=8, fontweight="bold")
        axes.legend(loc="lower right" if axes is left else "lower left", fontsize=7)
    return 3.0


@picture(3.2)
def calibration(figure: Figure, lines: Sequence[Mapping[str, Any]]) -> None:
    """Observed shares over predicted probabilities, and below them the number of rows in each bin."""
    top, bottom = figure.subplots(2, height_ratios=[3, 1], sharex=True)
    for place, line in enumerate(lines[:SHOWN_CURVES]):
        top.plot(
            line["x"], line["y"], color=PALETTE[place], marker="o", markersize=4, label=cut(line["label"])
        )
    top.plot([0, 1], [0, 1], color=MUTED, linestyle=":", linewidth=1.2, label="as predicted")
    share_axes(top)
    top.set_ylabel("Observed share")
    bottom.bar(lines[0]["x"], lines[0]["counts"], width=0.03, color=PALETTE[0])
    bottom.set(xlabel="Predicted probability", ylabel="Rows")
    bottom.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    bottom.yaxis.set_major_formatter(FuncFormatter(whole))
    figure.legend(loc="outside upper left", ncols=3)


@picture(3.4)
def importance(figure: Figure, features: Sequence[Mapping[str, Any]]) -> float:
    """The drop in ROC-AUC if an input is shuffled, with the most important input on top."""
    axes = figure.subplots()
    shown = features[:SHOWN_FEATURES]
    drawn = axes.barh(
        range(len(shown)),
        [row["mean"] for row in shown],
        xerr=[row["std"] for row in shown],
        color=MAIN,
        height=0.6,
        error_kw={"ecolor": MUTED, "elinewidth": 1, "capsize": 2},
    )
    texts = [f"{row['mean']:.4f} ± {row['std']:.4f}" for row in shown]
    axes.bar_label(drawn, texts, padding=4, fontsize=7)
    axes.margins(x=0.2)
    name_axis(axes, [row["feature"] for row in shown])
    axes.set_xlabel("Drop in ROC-AUC")
    return 0.7 + 0.24 * len(shown)


@picture(2.8)
def costs(
    figure: Figure,
    ratios: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    chosen: float | None = None,
) -> None:
    """The cost of errors per 1,000 rows by the cost of a miss relative to a false alarm.

    Args:
        ratios: costs of a miss; a false alarm costs 1.
        lines: for each decision rule the cost at each ratio, with the model's first.
        chosen: the ratio for which the threshold was chosen.
    """
    axes = figure.subplots()
    styles = ((MAIN, "-"), (SECOND, "--"), (MUTED, "--"))
    for (name, values), (color, style) in zip(lines.items(), styles, strict=True):
        axes.plot(ratios, values, color=color, linestyle=style, label=name)
    if chosen is not None:
        axes.axvline(chosen, color=TEXT, linewidth=0.8, linestyle=":")
    axes.set(xlabel="Cost of a miss (cost of a false alarm: 1)", ylabel="Cost of 1,000 rows")
    axes.set_ylim(bottom=0)
    axes.set_xlim(ratios[0], ratios[-1])
    axes.yaxis.set_major_formatter(FuncFormatter(whole))
    figure.legend(loc="outside upper left", ncols=3)


@picture(2.4)
def bars(figure: Figure, names: Sequence[str], counts: Sequence[float], x: str, y: str) -> None:
    """Counts as bars, in the given order."""
    axes = figure.subplots()
    axes.bar(range(len(counts)), counts, color=MAIN, width=0.7 if len(counts) > 1 else 0.2)
    if len(counts) == 1:
        axes.set_xlim(-1, 1)
    step = -(-len(names) // 12)
    places = range(0, len(names), step)
    axes.set_xticks(places, [names[place] for place in places], fontsize=7)
    axes.set(xlabel=x, ylabel=y)
    axes.grid(visible=False, axis="x")
    count_axis(axes)


@picture(2.4)
def label_mix(figure: Figure, names: Sequence[str], groups: Mapping[str, Sequence[float]]) -> float:
    """The shares of the labels in several groups of rows."""
    axes = figure.subplots()
    shown = names[:SHOWN_CLASSES]
    height = 0.8 / len(groups)
    for place, (name, shares) in enumerate(groups.items()):
        middles = [at + (place - (len(groups) - 1) / 2) * height for at in range(len(shown))]
        drawn = axes.barh(
            middles, shares[: len(shown)], height * 0.9, label=name, color=(MUTED, MAIN, SECOND)[place]
        )
        axes.bar_label(
            drawn, [f"{100 * share:.1f}\u202f%" for share in shares[: len(shown)]], padding=3, fontsize=7
        )
    name_axis(axes, shown)
    share_axes(axes, y=False)
    axes.set_xlim(0, 1.1)
    axes.set_xlabel("Share of the rows")
    figure.legend(loc="outside upper left", ncols=3)
    return 1.0 + 0.2 * len(groups) * len(shown) + 0.15 * len(shown)


@picture(2.4)
def accuracy(
    figure: Figure,
    names: Sequence[str],
    values: Sequence[float],
    spread: Sequence[tuple[float, float]],
    held_out: float,
) -> None:
    """The accuracy of predictions with feedback by day with its interval, and that of held-out rows as a line."""
    axes = figure.subplots()
    errors = [
        [max(value - low, 0) for value, (low, _) in zip(values, spread, strict=True)],
        [max(high - value, 0) for value, (_, high) in zip(values, spread, strict=True)],
    ]
    axes.errorbar(
        range(len(values)), values, yerr=errors, fmt="o", color=MAIN, capsize=2.5, label="judged predictions"
    )
    axes.axhline(held_out, color=SECOND, linestyle="--", linewidth=1.2, label="held-out rows")
    step = -(-len(names) // 12)
    places = range(0, len(names), step)
    axes.set_xticks(places, [names[place] for place in places], fontsize=7)
    axes.set_xlim(-0.6, len(values) - 0.4)
    share_axes(axes, x=False)
    axes.set(xlabel="Day of the prediction (UTC)", ylabel="Accuracy")
    axes.grid(visible=False, axis="x")
    figure.legend(loc="outside upper left", ncols=2)
