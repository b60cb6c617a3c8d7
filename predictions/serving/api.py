"""The serving calls: /predict, /predict-batch and /info.

They are DRF views because of the schema, but skip DRF's negotiation, parsing and rendering, which cost more
than scoring a row.
"""

import time
from http import HTTPStatus
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions
from rest_framework.views import APIView

from clfsite.core.api.schema import problems
from clfsite.core.errors import Malformed
from clfsite.core.requests.members import check_parameters, read_object
from clfsite.core.requests.strict_json import accepts, read_bytes, read_json
from clfsite.core.web.deferred import deferred
from clfsite.core.web.metrics import child, refused_key
from clfsite.core.web.problems import MOST_ERRORS
from predictions.keys import service as keys
from predictions.log import references
from predictions.models import Prediction
from predictions.serving import idempotency, metrics, predict, serializers
from predictions.serving.live_models import Live, live_models
from predictions.serving.request import check_row_count, model_of, version_of
from predictions.serving.sets import add_sets

ONCE = OpenApiParameter(
    idempotency.HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Identifies this call. If the call is repeated within a day, it returns the same answer and "
    "makes no second prediction.",
)


class ServingView(APIView):
    """A view whose handler gets Django's own request and the key's caller, and returns JSON values.

    `dispatch` answers in one thread; `predictions.serving.loop` takes the same steps on an event loop.
    """

    call = ""  # its name in metrics
    authentication_classes = [keys.KeyAuthentication]
    scopes: dict[str, frozenset[str]] = {}
    # names of allowed query parameters; None allows any, for probes
    parameters: tuple[str, ...] | None = ()
    media_types: tuple[str, ...] = ("application/json", "application/problem+json")
    http_method_names = ["get", "post", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        began = time.perf_counter()
        try:
            response = self.respond(request, self.enter(request))
        except Exception as error:  # noqa: BLE001  the handler answers every one
            response = self.refuse(error)
        self.count(response.status_code, began)
        return response

    def enter(self, request: HttpRequest) -> keys.KeyCaller:
        """Check all but the body, and return the caller.

        Raises:
            MethodNotAllowed, NotAcceptable, Malformed: see also `admit`.
        """
        allowed = self.scopes.get((request.method or "").lower())
        if allowed is None:
            raise exceptions.MethodNotAllowed(request.method or "")
        caller = self.admit(request, allowed)
        if self.parameters is not None and request.META.get("QUERY_STRING"):
            check_parameters(request.GET, self.parameters)
        if not accepts(request, self.media_types):
            raise exceptions.NotAcceptable(f"only {self.media_types[0]} is available; request it in Accept")
        return caller

    def respond(self, request: HttpRequest, caller: keys.KeyCaller) -> HttpResponse:
        """Answer a checked request whose body is complete."""
        if idempotency.META in request.META and request.method == "POST":
            return self._answer_once(request, caller)
        return self._respond(request, caller)

    def refuse(self, error: Exception) -> HttpResponse:
        """The response to an error."""
        response: HttpResponse = self.get_exception_handler()(error, {"view": self})
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            response["Allow"] = ", ".join(name.upper() for name in self.scopes)
        return response

    def count(self, status: int, began: float) -> None:
        """Count and time an answer."""
        if status >= HTTPStatus.BAD_REQUEST:
            deferred.change(child(metrics.refusals_total, str(status)))
        deferred.change(child(metrics.call_seconds, self.call, str(int(status))), time.perf_counter() - began)

    def _respond(self, request: HttpRequest, caller: keys.KeyCaller) -> HttpResponse:
        return as_response(getattr(self, (request.method or "").lower())(request, caller))

    def _answer_once(self, request: HttpRequest, caller: keys.KeyCaller) -> HttpResponse:
        read_bytes(request)
        body, is_repeated = idempotency.once(
            request, caller.key_id, lambda: self._respond(request, caller).content
        )
        headers = {"Idempotency-Replayed": "true"} if is_repeated else {}
        return HttpResponse(body, content_type="application/json", headers=headers)

    def admit(self, request: HttpRequest, allowed: frozenset[str]) -> keys.KeyCaller:
        """Return the caller.

        Raises:
            AuthenticationFailed: no usable key. PermissionDenied: a key without any of the allowed scopes.
        """
        caller = self.identify(request)
        if not allowed & caller.scopes:
            refused_key("scope")
            raise exceptions.PermissionDenied(f"this needs the scope {' or '.join(sorted(allowed))}")
        return caller

    def identify(self, request: HttpRequest) -> keys.KeyCaller:
        """Return the caller of the request's key."""
        return keys.identify(request)


class ScoringView(ServingView):
    """A view that answers rows: `read` makes a query of the body, `write` the response of its answer."""

    scopes = {"post": frozenset({"predict"})}

    def read(self, request: HttpRequest, caller: keys.KeyCaller) -> predict.Query:
        """Read the body.

        Raises:
            UnsupportedMediaType, TooLarge, Malformed: see `clfsite.core.requests.strict_json`.
            NotFound, Unavailable: see `LiveModels.get`.
        """
        raise NotImplementedError

    def write(self, answer: predict.Answer) -> Any:
        """Return JSON values, or a response."""
        raise NotImplementedError

    def post(self, request: HttpRequest, caller: keys.KeyCaller) -> Any:
        """Answer in this thread."""
        return predict.predict(self.read(request, caller), lambda answer: as_response(self.write(answer)))


def as_response(body: Any) -> HttpResponse:
    """JSON values of an answer, or a response."""
    return (
        body
        if isinstance(body, HttpResponse)
        else HttpResponse(as_json(body), content_type="application/json")
    )


def as_json(body: Any) -> bytes:
    """JSON values of an answer as text."""
    return orjson.dumps(body, option=orjson.OPT_UTC_Z)


class PredictView(ScoringView):
    """Scores the row with the active version of the model named, or of the default one, and logs the answer."""

    call = "predict"

    @extend_schema(
        operation_id="predict",
        tags=["serving"],
        parameters=[ONCE],
        summary="Predict one row",
        request=serializers.PredictRequestSerializer,
        responses={
            200: serializers.PredictResponseSerializer,
            **problems(400, 401, 403, 404, 406, 409, 413, 415, 422, 429, 503),
        },
    )
    def post(self, request: HttpRequest, caller: keys.KeyCaller) -> Any:
        return super().post(request, caller)

    def read(self, request: HttpRequest, caller: keys.KeyCaller) -> predict.Query:
        body = read_object(
            read_json(request), required=("features",), optional=("model", "version", "reference")
        )
        if not isinstance(body["features"], dict):
            raise Malformed(
                '"features" is not an object of feature names and values',
                [{"field": "features", "code": "not_an_object", "message": "expected an object"}],
            )
        reference = body.get("reference")
        return predict.Query(
            live=live_models.get(model_of(body), version_of(body)),
            records=[body["features"]],
            source=Prediction.Source.API,
            caller=caller.name,
            path="features",
            taken=None if reference is None else references.take([reference]),
        )

    def write(self, answer: predict.Answer) -> dict[str, Any]:
        live, (outcome,) = answer.live, _outcomes(answer)
        return {
            "prediction_id": outcome["prediction_id"],
            "model": live.classifier,
            "version": live.number,
            **outcome,
            "threshold": live.loaded.threshold,
        }


class PredictBatchView(ScoringView):
    """Scores the rows of one request; if any row is invalid, all are refused and nothing is logged.

    A file of more rows is a batch.
    """

    call = "predict-batch"

    @extend_schema(
        operation_id="predict_batch",
        tags=["serving"],
        parameters=[ONCE],
        summary="Predict many rows, all or none",
        request=serializers.PredictBatchRequestSerializer,
        responses={
            200: serializers.PredictBatchResponseSerializer,
            **problems(400, 401, 403, 404, 406, 409, 413, 415, 422, 429, 503),
        },
    )
    def post(self, request: HttpRequest, caller: keys.KeyCaller) -> Any:
        return super().post(request, caller)

    def read(self, request: HttpRequest, caller: keys.KeyCaller) -> predict.Query:
        body = read_object(read_json(request), required=("records",), optional=("model", "version"))
        given, path = _records(body["records"]), "records.{row}"
        live = live_models.get(model_of(body), version_of(body))
        records, taken = references.split(given, live.contract, path)
        return predict.Query(live, records, Prediction.Source.API, caller.name, path, taken)

    def write(self, answer: predict.Answer) -> dict[str, Any]:
        return {
            "model": answer.live.classifier,
            "version": answer.live.number,
            "threshold": answer.live.loaded.threshold,
            "predictions": _outcomes(answer),
        }


class InfoView(ServingView):
    """Each classifier with its active version: features, an example row and metrics."""

    call = "info"
    scopes = {"get": frozenset({"predict", "read"})}

    @extend_schema(
        operation_id="info",
        tags=["serving"],
        summary="Classifiers, active versions and limits",
        responses={200: serializers.InfoSerializer, **problems(400, 401, 403, 406, 429, 503)},
    )
    def get(self, request: HttpRequest, caller: keys.KeyCaller) -> dict[str, Any]:
        lives = live_models.all()
        return {
            "default": next((live.classifier for live in lives if live.is_default), None),
            "limits": {"batch_rows": settings.CLFSITE_BATCH_ROWS, "body_bytes": settings.CLFSITE_BODY_BYTES},
            "classifiers": [describe(live) for live in lives],
        }


def describe(live: Live) -> dict[str, Any]:
    """The entry of one classifier in /info."""
    return {
        "model": live.classifier,
        "version": live.number,
        "default": live.is_default,
        "strict": live.strict,
        "engine": live.loaded.engine,
        "threshold": live.loaded.threshold,
        "activated_at": live.activated_at,
        "metrics": live.metrics,
        "contract": live.contract.to_dict(),
        "example": live.contract.example,
    }


def _outcomes(answer: predict.Answer) -> list[dict[str, Any]]:
    """The answer for each row, with its reference if it has one. JSON texts of the log are reused."""
    rows = answer.rows
    outcomes = [
        {
            "prediction_id": key,
            "label": label,
            "probability": probability,
            "probabilities": orjson.Fragment(probabilities),
            "warnings": orjson.Fragment(warnings),
        }
        for key, label, probability, probabilities, warnings in zip(
            rows.ids, rows.labels, rows.probability, rows.probabilities, rows.warnings, strict=True
        )
    ]
    add_sets(answer.live, outcomes, rows.probabilities)
    if rows.references:
        for outcome, reference in zip(outcomes, rows.references, strict=True):
            if reference is not None:
                outcome["reference"] = reference
    return outcomes


def _records(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise Malformed('"records" is not a list of objects')
    if not value:
        raise Malformed(f'"records" is empty; send 1 to {settings.CLFSITE_BATCH_ROWS:,} records')
    check_row_count(len(value))
    strange = [row for row, record in enumerate(value) if not isinstance(record, dict)]
    if strange:
        problems = [
            {
                "row": row,
                "feature": "",
                "field": f"records.{row}",
                "code": "not_an_object",
                "message": "expected an object of feature names and values",
            }
            for row in strange[:MOST_ERRORS]
        ]
        raise Malformed(f"{len(strange):,} of {len(value):,} records are not objects", problems, len(strange))
    return value
