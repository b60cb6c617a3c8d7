"""What the rules find in the counts of an active version."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from predictions.alerts import rules
from predictions.alerts.models import Alert
from predictions.models import hour_of
from predictions.monitoring.counts import Counted, add
from tests.support.factories import trained_version
from training.models import Version

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def version() -> Version:
    return trained_version(activate=True, default=True)


def serve(version: Version, hours: range, moved: str = "") -> None:
    """Count predictions of hours ago, distributed as in training but for one input, which has one value."""
    reference = version.reference
    layout = reference.bins
    for ago in hours:
        random = np.random.default_rng(ago)
        counts = np.zeros(layout.size, dtype=np.int64)
        for place, then in enumerate(reference.counts):
            shares = np.array(then) / sum(then)
            if layout.columns[place].name == moved:
                shares = np.eye(len(shares))[3]
            of_column = layout.of_column(counts, place)
            of_column += random.multinomial(100, shares)
        assert reference.cells is not None
        cells = reference.cells.rows.ravel()
        counts[layout.offsets[-1] :] += random.multinomial(100, cells / cells.sum())
        places = np.repeat(np.arange(layout.size), counts)
        hour = hour_of(timezone.now()) - ago * HOUR
        add([Counted(hour, version.pk, "api", 1.0, {}, places)])


def found() -> set[tuple[str, str]]:
    rules.evaluate_all()
    return set(Alert.objects.open().values_list("rule", "subject"))


def test_predictions_like_the_table_open_no_alert(version: Version) -> None:
    serve(version, range(24 * 3))
    assert found() == set()


def test_an_input_that_moved_in_two_windows_opens_one_alert_and_closes_it_when_it_is_back(
    version: Version,
) -> None:
    serve(version, range(20), moved="spend")
    serve(version, range(20, 72))
    # only one window so far
    assert ("drift", "spend") not in found()
    serve(version, range(24, 44), moved="spend")
    serve(version, range(24, 44), moved="spend")
    assert ("drift", "spend") in found()
    alert = Alert.objects.get(rule="drift", subject="spend")
    assert "The input spend has moved away from the training data" in alert.message
    rules.change(version.classifier, "drift", value=None, is_on=False)
    assert ("drift", "spend") not in found()


def test_an_input_with_one_value_is_told(version: Version) -> None:
    serve(version, range(24), moved="spend")
    assert ("constant", "spend") in found()


def test_as_many_new_values_as_usual_open_no_alert(version: Version) -> None:
    """A fifth of the values of an input with many values are always new."""
    place = next(place for place, item in enumerate(version.reference.bins.columns) if item.name == "plan")
    version.reference_data["counts"][place] = [200, 150, 50, 100, 0]
    version.save()
    serve(version, range(24))
    assert found() == set()


def test_estimated_accuracy_is_compared_with_the_rows_that_it_is_estimated_from(version: Version) -> None:
    """Held-out rows that were easy by chance open no alert; predictions of low confidence do."""
    size = (len(version.contract.classes), version.reference.bins.levels)
    rows = np.full(size, 500)
    correct = np.broadcast_to(np.linspace(250, 450, size[1]).astype(int), size)
    cells = {"rows": rows.tolist(), "correct": correct.tolist(), "confidence": correct.tolist()}
    version.reference_data |= {"cells": cells, "known": cells}
    version.held_out["metrics"]["accuracy"] = 0.95
    version.save()
    serve(version, range(24))
    assert ("estimated_accuracy", "") not in found()
    # from now on, half of the predictions are of the lowest confidence
    lowest = np.zeros(size, dtype=int)
    lowest[:, 0] = 500
    version.reference_data["cells"] = {**cells, "rows": lowest.tolist()}
    version.save()
    serve(version, range(24))
    assert ("estimated_accuracy", "") in found()
    assert "against 70.0" in Alert.objects.get(rule="estimated_accuracy").message


def test_a_limit_keeps_small_shifts_from_opening_alerts(version: Version) -> None:
    serve(version, range(48), moved="spend")
    rules.change(version.classifier, "drift", value=1.0, is_on=True)
    shift_is_small = ("drift", "spend") not in found()
    rules.change(version.classifier, "drift", value=None, is_on=True)
    assert ("drift", "spend") in found()
    assert not shift_is_small or Alert.objects.filter(rule="drift").count() == 1
