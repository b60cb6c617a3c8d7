"""The style of the report's charts, and their conversion to SVG."""

import io
import logging
import re
import threading
import warnings
import zlib
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from clfsite.core.web.numbers import percent

P = ParamSpec("P")

# The logger would warn about each font of the machine that it cannot read.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)

# the colours of the portal's charts, see static/css/theme.css
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
MAIN, SECOND, MUTED, TEXT, GRID = PALETTE[0], PALETTE[1], "#9aa1a8", "#2b3138", "#e3e6e9"
# inches; the width of a page of the PDF
WIDTH = 6.3
# characters
LONGEST_LABEL = 28
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 8,
    "svg.fonttype": "none",
    "text.color": TEXT,
    "text.parse_math": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": TEXT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=PALETTE),
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}

_one_at_a_time = threading.Lock()

Draw = Callable[Concatenate[Figure, P], float | None]


def picture(height: float) -> Callable[[Draw[P]], Callable[P, str]]:
    """Turn a function that draws on a figure into one that returns SVG.

    Args:
        height: the height of the figure in inches, unless the function returns another one.
    """

    def decorate(draw: Draw[P]) -> Callable[P, str]:
        @wraps(draw)
        def drawn(*args: P.args, **kwargs: P.kwargs) -> str:
            # A lock is needed because matplotlib's style and Python's warning filters apply to the whole process.
            with (
                _one_at_a_time,
                mpl.rc_context({**STYLE, "svg.hashsalt": draw.__name__}),
                warnings.catch_warnings(),
            ):
                # The browser draws missing characters with fonts of its own; this font is only used to measure.
                warnings.filterwarnings("ignore", message="Glyph .* missing from font")
                figure = Figure(figsize=(WIDTH, height), layout="constrained")
                taken = draw(figure, *args, **kwargs)
                if taken:
                    figure.set_size_inches(WIDTH, taken)
                return _svg(figure, draw.__name__)

        return drawn

    return decorate


def _svg(figure: Figure, name: str) -> str:
    """Return the figure as an element for a page, with ids that differ from those of other charts."""
    FigureCanvasSVG(figure)
    target = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(target, format="svg", transparent=True, metadata=nothing)
    element = target.getvalue()
    element = element[element.index("<svg") :]
    apart = f"{name}-{zlib.crc32(element.encode()):08x}"
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{apart}-", element)


def cut(label: str) -> str:
    """Shorten a label for an axis."""
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"


def percent_tick(value: float, _place: int | None = None) -> str:
    return percent(value, 0)


def whole(value: float, _place: int | None = None) -> str:
    return f"{value:,.0f}"


def share_axes(axes: Axes, *, x: bool = True, y: bool = True) -> None:
    """Let axes go from 0 to 100 %."""
    for wanted, axis, limit in ((x, axes.xaxis, axes.set_xlim), (y, axes.yaxis, axes.set_ylim)):
        if wanted:
            limit(-0.01, 1.01)
            axis.set_major_formatter(FuncFormatter(percent_tick))


def count_axis(axes: Axes, axis: str = "y") -> None:
    chosen = axes.yaxis if axis == "y" else axes.xaxis
    chosen.set_major_formatter(FuncFormatter(whole))
    chosen.set_major_locator(MaxNLocator(nbins=6, integer=True))


def name_axis(axes: Axes, names: Sequence[str]) -> None:
    """Write names along the left axis, with the first on top."""
    axes.set_yticks(range(len(names)), [cut(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
