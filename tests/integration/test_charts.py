"""Every function that draws a chart: titles, axes with units, a hover to read, and the data as a table beneath."""

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any, get_args

import plotly.graph_objects as go
import pytest

from clfsite.core.web.charts import Chart, chart, class_colour
from predictions.batches import charts
from predictions.batches import counts as batch_counts
from predictions.monitoring import charts as traffic_charts
from predictions.monitoring.evaluation import charts as drift_charts
from predictions.monitoring.evaluation.facts import Moved
from tests.support.factories import RunFactory, tiny
from training.ml.judge.names import METRICS
from training.ml.watch.shares import share
from training.runs import progress
from training.templatetags.titles import METRIC_TITLES
from training.versions import charts as training_charts
from training.versions.costs import Curve

MODULES = (charts, traffic_charts, drift_charts, training_charts, progress)
STEPS = [datetime(2026, 3, 10, hour, tzinfo=UTC) for hour in range(24)]
DAYS = [STEPS[0] + timedelta(days=day) for day in range(30)]
HELD_OUT = tiny().trained.held_out.to_dict()
CURVES = HELD_OUT["curves"]
# what is counted, and what has no unit
COUNTED = {"Rows", "Models fitted", "Predictions per hour", "Predictions per day"}
UNITLESS = {"Drop in ROC-AUC", "Threshold", *METRIC_TITLES.values()}
# lines to compare with, named in the legend, that have nothing to say where the pointer is
REFERENCES = {"by chance", "as predicted"}


def best_so_far() -> Chart:
    """The best score of a run under way."""
    run = RunFactory.build(running=True, history=[[1.2, 2, 0.78], [3.5, 7, 0.83]], fits_done=9)
    drawn = progress.best_so_far(run)
    assert drawn
    return drawn


EXAMPLES: dict[Callable[..., Any], list[Chart]] = {
    charts.label_mix: [charts.label_mix({"no": 3, "<b>": 1})],
    charts.probability_histogram: [charts.probability_histogram([1] * batch_counts.BINS, "yes")],
    charts.label_by_group: [
        charts.label_by_group("plan", ["a", "<b>"], ["no", "yes"], [[3, 1], [0, 2]]),
    ],
    traffic_charts.volume: [
        traffic_charts.volume("volume", "Volume", STEPS, {"<b>": [1] * 24, "no": [2] * 24}),
        traffic_charts.volume("days", "Days", DAYS, {f"c{place}": [place] * 30 for place in range(30)}),
    ],
    traffic_charts.latency: [traffic_charts.latency(STEPS, {"median": [None, *([1.5] * 23)]})],
    traffic_charts.accuracy: [
        traffic_charts.accuracy(STEPS, {"v1": [(0, 0), *([(4, 3)] * 23)]}, {"v1": 0.8}),
    ],
    traffic_charts.against_training: [
        traffic_charts.against_training({"no": 0.7, "yes": 0.3}, {"no": 5, "yes": 5}, "note"),
    ],
    drift_charts.beside_training: [
        drift_charts.beside_training(
            "moved-plan",
            "plan",
            Moved(
                moved=True,
                shift=0.1,
                p=0.0,
                since=None,
                before=None,
                is_lasting=True,
                groups=("<b>", "pro"),
                then=(0.5, 0.5),
                now=(0.2, 0.8),
            ),
        ),
    ],
    drift_charts.over_time: [
        drift_charts.over_time(
            {day.date(): dict.fromkeys(drift_charts.METRICS, share(70, 100)) for day in DAYS[:3]}
        ),
    ],
    traffic_charts.tenths: [
        traffic_charts.tenths([1] * 10, "yes", [0.1] * 10),
        traffic_charts.tenths([0] * 10, "the label"),
    ],
    training_charts.confusion: [training_charts.confusion([[5, 1], [2, 8]], ["no", "<b>"])],
    training_charts.roc: [training_charts.roc(CURVES["roc"])],
    training_charts.precision_recall: [training_charts.precision_recall(CURVES["precision_recall"])],
    training_charts.calibration: [training_charts.calibration(CURVES["calibration"])],
    training_charts.costs: [
        training_charts.costs(
            Curve("cross-validated", [0.1, 0.5], [9.5, 4.0], held_out=([0.2], [5.0]), cheapest=0.5),
            0.1,
            "EUR",
        ),
        training_charts.costs(Curve("held-out", [0.1, 0.5], [9.5, 4.0], None, cheapest=0.5), 0.9, "EUR"),
    ],
    training_charts.calibration_change: [
        training_charts.calibration_change(CURVES["calibration"], CURVES["calibration"])
    ],
    training_charts.importance: [training_charts.importance(HELD_OUT["importance"])],
    training_charts.compared_importance: [
        training_charts.compared_importance(["v1", "v2"], [HELD_OUT["importance"]] * 2),
    ],
    progress.best_so_far: [best_so_far()],
}
DRAWN = [
    pytest.param(chart, id=f"{function.__name__}: {chart['id']}")
    for function, drawn in EXAMPLES.items()
    for chart in drawn
]


