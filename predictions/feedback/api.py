"""The API of feedback: one label, a file of labels, and the accuracy of each version."""

import json
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from clfsite.core.api.calls import Call
from clfsite.core.api.parsers import UploadParser
from clfsite.core.api.schema import problems
from clfsite.core.errors import InvalidInput, NotFound
from clfsite.core.requests.members import read_object
from clfsite.core.requests.strict_json import read_json
from clfsite.core.web.actors import actor_of
from predictions.feedback import serializers
from predictions.feedback.files import import_feedback
from predictions.feedback.service import Change, give_feedback
from predictions.log import references
from predictions.models import Feedback
from predictions.serving.request import model_of


class PredictionFeedback(Call):
    """The true label of one prediction: 201 if it is new or a correction, 200 if it was already saved."""

    scopes = {"POST": "feedback"}

    @extend_schema(
        operation_id="give_feedback",
        tags=["predictions"],
        summary="Give the true label of a prediction",
        request=serializers.FeedbackRequestSerializer,
        responses={
            200: serializers.FeedbackSerializer,
            201: serializers.FeedbackSerializer,
            **problems(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
        },
    )
    def post(self, request: Request, pk: str) -> Response:
        label, replace = _read(read_json(request._request))
        return _give(request, _id(pk), label, replace)


class ReferenceFeedback(Call):
    """The true label of the prediction with a reference: the newest one, or the newest one up to a time."""

    scopes = {"POST": "feedback"}

    @extend_schema(
        operation_id="give_feedback_by_reference",
        tags=["predictions"],
        summary="Give the true label of the prediction with a reference",
        request=serializers.ReferenceFeedbackRequestSerializer,
        responses={
            200: serializers.FeedbackSerializer,
            201: serializers.FeedbackSerializer,
            **problems(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
        },
    )
    def post(self, request: Request) -> Response:
        body = read_object(
            read_json(request._request),
            required=("reference", "label"),
            optional=("model", "time", "replace"),
        )
        named = _named(body)
        label, replace = _read({name: body[name] for name in ("label", "replace") if name in body})
        return _give(request, references.find(named).pk, label, replace)


class FeedbackUpload(Call):
    """The true labels of many predictions, as a file with ids and labels: all rows or none."""

    scopes = {"POST": "feedback"}
    parser_classes = [UploadParser]

    @extend_schema(
        operation_id="upload_feedback",
        tags=["predictions"],
        summary="Upload the true labels of many predictions",
        request=serializers.FeedbackUploadSerializer,
        responses={
            200: serializers.FeedbackStoredSerializer,
            **problems(400, 401, 403, 409, 413, 415, 422, 429, 503),
        },
    )
    def post(self, request: Request) -> Response:
        form = serializers.FeedbackUploadSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        stored = import_feedback(
            source=form.validated_data["file"],
            replace=form.validated_data["replace"],
            actor=actor_of(request),
            via=Feedback.Source.API,
        )
        return Response(
            {
                **{change.value: stored.changes[change] for change in Change},
                "label_column": stored.label_column,
                "ignored_columns": stored.ignored_columns,
                "without_label": stored.without_label,
            }
        )


def _give(request: Request, pk: UUID, label: str, replace: bool) -> Response:
    change = give_feedback(
        prediction_id=pk,
        label=label,
        replace=replace,
        actor=actor_of(request),
        source=Feedback.Source.API,
    )
    feedback = Feedback.objects.in_force().select_related("prediction").get(prediction=pk)
    body = {**serializers.FeedbackSerializer(feedback).data, "change": change}
    return Response(body, status.HTTP_200_OK if change is Change.UNCHANGED else status.HTTP_201_CREATED)


def _named(body: dict[str, Any]) -> references.Named:
    """Return which prediction a body names.

    Raises:
        InvalidInput: a reference or time that is none. Malformed: a model that is no name.
    """
    problems, before, time = [], None, body.get("time")
    if problem := references.problem_of(body["reference"]):
        problems.append({"field": problem.feature, "code": problem.code, "message": problem.message})
    if time is not None:
        try:
            before = references.end_of(time if isinstance(time, str) else json.dumps(time))
        except ValueError as error:
            problems.append({"field": "time", "code": "not_a_time", "message": str(error)})
    if problems:
        raise InvalidInput("the feedback was refused", problems)
    return references.Named(body["reference"], model_of(body) or "", before)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound(
            f'"{text[:60]}" is not the id of a prediction; use the prediction_id of an answer'
        ) from error


def _read(body: Any) -> tuple[str, bool]:
    """Return label and replace of a request.

    Raises:
        Malformed: not an object, or unknown members. InvalidInput: a member of another type.
    """
    body = read_object(body, required=("label",), optional=("replace",))
    label, replace = body["label"], body.get("replace", False)
    problems = []
    if not isinstance(label, str | bool | int | float):
        message = "expected a class: a string, a number, true or false"
        problems.append({"field": "label", "code": "not_text", "message": message})
    if not isinstance(replace, bool):
        problems.append({"field": "replace", "code": "not_a_boolean", "message": "expected true or false"})
    if problems:
        raise InvalidInput("the feedback was refused", problems)
    # as text, like in a table, because JSON has numbers and booleans
    return label if isinstance(label, str) else json.dumps(label), replace
