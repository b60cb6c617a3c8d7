"""The progress of a run: its events, and the best score over time."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from clfsite.core.web.charts import Chart, chart, plot, scatter
from training.ml.search.recipe import PORTFOLIO
from training.models import Run, Version
from training.templatetags.titles import metric

# least range of the axis of scores, whose ticks have three decimals
LEAST_SPAN = 0.02
# why the best score of a search may fall
FALLS = {
    "halving": "; each round of halving starts again with more rows",
    PORTFOLIO: "; settings are judged on a part of the folds or rows first, then the best ones on all",
}


class Event(NamedTuple):
    """An event of a run."""

    moment: datetime
    text: str


def events(run: Run) -> Iterator[Event]:
    """The events of the last attempt, in order."""
    yield Event(run.created_at, f"Requested by {run.created_by or 'the command line'}")
    if run.started_at:
        again = f"attempt {run.attempt}" if run.attempt > 1 else "the search"
        yield Event(run.started_at, f"A worker started {again}")
        for seconds, done, score in run.history:
            models = f"{done:,} model{'' if done == 1 else 's'}"
            yield Event(
                run.started_at + timedelta(seconds=seconds),
                f"{metric(run.recipe_data['scoring'])} {score:.4f}: the best setting after {models}",
            )
    if run.stop_requested_at:
        yield Event(run.stop_requested_at, "Asked to stop with the best setting so far")
    if run.cancel_requested_at:
        yield Event(run.cancel_requested_at, "Cancellation requested")
    if run.finished_at:
        version: Version | None = getattr(run, "version", None)
        became = f", and became version {version.number}" if version else ""
        ended = "was cancelled" if run.state == Run.State.CANCELLED else run.state
        yield Event(run.finished_at, f"The run {ended}{became}")


def _around(scores: Sequence[float]) -> dict[str, Any]:
    """Limits of the axis if scores hardly change, because Plotly's ticks would be equal or outside 0 to 1."""
    low, high = min(scores), max(scores)
    middle = (low + high) / 2
    # no score of the five metrics is above 1
    top = max(min(middle + LEAST_SPAN / 2, 1.0), high)
    return {} if high - low > LEAST_SPAN else {"range": [top - LEAST_SPAN, top]}


def best_so_far(run: Run) -> Chart | None:
    """The best score by the number of models fitted; None before the first."""
    if not run.history:
        return None
    seconds, done, scores = (list(values) for values in zip(*run.history, strict=True))
    title = metric(run.recipe_data["scoring"])
    why = FALLS.get(run.recipe_data["search"], "")
    # extend the line to the current fit
    ends = max(run.fits_done, done[-1])
    figure = plot(
        scatter(
            x=[*done, ends],
            y=[*scores, scores[-1]],
            customdata=[*seconds, seconds[-1]],
            mode="lines+markers",
            line={"shape": "hv"},
            marker={"size": [8] * len(done) + [0]},
            hovertemplate="%{y:.4f}<br>%{x:,} models, %{customdata:.1f} s<extra></extra>",
        ),
        {
            "xaxis": {
                "title": {"text": "Models fitted"},
                "range": [0, ends if run.is_timed else max(run.fits_total, ends)],
            },
            "yaxis": {"title": {"text": title}, "tickformat": ".3f", **_around(scores)},
            "showlegend": False,
        },
    )
    return chart(
        name="best-so-far",
        title="Best score over time" if run.is_over else "Best score so far",
        note=f"The best mean {title} over the folds{why}.",
        figure=figure,
        table={
            "headers": ["Models fitted", "Seconds", f"Best {title}"],
            "rows": [
                [f"{fits:,}", f"{second:.1f}", f"{score:.4f}"]
                for second, fits, score in zip(seconds, done, scores, strict=True)
            ],
        },
    )
