"""The MLflow scoring protocol: /invocations, /ping and /version, as `mlflow models serve` answers them.

A missing value may be null or, as MLflow's own clients send it, the literal NaN.
"""

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any

from django.core.files.base import ContentFile
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema

from clfsite.core.errors import InvalidInput, Malformed, Unavailable
from clfsite.core.requests.members import MOST_TOLD, read_object, shorten
from clfsite.core.requests.strict_json import check_media_type, parse_json, read_bytes, repeated
from clfsite.core.storage.files import uploaded_path
from clfsite.core.web import csv_output
from predictions.keys import service as keys
from predictions.models import Prediction
from predictions.protocols import mlflow_schema as schema
from predictions.protocols.view import OPEN, ProtocolView
from predictions.serving import health, predict
from predictions.serving.api import ScoringView
from predictions.serving.live_models import Live, live_models
from predictions.serving.request import check_row_count, model_of, version_of
from predictions.serving.sets import check_sets, sets_of
from training.ml.files.blocks import rows
from training.ml.files.reading import TableError
from training.ml.tables.checks import read_cell
from training.ml.tables.contract import Contract

# clients use it to choose the format of requests, which has not changed since this version of MLflow
PROTOCOL_VERSION = "2.0.0"
FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
PARAMS = ("model", "version", "pyfunc_predict_fn")
MAX_QUOTED = 10
PREDICT, PREDICT_PROBA, PREDICT_SET = FUNCTIONS = ("predict", "predict_proba", "predict_set")
ERROR_CODES = {
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "RESOURCE_DOES_NOT_EXIST",
    HTTPStatus.TOO_MANY_REQUESTS: "REQUEST_LIMIT_EXCEEDED",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL_ERROR",
    HTTPStatus.SERVICE_UNAVAILABLE: "TEMPORARILY_UNAVAILABLE",
}


class MlflowView(ProtocolView):
    """Reports errors like MLflow: a message and one of its error codes."""

    def problem_body(self, status: int, message: str) -> dict[str, str]:
        """Return the error code and the message."""
        return {"error_code": ERROR_CODES.get(HTTPStatus(status), "BAD_REQUEST"), "message": message}

    def identify(self, request: HttpRequest) -> keys.KeyCaller:
        """Accept the key also as the password of HTTP Basic, because MLflow's client cannot send headers."""
        scheme, _, credentials = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "basic":
            return super().identify(request)
        try:
            login = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise keys.refused(
                "the Basic credentials are malformed; send base64 of a name, a colon and the key"
            ) from error
        return keys.recognise(login.partition(":")[2])


class PingView(MlflowView):
    """Whether the site can serve predictions."""

    call = "ping"
    authentication_classes = []
    parameters = None
    scopes = {"get": OPEN, "head": OPEN}

    @extend_schema(**schema.PING)
    def get(self, request: HttpRequest, caller: keys.KeyCaller) -> dict[str, str]:
        problems = [f"{name}: {state}" for name, state in health.check().items() if state != "ok"]
        if problems:
            raise Unavailable("; ".join(problems))
        return {"status": "ok"}


class VersionView(MlflowView):
    """Version of the MLflow protocol."""

    call = "version"
    authentication_classes = []
    scopes = {"get": OPEN, "head": OPEN}
    media_types = ("text/plain",)

    @extend_schema(**schema.VERSION)
    def get(self, request: HttpRequest, caller: keys.KeyCaller) -> HttpResponse:
        return HttpResponse(PROTOCOL_VERSION, content_type="text/plain")


class InvocationsView(MlflowView, ScoringView):
    """Rows in one of MLflow's five formats, answered with labels, probabilities or sets of labels."""

    call = "invocations"
    function = PREDICT

    @extend_schema(**schema.INVOCATIONS)
    def post(self, request: HttpRequest, caller: keys.KeyCaller) -> Any:
        return super().post(request, caller)

    def read(self, request: HttpRequest, caller: keys.KeyCaller) -> predict.Query:
        live, records, self.function = _read_query(request)
        if self.function == PREDICT_SET:
            check_sets(live)
        return predict.Query(live, records, Prediction.Source.MLFLOW, caller.name)

    def write(self, answer: predict.Answer) -> dict[str, list[Any]]:
        shown: dict[str, Callable[[], list[Any]]] = {
            PREDICT: lambda: [*answer.rows.labels],
            PREDICT_PROBA: lambda: answer.proba,
            PREDICT_SET: lambda: sets_of(answer.live, answer.proba),
        }
        return {"predictions": shown[self.function]()}


@dataclass(frozen=True)
class Rows:
    """Rows of JSON values, with the columns if the request lists them once."""

    records: list[dict[str, Any]]
    columns: list[str] | None = None


def _read_query(request: HttpRequest) -> tuple[Live, list[dict[str, Any]], str]:
    """Read an invocation of any shape: version, rows with the names of the contract, and what to answer.

    Raises:
        UnsupportedMediaType, TooLarge, Malformed: see `clfsite.core.requests.strict_json`. InvalidInput: columns that do not fit.
        NotFound, Unavailable: see `LiveModels.get`.
    """
    check_media_type(request, ("application/json", "text/csv"))
    data = read_bytes(request)
    if request.content_type == "text/csv":
        live = live_models.get()
        return live, _read_csv(data, live.contract), PREDICT
    body = parse_json(data, nan_is_null=True)
    name, params = _members(body)
    live = live_models.get(model_of(params), version_of(params))
    table = READERS[name](name, body[name])
    if not table.records:
        raise Malformed(f'"{name}" has no rows; send at least one')
    if table.columns is not None:
        _check_columns(table.columns, live.contract)
    return live, table.records, _function(params)


