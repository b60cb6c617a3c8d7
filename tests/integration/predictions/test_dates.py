"""A classifier with a date among its inputs, by every door and on every page."""

import io
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.files.base import ContentFile
from django.utils.html import strip_tags

from predictions.batches.models import Batch
from predictions.batches.service import create_batch, execute_batch
from predictions.models import Prediction
from predictions.monitoring.evaluation.evaluate import evaluate
from predictions.report import render
from tests.integration.conftest import Post
from tests.support.factories import RunFactory
from tests.support.portal import staff_client
from training.datasets.frames import load_corrected
from training.datasets.service import import_dataset
from training.ml.tables.contract import Kind
from training.ml.trainer import train
from training.models import Version
from training.versions.registry import register_version
from training.versions.service import activate_version

pytestmark = pytest.mark.django_db


def written() -> bytes:
    """Customers with a day as day/month/year, which decides together with noise."""
    random = np.random.default_rng(0)
    joined = pd.Series(pd.date_range("2021-01-01", periods=300).to_numpy()).sample(frac=1, random_state=0)
    label = np.where((joined.dt.month > 6) ^ (random.random(300) < 0.1), "late", "early")
    table = pd.DataFrame(
        {"joined": joined.dt.strftime("%d/%m/%Y"), "noise": random.normal(size=300).round(3)}
    )
    return table.assign(half=label).to_csv(index=False).encode()


@pytest.fixture
def dated() -> Version:
    dataset = import_dataset(name="members", target="half", source=io.BytesIO(written()))
    run = RunFactory.create(dataset=dataset, classifier__name="members", classifier__is_default=True)
    assert run.start()
    frame, agreed = load_corrected(dataset, run.corrections)
    trained = train(frame, agreed, run.recipe, jobs=1, accelerate=False)
    assert trained.held_out.metrics["roc_auc"] > 0.8
    version = register_version(run=run, trained=trained)
    activate_version(version=version, actor="tests", reason="a test needs it")
    return version


def newest() -> Prediction:
    return Prediction.objects.order_by("-id")[0]


def test_date_is_an_input_by_every_door(dated: Version, post: Post) -> None:
    assert [feature.kind for feature in dated.contract.features] == [Kind.DATE, Kind.NUMBER]
    staff = staff_client("predictions.add_prediction")
    asked: dict[str, Any] = {"joined": "2021-11-20", "noise": 0.25}
    assert post("/predict", {"features": asked}).status_code == 200
    expected = newest().probabilities
    doors = {
        "another notation": post("/predict", {"features": {**asked, "joined": "20/11/2021"}}),
        "a time with a zone": post(
            "/predict", {"features": {**asked, "joined": "2021-11-20T02:00:00+02:00"}}
        ),
        "MLflow": post(
            "/invocations", {"dataframe_records": [{**asked, "joined": "2021-11-20T00:00:00.000"}]}
        ),
        "MLflow CSV": post("/invocations", b"joined,noise\n2021-11-20,0.25\n", content_type="text/csv"),
        "Open Inference": post(
            "/v2/models/members/infer",
            {
                "inputs": [
                    {"name": "joined", "datatype": "BYTES", "shape": [1], "data": ["2021-11-20"]},
                    {"name": "noise", "datatype": "FP64", "shape": [1], "data": [0.25]},
                ]
            },
        ),
        "form": staff.post(
            "/portal/predict?model=members", {"feature-joined": "2021-11-20", "feature-noise": "0.25"}
        ),
    }
    assert {name: answer.status_code for name, answer in doors.items()} == {
        **dict.fromkeys(doors, 200),
        "form": 302,
    }
    assert all(row.probabilities == pytest.approx(expected, abs=1e-9) for row in Prediction.objects.all())
    assert Prediction.objects.count() == 7


def test_refusals_and_warnings_about_dates(dated: Version, post: Post) -> None:
    refused = post("/predict", {"features": {"joined": "soon", "noise": 0.25}})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["code"] == "not_a_date"
    early = post("/predict", {"features": {"joined": "1999-01-01", "noise": 0.25}})
    assert [warning["code"] for warning in early.json()["warnings"]] == ["out_of_range"]
    later = post("/predict", {"features": {"joined": "2031-01-01", "noise": 0.25}})
    assert later.json()["warnings"] == []


def test_batch_of_dates_is_scored(dated: Version) -> None:
    rows = b"joined,noise\n20/11/2021,0.5\n13/01/2021,0.5\n25/12/2030,0.5\n"
    batch = create_batch(source=ContentFile(rows), caller="tests")
    execute_batch(batch)
    batch.refresh_from_db()
    assert (batch.state, batch.rows_good) == (Batch.State.SUCCEEDED, 3)
    assert staff_client("predictions.view_batch").get(f"/portal/batches/{batch.pk}").status_code == 200


def test_pages_show_dates(dated: Version, post: Post) -> None:
    staff = staff_client("predictions.add_prediction", "predictions.view_prediction", "training.add_run")
    page = staff.get("/portal/predict?model=members").content.decode()
    assert re.search(
        r'<input[^>]*type="date"[^>]*name="feature-joined"|<input[^>]*name="feature-joined"[^>]*type="date"',
        page,
    )
    assert "Training saw 2021-01-01 to 2021-10-27." in page
    post("/predict", {"features": {"joined": "2021-11-20", "noise": 0.25}})
    assert staff.get(f"/portal/predictions/{newest().pk}").status_code == 200
    dataset = strip_tags(staff.get(f"/portal/datasets/{dated.run.dataset_id}").content.decode())
    assert "2021-01-01 to 2021-10-27, median 2021-05-3" in dataset
    assert staff.get(f"/portal/runs/new?dataset={dated.run.dataset_id}").status_code == 200
    version = strip_tags(staff.get(f"/portal/versions/{dated.pk}").content.decode())
    assert "2021-01-01 to 2021-10-27" in version
    made = render.report(dated)
    assert "2021-01-01 to 2021-10-27" in render.as_html(made).decode()


def test_later_dates_are_usual_and_earlier_ones_are_told(dated: Version, post: Post) -> None:
    for year in (2022, 1970):
        for part in range(2):
            records = [
                {"joined": f"{1 + day % 28:02}/{1 + day % 12:02}/{year}", "noise": (day + part) % 7 / 3}
                for day in range(500)
            ]
            assert post("/predict-batch", {"records": records}).status_code == 200
        found = evaluate(dated)
        (joined,) = (column for column in found.columns if column.name == "joined")
        assert joined.groups == ("before 2021-01-01", "2021-01-01 or later", "missing")
        assert joined.moved == (year == 1970)
        assert ("joined" in found.quality.out_of_range) == (year == 1970)
        assert "joined" not in found.quality.constant
