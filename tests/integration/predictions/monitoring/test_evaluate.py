"""The evaluation of a version: what moved, what is wrong with the data, and how accurate it is."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from predictions.models import FeedbackCount, HourlyBin
from predictions.monitoring import bins
from predictions.monitoring.evaluation.evaluate import evaluate
from predictions.monitoring.evaluation.facts import Evaluation
from tests.support.counted import only, serve
from tests.support.factories import trained_version
from training.models import Version
from training.versions.service import activate_version

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 15, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def version() -> Version:
    return trained_version(activate=True, default=True)


def column(evaluation: Evaluation, name: str):  # type: ignore[no-untyped-def]
    return next(item for item in evaluation.columns if item.name == name)


def test_predictions_like_the_table_have_not_moved(version: Version) -> None:
    for step in range(24 * 8):
        serve(version, NOW - step * HOUR, 100, seed=step)
    for days in (1, 7):
        found = evaluate(version, days=days, until=NOW)
        assert found.status == "ok", found.problems
        assert not found.moved
        assert found.predictions == 2_400 * days


def test_few_predictions_are_not_judged(version: Version) -> None:
    serve(version, NOW, 499, shares={"plan": only(5, 0)})
    found = evaluate(version, until=NOW)
    assert found.status == "not_enough_data"
    assert not found.moved


def test_an_input_that_moved_is_named_with_the_hour_since_when(version: Version) -> None:
    size = version.reference.bins.columns[0].size
    for step in range(48):
        serve(
            version, NOW - step * HOUR, 200, seed=step, shares={"spend": only(size, 3)} if step < 40 else None
        )
    found = evaluate(version, until=NOW)
    assert [item.name for item in found.moved] == ["spend"]
    assert found.columns[0].name == "spend"
    assert found.moved[0].since == NOW.replace(minute=0) - 39 * HOUR
    assert found.status == "attention"
    assert found.problems == ("drift",)


def test_a_weekly_season_has_not_moved_but_a_new_value_has(version: Version) -> None:
    """A Sunday is compared with the Sundays before."""
    sunday = {"member": [0.9, 0.1, 0, 0]}
    for week in range(4):
        for step in range(24):
            serve(
                version,
                NOW - step * HOUR - week * timedelta(weeks=1),
                100,
                seed=100 * week + step,
                shares=sunday,
            )
    assert not evaluate(version, days=1, until=NOW).moved
    assert column(evaluate(version, days=7, until=NOW), "member").moved
    for step in range(24):
        serve(version, NOW - step * HOUR, 100, seed=step, shares=sunday | {"plan": only(5, 3)})
    assert [item.name for item in evaluate(version, days=1, until=NOW).moved] == ["plan"]


def test_in_the_first_week_only_what_no_season_explains_is_lasting(version: Version) -> None:
    weekend = {"member": [0.9, 0.1, 0, 0]}
    serve(version, NOW, 2_000, seed=1, shares=weekend | {"plan": only(5, 3)})
    serve(version, NOW - 24 * HOUR, 2_000, seed=2)
    found = evaluate(version, days=1, until=NOW)
    assert {item.name for item in found.moved} == {"member", "plan"}
    assert [item.name for item in found.moved if item.is_lasting] == ["plan"]


def test_hours_that_a_week_before_did_not_have_are_not_compared(version: Version) -> None:
    """Eight days after the first call, a day of the week before is known in half."""
    for step in range(0, 12 * 15, 6):
        serve(version, NOW - step * HOUR, 600, seed=step)
    assert column(evaluate(version, days=1, until=NOW), "member").before is None
    for step in range(12 * 15, 24 * 8 + 6, 6):
        serve(version, NOW - step * HOUR, 600, seed=step)
    assert column(evaluate(version, days=1, until=NOW), "member").before is not None


def test_missing_unseen_and_constant_values_are_shares_of_the_predictions(version: Version) -> None:
    names = [item.name for item in version.reference.bins.columns]
    sizes = {item.name: item.size for item in version.reference.bins.columns}
    unseen = [0.0] * sizes["plan"]
    unseen[0], unseen[-2] = 0.75, 0.25
    serve(version, NOW, 1_000, shares={"plan": unseen, "tenure": only(sizes["tenure"], 2)})
    found = evaluate(version, until=NOW)
    assert found.quality.unseen["plan"] == pytest.approx(0.25, abs=0.05)
    assert found.quality.constant == ("tenure",)
    assert set(found.quality.missing) <= set(names)
    assert {"drift", "constant"} <= set(found.problems)
    assert found.accuracy.estimated is not None
    assert not found.accuracy.estimated.holds


def test_silence_where_there_were_always_predictions(version: Version) -> None:
    for step in range(3, 24 * 15):
        serve(version, NOW - step * HOUR, 5, seed=step)
    assert evaluate(version, until=NOW).quality.silent_since == NOW.replace(minute=0) - 2 * HOUR
    serve(version, NOW, 5)
    assert evaluate(version, until=NOW).quality.silent_since is None


def test_a_pause_of_rare_calls_is_no_silence_until_it_is_long(version: Version) -> None:
    for step in range(4, 24 * 22):
        serve(version, NOW - step * HOUR, 1, seed=step)
    assert evaluate(version, until=NOW).quality.silent_since is None
    later = NOW + 8 * HOUR
    assert evaluate(version, until=later).quality.silent_since == NOW.replace(minute=0) - 3 * HOUR


@pytest.mark.parametrize("is_usual", [False, True], ids=["once a week ago", "also on the day before"])
def test_one_week_is_no_rule_of_when_there_are_predictions(version: Version, is_usual: bool) -> None:
    serve(version, NOW - HOUR - timedelta(weeks=1), 100)
    if is_usual:
        serve(version, NOW - 5 * HOUR, 100)
    assert (evaluate(version, until=NOW).quality.silent_since is not None) == is_usual


@pytest.mark.parametrize(("rare", "is_told"), [(3, False), (600, True)])
def test_an_input_is_constant_only_if_that_is_no_chance(version: Version, rare: int, is_told: bool) -> None:
    places = {item.name: place for place, item in enumerate(version.reference.bins.columns)}
    version.reference_data["counts"][places["member"]] = [2_000 - rare, rare, 0, 0]
    serve(version, NOW, 1_000, shares={"member": only(4, 0)})
    assert ("member" in evaluate(version, until=NOW).quality.constant) == is_told


def test_values_beyond_the_range_are_not_called_constant(version: Version) -> None:
    size = version.reference.bins.columns[0].size
    serve(version, NOW, 1_000, shares={"spend": only(size, size - 2)})
    found = evaluate(version, until=NOW).quality
    assert found.out_of_range["spend"] == 1
    assert found.constant == ()


@pytest.mark.parametrize(("rare", "is_told"), [(5, False), (100, True)])
def test_a_label_is_missed_only_if_that_is_no_chance(version: Version, rare: int, is_told: bool) -> None:
    no = version.contract.classes.index("no")
    predicted = [rare, rare]
    predicted[no] = 1_000 - rare
    version.reference_data["predicted"] = predicted
    serve(version, NOW, 1_000, labels={"yes": "no"})
    assert evaluate(version, until=NOW).quality.never_given == (("yes",) if is_told else ())


@pytest.mark.parametrize(
    "agree", [False, True], ids=["few held-out rows are odd", "both sets of rows differ"]
)
def test_labels_moved_only_if_held_out_and_cross_validated_rows_say_so(version: Version, agree: bool) -> None:
    """Held-out rows may be odd by chance, and then every window differs from them."""
    levels, spread = version.reference.bins.levels, np.linspace(0.5, 1.5, version.reference.bins.levels)
    held_out, usual = (np.round(100 * weights).astype(int) for weights in (spread, np.ones(levels)))
    for name, rows in (("cells", held_out), ("known", held_out if agree else usual)):
        cells = [rows.tolist()] * 2
        version.reference_data[name] = {"rows": cells, "correct": cells, "confidence": cells}
    version.reference_data["predicted"] = [int(held_out.sum())] * 2
    served = {
        **version.reference_data,
        "cells": {**version.reference_data["cells"], "rows": [usual.tolist()] * 2},
    }
    seen, version.reference_data = version.reference_data, served
    serve(version, NOW, 5_000)
    version.reference_data = seen
    assert evaluate(version, until=NOW).probabilities.moved == agree


def test_flipped_labels_contradict_the_estimate(version: Version) -> None:
    serve(version, NOW, 1_000)
    before = evaluate(version, until=NOW).accuracy
    assert before.estimated is not None
    assert before.estimated.holds
    assert before.estimated.value == pytest.approx(before.held_out, abs=0.06)
    assert before.measured is None
    for predicted, truth in ((0, 1), (1, 0)):
        FeedbackCount.objects.create(
            hour=NOW.replace(minute=0), version=version, predicted=predicted, truth=truth, predictions=100
        )
    found = evaluate(version, until=NOW)
    assert found.accuracy.measured is not None
    assert found.accuracy.measured.value == 0
    assert found.accuracy.estimated is not None
    assert not found.accuracy.estimated.holds
    assert "feedback contradicts it" in found.accuracy.estimated.why
    assert "accuracy" in found.problems


def test_a_changed_threshold_is_neither_a_shift_of_the_labels_nor_a_drop(version: Version) -> None:
    serve(version, NOW, 3_000)
    row, layout = HourlyBin.objects.get(), version.reference.bins
    counts = bins.unpack(row.counts, layout.size).copy()
    cells = counts[layout.offsets[-1] :]
    # as if every prediction had got one label
    cells[0] += cells[1:].sum()
    cells[1:] = 0
    HourlyBin.objects.update(counts=bins.pack(counts))
    assert "label_mix" in evaluate(version, until=NOW).problems
    activate_version(version=version, actor="tests", reason="a test needs it", threshold=0.99)
    found = evaluate(version, until=NOW)
    assert "label_mix" not in found.problems
    assert found.accuracy.estimated is not None
    assert "the threshold or the costs were changed" in found.accuracy.estimated.why
    held_out = version.held_out
    assert found.accuracy.held_out == pytest.approx(
        held_out["per_class"][0]["rows"] / held_out["rows"], abs=0.2
    )