def _members(body: Any) -> tuple[str, dict[str, Any]]:
    """Return the name of the body's format, and its params."""
    read_object(body, optional=(*FORMATS, "params"))
    names = [name for name in FORMATS if name in body]
    if len(names) != 1:
        raise Malformed(
            f"the body holds {' and '.join(names) or 'no rows'}; expected exactly one of {', '.join(FORMATS)}, and "
            "optionally params"
        )
    return names[0], read_object(body.get("params") or {}, optional=PARAMS, path="params")


def _function(params: dict[str, Any]) -> str:
    function = params.get("pyfunc_predict_fn", PREDICT)
    if function not in FUNCTIONS:
        raise Malformed(f'"pyfunc_predict_fn" is unknown; expected {" or ".join(map(repr, FUNCTIONS))}')
    return str(function)


def _read_split(name: str, value: Any) -> Rows:
    """Read a frame in pandas' split format: columns, and a list of values per row."""
    read_object(value, required=("columns", "data"), optional=("index",), path=name)
    columns, data = value["columns"], value["data"]
    if not isinstance(columns, list) or not all(isinstance(column, str) for column in columns):
        raise Malformed(f'"columns" of "{name}" is not a list of the features\' names')
    twice = repeated(columns)
    if twice is not None:
        raise Malformed(f'"columns" of "{name}" names "{twice[:60]}" more than once')
    if not isinstance(data, list):
        raise Malformed(f'"data" of "{name}" is not a list of rows')
    check_row_count(len(data))
    for position, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(columns):
            length = f"{len(row)} values" if isinstance(row, list) else "no list"
            raise Malformed(f'row {position} of "{name}" holds {length} but there are {len(columns)} columns')
    return Rows([dict(zip(columns, row, strict=True)) for row in data], columns)


def _read_records(name: str, value: Any) -> Rows:
    """Read a list of row objects."""
    if not isinstance(value, list):
        raise Malformed(f'"{name}" is not a list of row objects')
    check_row_count(len(value))
    for position, row in enumerate(value):
        if not isinstance(row, dict):
            raise Malformed(
                f'row {position} of "{name}" is not an object of feature names and values; for rows of bare values '
                'send "dataframe_split" with "columns"'
            )
    return Rows(value)


def _read_tensors(name: str, value: Any) -> Rows:
    """Read records, or one row of single values, or an object of a list of values for every feature."""
    if not isinstance(value, dict):
        return _read_records(name, value)
    columns = list(value)
    if not any(isinstance(column, list) for column in value.values()):
        return Rows([value] if value else [], columns)
    lengths = {column: len(values) for column, values in value.items() if isinstance(values, list)}
    single = next((column for column in columns if column not in lengths), None)
    if single is not None:
        raise Malformed(f'"{single[:60]}" of "{name}" is not a list of values, but others are')
    if len(set(lengths.values())) > 1:
        listed = ", ".join(
            f'"{column[:60]}" {length:,}' for column, length in list(lengths.items())[:MAX_QUOTED]
        )
        raise Malformed(f'the features of "{name}" differ in their number of values: {listed}')
    check_row_count(len(value[columns[0]]))
    return Rows([dict(zip(columns, row, strict=True)) for row in zip(*value.values(), strict=True)], columns)


READERS = {
    "dataframe_split": _read_split,
    "dataframe_records": _read_records,
    "instances": _read_tensors,
    "inputs": _read_tensors,
}


def _read_csv(data: bytes, contract: Contract) -> list[dict[str, Any]]:
    """Read CSV with a header, by the rules of batch files: columns that training left out are allowed."""
    left_out = {contract.target, *contract.left_out}
    records: list[dict[str, Any]] = []
    with uploaded_path(ContentFile(data)) as path:
        try:
            reader = rows(path)
            header = csv_output.read_header(next(reader)[1], left_out.union(contract.names))
            _check_columns(
                [name for name in header if name not in left_out or name in contract.names], contract
            )
            places = [(feature, header.index(feature.name)) for feature in contract.features]
            for _, cells in reader:
                records.append(
                    {
                        feature.name: read_cell(
                            feature, csv_output.read_back(cells[place], feature.categories)
                        )
                        for feature, place in places
                    }
                )
                check_row_count(len(records))
        except TableError as error:
            raise Malformed(str(error)) from error
    if not records:
        raise Malformed("the CSV has a header and no rows; add at least one row")
    return records


def _check_columns(columns: Iterable[str], contract: Contract) -> None:
    """Refuse columns that do not fit the contract.

    Raises:
        InvalidInput: names each missing and unknown column.
    """
    columns = list(columns)
    given, known = set(columns), set(contract.names)
    problems = [
        {"feature": name, "code": "missing", "message": "this feature has no column"}
        for name in contract.names
        if name not in given
    ]
    problems += [
        {
            "feature": shorten(name),
            "code": "unknown_feature",
            "message": "this column is not a feature of the model",
        }
        for name in islice((name for name in columns if name not in known), MOST_TOLD)
    ]
    if problems:
        raise InvalidInput("the columns do not fit the model; nothing was stored", problems)
