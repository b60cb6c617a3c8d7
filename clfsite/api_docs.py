"""The OpenAPI document, whose examples are those of the active contract for people who may see it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from drf_spectacular.views import SpectacularAPIView
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from clfsite.core.api.permissions import LOOK
from clfsite.core.web import csv_output
from predictions.log.references import name_in
from predictions.models import Prediction
from predictions.protocols.open_inference import datatype_of
from predictions.serving.api import describe
from predictions.serving.live_models import Live, live_models
from predictions.serving.serializers import REFERENCE_EXAMPLE
from training.models import Dataset, Run

# a table with enough rows of each class to be trained on
TABLE = "tenure,contract,churn\n" + "".join(
    f"{tenure},{contract},{churn}\n"
    for tenure, contract, churn in zip(
        range(1, 41), ["Month-to-month", "One year"] * 20, ["Yes", "Yes", "No", "No", "No"] * 8, strict=True
    )
)


class Schema(SpectacularAPIView):
    """The document as drf-spectacular writes it; the contract is only shown to staff who may see it elsewhere."""

    authentication_classes = [SessionAuthentication]

    def _get_schema_response(self, request: Request) -> Response:
        response: Response = super()._get_schema_response(request)  # type: ignore[no-untyped-call]
        if _may_look(request) and (live := next(iter(live_models.all()), None)):
            fill(response.data, known_of(live))
        return response


def _may_look(request: Request) -> bool:
    user = request.user
    return bool(user.is_authenticated and user.is_staff and user.has_perm(LOOK))


@dataclass(frozen=True)
class Known:
    """What the examples are made of: the active version, and ids of rows; None where there is no row."""

    live: Live
    dataset: int | None
    run: int | None
    prediction: str | None
    reference: str | None

    @property
    def row(self) -> dict[str, Any]:
        return self.live.contract.example


def known_of(live: Live) -> Known:
    """Read the newest rows."""
    newest = Prediction.objects.filter(version=live.version_id).order_by("-id").values_list("id", "reference")
    prediction, reference = newest.first() or (None, None)
    return Known(
        live=live,
        dataset=Dataset.objects.filter(archived_at=None).order_by("-id").values_list("id", flat=True).first(),
        run=Run.objects.order_by("-id").values_list("id", flat=True).first(),
        prediction=str(prediction) if prediction else None,
        reference=reference,
    )


def fill(document: dict[str, Any], known: Known) -> None:
    """Replace the examples of requests and addresses, and of the answers with a row or a contract."""
    for path, calls in document["paths"].items():
        for operation in calls.values():
            _fill_address(path, operation, known)
            make = BODIES.get(operation["operationId"])
            if make:
                _fill_content(operation["requestBody"]["content"], make(known))
            answer = ANSWERS.get(operation["operationId"])
            if answer:
                _fill_content(operation["responses"]["200"]["content"], {"": answer(known)})


def _fill_content(content: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Set the values of examples by their summaries; "" stands for every example."""
    for media in content.values():
        for name, item in media.get("examples", {}).items():
            value = values.get(item.get("summary", name), values.get(""))
            if value is not None:
                item["value"] = value


def _fill_address(path: str, operation: dict[str, Any], known: Known) -> None:
    rows = {
        "/api/datasets/": known.dataset,
        "/api/runs/": known.run,
        "/api/versions/": known.live.version_id,
        "/api/predictions/": known.prediction,
    }
    values = {
        "model": known.live.classifier,
        "name": known.live.classifier,
        "version": str(known.live.number),
        "id": next((pk for start, pk in rows.items() if path.startswith(start)), None),
    }
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path" and (value := values.get(parameter["name"])) is not None:
            parameter["example"] = value


def csv_of(row: Mapping[str, Any]) -> str:
    """A CSV with a header and this row twice."""
    return csv_output.text([csv_output.header(row), *csv_output.lines([row.values()] * 2)])


def _predict(known: Known) -> dict[str, Any]:
    return {"": {"features": known.row, "reference": REFERENCE_EXAMPLE, "model": known.live.classifier}}


def _invocations(known: Known) -> dict[str, Any]:
    params = {"model": known.live.classifier, "version": known.live.number}
    names, values = list(known.row), list(known.row.values())
    split = {"columns": names, "data": [values] * 2}
    return {
        "two rows of a frame": {"dataframe_split": split, "params": {"model": known.live.classifier}},
        "probabilities of a pinned version": {
            "dataframe_records": [known.row],
            "params": {**params, "pyfunc_predict_fn": "predict_proba"},
        },
        "CSV": csv_of(known.row),
    }


def _tensors(known: Known) -> dict[str, Any]:
    inputs = [
        {
            "name": feature.name,
            "datatype": datatype_of(feature),
            "shape": [2],
            "data": [known.row[feature.name]] * 2,
        }
        for feature in known.live.contract.features
    ]
    return {"": {"id": "42", "inputs": inputs}}


def _truth(known: Known) -> dict[str, Any]:
    return {"": {"label": known.live.contract.classes[0]}}


def _truth_of_reference(known: Known) -> dict[str, Any]:
    """With the classifier's name, because another may have predictions with the same reference."""
    reference = known.reference or REFERENCE_EXAMPLE
    return {"": {**_truth(known)[""], "reference": reference, "model": known.live.classifier}}


def _truths(known: Known) -> dict[str, Any]:
    if known.prediction is None:
        return {}
    rows = [[known.prediction, known.live.contract.classes[0]]]
    return {"": {"file": csv_output.text([csv_output.header(["id", "label"]), *csv_output.lines(rows)])}}


def _run(known: Known) -> dict[str, Any]:
    return {"": {"dataset": known.dataset, "max_minutes": 30}} if known.dataset else {}


BODIES: dict[str, Callable[[Known], dict[str, Any]]] = {
    "predict": _predict,
    "predict_batch": lambda known: {
        "": {
            "records": [{**known.row, name_in(known.live.contract): REFERENCE_EXAMPLE}, known.row],
            "model": known.live.classifier,
        }
    },
    "mlflow_invocations": _invocations,
    "v2_infer": _tensors,
    "v2_version_infer": _tensors,
    "give_feedback": _truth,
    "give_feedback_by_reference": _truth_of_reference,
    "upload_feedback": _truths,
    "api_runs_create": _run,
    "api_datasets_create": lambda known: {"": {"name": "churn", "target": "churn", "file": TABLE}},
    "api_batches_create": lambda known: {
        "": {"file": csv_of(known.row), "model": known.live.classifier, "mode": "lenient"}
    },
}


def _outcome(known: Known) -> dict[str, Any]:
    classes = known.live.contract.classes
    rest = 0.3 / (len(classes) - 1)
    shares = {label: 0.7 if place == 0 else rest for place, label in enumerate(classes)}
    return {
        "prediction_id": "01936f5e-8a4c-7c3e-9d2b-5f0c6a1e7b42",
        "label": classes[0],
        "probability": 0.7,
        "probabilities": shares,
        "warnings": [],
        "reference": REFERENCE_EXAMPLE,
    }


def _served(known: Known) -> dict[str, Any]:
    return {
        "model": known.live.classifier,
        "version": known.live.number,
        "threshold": known.live.loaded.threshold,
    }


ANSWERS: dict[str, Callable[[Known], Any]] = {
    "predict": lambda known: {**_served(known), **_outcome(known)},
    "predict_batch": lambda known: {**_served(known), "predictions": [_outcome(known)]},
    "info": lambda known: {
        "default": known.live.classifier,
        "limits": {"batch_rows": 10_000, "body_bytes": 16_777_216},
        "classifiers": [describe(known.live)],
    },
}
