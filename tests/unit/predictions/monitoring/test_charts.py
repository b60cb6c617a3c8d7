"""Figures of answers: what they leave out, how they name it, and what is in them when there is nothing."""

from typing import Any

import pytest

from clfsite.core.web.charts import Chart, spark, text
from predictions.batches import charts
from predictions.batches import counts as batch_counts
from training.versions.charts import confusion


def trace(chart: Chart) -> dict[str, Any]:
    only: dict[str, Any] = chart["figure"]["data"][0]
    return only


@pytest.mark.parametrize(
    "chart",
    [
        charts.label_mix({f"c{number}": number for number in range(100)}),
    ],
    ids=["label mix"],
)
def test_of_many_classes_the_chart_shows_a_few_and_the_table_all(chart: Chart) -> None:
    assert len(trace(chart)["x"]) == charts.SHOWN_CLASSES
    assert len(chart["table"]["rows"]) == 100
    assert "88 more are in the table" in chart["note"]


def test_few_rows_have_an_axis_of_whole_numbers() -> None:
    few, many = charts.label_mix({"no": 1, "yes": 0}), charts.label_mix({"no": 900, "yes": 100})
    assert few["figure"]["layout"]["xaxis"]["dtick"] == 1
    assert "dtick" not in many["figure"]["layout"]["xaxis"]


def test_a_confusion_matrix_is_coloured_by_the_share_of_the_actual_class() -> None:
    chart = confusion([[9, 1], [0, 0]], ["no", "yes"])
    assert trace(chart)["z"] == [[0.9, 0.1], [0.0, 0.0]]
    assert chart["table"]["rows"] == [["no", "9 (90%)", "1 (10%)"], ["yes", "0 (0%)", "0 (0%)"]]


def test_labels_show_as_they_are_written_and_long_ones_are_cut() -> None:
    assert text("<b>bold</b>") == "&lt;b&gt;bold&lt;/b&gt;"
    assert len(text("x" * 100)) == 24
    hover = trace(charts.label_mix({"<a href='javascript:1'>": 1}))["customdata"]
    assert hover == ["&lt;a href='javascript:1'&gt;"]


def test_labels_cut_alike_keep_places_of_their_own() -> None:
    chart = charts.label_mix({"x" * 50 + "1": 1, "x" * 50 + "2": 2})
    assert chart["figure"]["layout"]["yaxis"]["tickvals"] == [0, 1]
    assert trace(chart)["x"] == [1, 2]


def test_charts_of_nothing_are_empty() -> None:
    assert trace(charts.label_mix({}))["x"] == []
    assert sum(trace(charts.probability_histogram([0] * batch_counts.BINS, "yes"))["y"]) == 0
    assert spark([]) == []


def test_spark_bars_reach_the_top_at_the_highest_count() -> None:
    assert spark([0, 5, 10]) == [
        {"x": 0, "y": 100.0, "height": 0.0},
        {"x": 1, "y": 50.0, "height": 50.0},
        {"x": 2, "y": 0.0, "height": 100.0},
    ]
