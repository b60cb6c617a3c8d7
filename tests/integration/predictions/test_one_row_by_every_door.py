"""One row has one answer by whichever door it comes: label, probabilities, warnings and the row that is logged."""

import csv
import io
import json
import math
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from django.core.files.base import ContentFile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clfsite.core.web.forms import carry
from predictions.batches.models import Batch
from predictions.batches.service import create_batch, execute_batch
from predictions.models import Prediction
from tests.integration.conftest import Post
from tests.integration.predictions.protocols.tensors import binary
from tests.support.factories import tiny
from tests.support.portal import staff_client
from training.ml.tables.checks import MISSING
from training.ml.tables.contract import Feature, Kind
from training.ml.tables.digits import exact as shown
from training.models import Version

pytestmark = [pytest.mark.django_db, pytest.mark.promise(13)]

NUMBERS = ["-0", "0", "1e3", "7", "007", "5.0", "12.5", "-3", "123456789", "99.91", "1e-7"]
TEXTS = [
    *(
        "basic",
        "plus",
        "pro",
        "Basic",
        " pro",
        "other",
        "1",
        "1.0",
        "007",
        "True",
        "-0",
        "=1+1",
        "a,b",
        'a"b',
        "naïve",
    ),
    *(
        "Zürich",
        "日本",
        "a;b",
        "tab\tin",
        "line\nend",
        "both\r\nends",
        "cr\ronly",
        "it's",
        "'quoted'",
        '"quoted"',
    ),
    *sorted(MISSING),
    *(" ", "  NA ", "none", "NONE", "Null"),
]


def cells() -> st.SearchStrategy[dict[str, str]]:
    """A row as a CSV file has it."""
    return st.fixed_dictionaries(
        {
            "spend": st.sampled_from([*NUMBERS, "", "NA", "nan", "null", " "])
            | st.floats(-1e6, 1e6).map(repr),
            "tenure": st.sampled_from([*NUMBERS, "7.0"]) | st.integers(-(10**6), 10**6).map(str),
            "member": st.sampled_from(["true", "false", "True", "FALSE"]),
            "plan": st.sampled_from(TEXTS)
            | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12),
        }
    )


def typed(feature: Feature, cell: str) -> Any:
    """The JSON value by which a program says what a cell says: null for a gap, a text as it is."""
    if feature.kind is Kind.CATEGORY:
        return cell
    if cell.strip() in MISSING:
        return None
    if feature.kind is Kind.BOOLEAN:
        return cell.lower() == "true"
    return int(cell) if cell.strip("-").isdigit() else float(cell)