def functions(module: ModuleType) -> Iterator[Callable[..., Any]]:
    """The module's own public functions that return a chart."""
    for name, function in inspect.getmembers(module, inspect.isfunction):
        returned = inspect.signature(function).return_annotation
        is_drawing = returned is Chart or Chart in get_args(returned)
        if is_drawing and function.__module__ == module.__name__ and not name.startswith("_"):
            yield function


def has_unit(axis: Mapping[str, Any]) -> bool:
    """Whether it is plain what an axis counts or measures in."""
    title = axis["title"]["text"]
    if axis.get("type") == "date":
        return "(UTC)" in title
    return (
        "ticktext" in axis
        or axis.get("tickformat", "").endswith("%")
        or title in COUNTED | UNITLESS
        or bool(re.search(r"\(\w+\)$", title))
    )


def test_every_function_that_draws_has_an_example_here() -> None:
    drawing = {function for module in MODULES for function in functions(module)}
    put_together = {chart, training_charts.of_held_out, training_charts.overlaid}
    assert drawing - put_together == set(EXAMPLES)
    assert set(METRIC_TITLES) == set(METRICS)


def test_a_class_has_its_colour_in_the_mix_of_labels() -> None:
    drawn = traffic_charts.against_training({"no": 0.7, "yes": 0.2, "old": 0.1}, {"no": 5, "yes": 5}, "note")
    colours = [class_colour(0), class_colour(1), traffic_charts.GREY]
    now, now_in_legend, held_out, held_out_in_legend = drawn["figure"]["data"]
    assert now["marker"] == {"color": colours}
    assert held_out["marker"] == {"color": colours, "pattern": {"shape": "/"}}
    # no colour of a class stands for all of them in the legend
    assert now_in_legend["marker"] == {"color": traffic_charts.GREY}
    assert held_out_in_legend["marker"] == {"color": traffic_charts.GREY, "pattern": {"shape": "/"}}
    assert [trace.get("showlegend") for trace in (now, held_out)] == [False, False]


@pytest.mark.parametrize("chart", DRAWN)
def test_a_chart_has_a_title_and_axes_with_titles_and_units(chart: Chart) -> None:
    assert chart["title"]
    for name in ("xaxis", "yaxis"):
        axis = chart["figure"]["layout"][name]
        assert axis["title"]["text"]
        assert has_unit(axis), axis


@pytest.mark.parametrize("chart", DRAWN)
def test_a_chart_tells_what_the_pointer_is_on_in_numbers_to_read(chart: Chart) -> None:
    traces = [trace for trace in chart["figure"]["data"] if trace.get("name") not in REFERENCES]
    assert traces
    for trace in traces:
        assert trace["hovertemplate"].endswith("</extra>")
        assert not re.findall(r"%\{[xyz]\}", trace["hovertemplate"]), "a number as long as it comes"
        assert len(traces) == 1 or trace["name"], "in the legend, and beside the hover"


@pytest.mark.parametrize("chart", DRAWN)
def test_a_chart_has_its_data_as_a_table(chart: Chart) -> None:
    table = chart["table"]
    assert all(table["headers"])
    assert table["rows"]
    assert {len(row) for row in table["rows"]} == {len(table["headers"])}


@pytest.mark.parametrize("chart", DRAWN)
def test_a_chart_is_plain_json_that_plotly_takes_without_a_template_or_colours_of_its_own(
    chart: Chart,
) -> None:
    written = json.dumps(chart["figure"], allow_nan=False)
    # raises for a property that Plotly does not know, or a value that it does not take
    go.Figure(json.loads(re.sub(r"var\(--chart-\d\)", "black", written)))
    assert "template" not in chart["figure"]["layout"]
    assert not [item for item in ("#", "rgb", "bdata", "<b>") if item in written]
