"""What a browser has to load: own files stay small, and Plotly comes only where there is a chart."""

import re
from pathlib import Path

import pytest
from django.urls import reverse

from predictions.feedback.service import give_feedback
from predictions.models import Feedback
from tests.support.factories import PredictionFactory, trained_version
from tests.support.portal import staff_client

STATIC = Path(__file__).resolve().parents[3] / "static"
SCRIPTS = sorted((STATIC / "js").glob("*.js"))


def test_own_styles_and_scripts_stay_below_60_kilobytes() -> None:
    own = [
        path for path in STATIC.rglob("*") if path.suffix in {".css", ".js"} and "vendor" not in path.parts
    ]
    assert len(own) >= 4
    assert sum(path.stat().st_size for path in own) < 60_000


@pytest.mark.parametrize("script", SCRIPTS, ids=[path.name for path in SCRIPTS])
def test_an_own_script_has_at_most_a_hundred_lines(script: Path) -> None:
    assert len(script.read_text().splitlines()) <= 100


@pytest.mark.django_db
def test_plotly_is_loaded_where_there_is_a_chart_and_nowhere_else() -> None:
    version = trained_version(classifier="churn", activate=True, default=True)
    prediction = PredictionFactory.create(version=version)
    give_feedback(prediction_id=prediction.pk, label="no", actor="tests", source=Feedback.Source.API)
    client = staff_client("predictions.add_prediction")
    for name, arguments, has_chart in (
        ("predictions:home", [], False),
        ("predictions:predict", [], False),
        ("predictions:prediction-list", [], False),
        ("predictions:prediction-detail", [prediction.pk], False),
        ("predictions:analytics", [], True),
        ("predictions:feedback-list", [], True),
        ("training:version-detail", [version.pk], True),
    ):
        page = client.get(reverse(name, args=arguments)).content.decode()
        assert ("data-figure=" in page) == has_chart, name
        assert bool(re.search(r"plotly-cartesian[^\"]*\.js", page)) == has_chart, name