def written(row: dict[str, str]) -> bytes:
    """The row as a CSV file, every cell in quotes, so that line ends survive."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows([row, row.values()])
    return text.getvalue().encode()


def logged() -> dict[str, Any]:
    """What the log has of the newest prediction."""
    row = Prediction.objects.order_by("-id")[0]
    return {
        "features": {name: row.features[name] for name in tiny().contract.names},
        "label": row.label,
        "probabilities": {name: round(share, 9) for name, share in row.probabilities.items()},
        "warnings": row.warnings,
    }


def tensors(record: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = {feature.name: feature.kind for feature in tiny().contract.features}
    types = {Kind.NUMBER: "FP64", Kind.INTEGER: "INT64", Kind.BOOLEAN: "BOOL", Kind.CATEGORY: "BYTES"}
    return [
        {
            "name": name,
            # a whole number written as 7.0 is a float to a program
            "datatype": "FP64" if isinstance(value, float) else types[kinds[name]],
            "shape": [1],
            "data": [value],
        }
        for name, value in record.items()
    ]


class Doors:
    """Every way in for a row; each says whether it was taken."""

    def __init__(self, post: Post) -> None:
        self.post = post
        self.staff = staff_client("predictions.add_prediction")

    def predict(self, row: dict[str, str], record: dict[str, Any]) -> bool:
        return self._ok(self.post("/predict", {"features": record}))

    def predict_batch(self, row: dict[str, str], record: dict[str, Any]) -> bool:
        return self._ok(self.post("/predict-batch", {"records": [record]}))

    def many(self, row: dict[str, str], record: dict[str, Any]) -> bool:
        """So many rows that they are judged by column."""
        return self._ok(self.post("/predict-batch", {"records": [record] * 120}))

    def split(self, row: dict[str, str], record: dict[str, Any]) -> bool:
        """MLflow's own client sends a literal NaN for a missing value."""
        values = [math.nan if value is None else value for value in record.values()]
        split = {"columns": list(record), "data": [values]}
        return self._ok(self.post("/invocations", json.dumps({"dataframe_split": split}).encode()))

    def records(self, row: dict[str, str], record: dict[str, Any]) -> bool:
        return self._ok(self.post("/invocations", {"dataframe_records": [record]}))

    def instances(self, row: dict[str, str], record: dict[str, Any]) -> bool:
        return self._ok(
            self.post("/invocations", {"instances": {name: [value] for name, value in record.items()}})
        )

    def mlflow_csv(self, row: dict[str, str], record: dict[str, Any]) -> bool:
        return self._ok(self.post("/invocations", written(row), content_type="text/csv"))

    def v2(self, row: dict[str, str], record: dict[str, Any]) -> bool:
        return self._ok(self.post("/v2/models/churn/infer", {"inputs": tensors(record)}))

    def v2_binary(self, row: dict[str, str], record: dict[str, Any]) -> bool:
        body, headers = binary(tensors(record))
        return self._ok(
            self.post("/v2/models/churn/infer", body, content_type="application/octet-stream", **headers)
        )

    def batch(self, row: dict[str, str], record: dict[str, Any]) -> bool:
        batch = create_batch(source=ContentFile(written(row)), caller="tests")
        execute_batch(batch)
        batch.refresh_from_db()
        return batch.state == Batch.State.SUCCEEDED

    def form(self, row: dict[str, str], record: dict[str, Any]) -> bool:
        fields = {f"feature-{quote(name, safe='')}": carry(cell) for name, cell in row.items()}
        return bool(self.staff.post("/portal/predict?model=churn", fields).status_code == 302)

    @staticmethod
    def _ok(response: Any) -> bool:
        assert response.status_code in {200, 422}, response.content[:300]
        return bool(response.status_code == 200)


NAMES = [name for name in vars(Doors) if not name.startswith("_")]


@pytest.fixture
def doors(post: Post, version: Version) -> Doors:
    return Doors(post)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(row=cells())
def test_a_row_has_one_answer_by_every_door(row: dict[str, str], doors: Doors) -> None:
    features = {feature.name: feature for feature in tiny().contract.features}
    record = {name: typed(features[name], cell) for name, cell in row.items()}
    result = {}
    for name in NAMES:
        taken = getattr(doors, name)(row, record)
        result[name] = logged() if taken else None
    expected = result.pop("predict")
    assert result == dict.fromkeys(result, expected), row


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_means_the_same_by_every_door(text: str, doors: Doors) -> None:
    record = {**tiny().contract.example, "plan": text}
    row = {name: shown(value) for name, value in record.items()}
    result = {}
    for name in NAMES:
        assert getattr(doors, name)(row, record), name
        result[name] = logged()
    expected = None if text.strip() in MISSING else text
    assert {name: item["features"]["plan"] for name, item in result.items()} == dict.fromkeys(NAMES, expected)
    assert len({orjson.dumps(item) for item in result.values()}) == 1


def test_what_a_record_shows_can_be_sent_back_and_is_answered_alike(post: Post, version: Version) -> None:
    staff = staff_client("predictions.add_prediction")
    table = tiny().table.drop(columns="left")
    records = [
        {
            name: None if value != value else value  # noqa: PLR0124  NaN alone differs from itself
            for name, value in zip(table.columns, values, strict=True)
        }
        for values in table.astype(object).itertuples(index=False)
    ]
    records = [{**record, "spend": record["spend"] and record["spend"] / 3} for record in records]
    assert post("/predict-batch", {"records": records}).status_code == 200
    for prediction in list(Prediction.objects.order_by("id")):
        page = staff.get(f"/portal/predict?prediction={prediction.pk}")
        form = page.context["form"]
        fields = {field.html_name: "" if field.value() is None else field.value() for field in form}
        again = staff.post("/portal/predict?model=churn", fields)
        assert again.status_code == 302, page.context["form"].errors
        copy = Prediction.objects.get(pk=again["Location"].partition("prediction=")[2])
        assert (copy.features, copy.label) == (prediction.features, prediction.label)
        assert copy.probabilities == pytest.approx(prediction.probabilities, abs=1e-12)
