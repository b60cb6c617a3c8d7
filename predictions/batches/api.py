"""The API of batches: upload, state, start, cancel, resume and results."""

from typing import Any

from django.http import FileResponse, StreamingHttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import generics, status
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from clfsite.core.api.calls import BareCall, Call, DetailCall, ListCall
from clfsite.core.api.parsers import UploadParser
from clfsite.core.api.schema import csv_file
from clfsite.core.errors import Conflict
from clfsite.core.web.actors import actor_of, person_of
from predictions.batches import downloads as batch_downloads
from predictions.batches import serializers
from predictions.batches import service as batches
from predictions.batches.models import Batch
from training.models import Version

ROWS = Batch.objects.select_related("version__classifier").defer(
    *("header", "summary"), *Version.bulky(path="version__")
)


class CSVRenderer(BaseRenderer):
    """Allows callers to request text/csv; its views return files."""

    media_type = "text/csv"
    format = "csv"

    def render(self, data: Any, *_: object, **__: object) -> Any:
        return data


@extend_schema(tags=["batches"])
@extend_schema_view(get=extend_schema(summary="Batches, newest first"))
class BatchList(ListCall[Batch]):
    """CSV files scored in the background, newest first; POST a file as multipart form data to check and score it."""

    scopes = {"GET": "read", "POST": "predict"}
    parser_classes = [UploadParser]
    queryset = ROWS.defer("preview", "problems")
    serializer_class = serializers.BatchListSerializer

    @extend_schema(
        summary="Upload a file to be scored",
        request=serializers.BatchUploadSerializer,
        responses={
            201: serializers.BatchSerializer,
            404: OpenApiResponse(
                description="The classifier or the version does not exist; nothing was stored."
            ),
        },
    )
    def post(self, request: Request) -> Response:
        form = serializers.BatchUploadSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        data = form.validated_data
        batch = batches.create_batch(
            source=data["file"],
            model=data.get("model"),
            version=data.get("version"),
            mode=data["mode"],
            hold=data["preview"],
            caller=actor_of(request),
            user=person_of(request),
        )
        return Response(serializers.BatchSerializer(batch).data, status.HTTP_201_CREATED)


@extend_schema(tags=["batches"], summary="One batch: its progress and its result")
class BatchDetail(DetailCall[Batch]):
    """One batch: progress, findings in its file, and result."""

    scopes = {"GET": "read"}
    queryset = ROWS
    serializer_class = serializers.BatchSerializer


class BatchStart(Call):
    """Score a checked file that was uploaded with `preview`."""

    scopes = {"POST": "predict"}

    @extend_schema(
        tags=["batches"],
        summary="Score an uploaded file after its preview",
        request=serializers.BatchStartSerializer,
        responses={
            200: serializers.BatchSerializer,
            409: OpenApiResponse(description="The batch is not ready to start; nothing was changed."),
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        batch = generics.get_object_or_404(ROWS, pk=pk)
        form = serializers.BatchStartSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        batches.start_scoring(batch=batch, mode=form.validated_data["mode"])
        return Response(serializers.BatchSerializer(batch).data)


class BatchResume(BareCall):
    """Resume a failed or cancelled batch after the scored rows; no row is scored again."""

    scopes = {"POST": "predict"}

    @extend_schema(
        tags=["batches"],
        summary="Resume a failed or cancelled batch",
        request=None,
        responses={
            200: serializers.BatchSerializer,
            409: OpenApiResponse(
                description="The batch is in another state, or its file is invalid; nothing was changed."
            ),
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        batch = generics.get_object_or_404(ROWS, pk=pk)
        batches.resume_batch(batch=batch)
        return Response(serializers.BatchSerializer(batch).data)


class BatchCancel(BareCall):
    """Cancel a batch: a queued one ends at once, a running one within seconds; 409 if it has ended."""

    scopes = {"POST": "predict"}

    @extend_schema(
        tags=["batches"],
        summary="Cancel a batch",
        request=None,
        responses={
            200: serializers.BatchSerializer,
            409: OpenApiResponse(description="The batch has already ended; nothing was changed."),
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        batch = generics.get_object_or_404(ROWS, pk=pk)
        if not batch.request_cancel():
            raise Conflict(f"{batch} has already ended: it is {batch.state}")
        return Response(serializers.BatchSerializer(batch).data)


class BatchResult(Call):
    """The results as CSV: prediction_id, label, its probability, that of each class, and the columns of the file."""

    scopes = {"GET": "read"}
    renderer_classes = [CSVRenderer, JSONRenderer]

    @extend_schema(
        operation_id="batch_result",
        tags=["batches"],
        summary="The predictions as CSV",
        responses={
            **csv_file(
                "The prediction of each row, followed by the columns of the file. If the classifier lists the labels that "
                "cannot be excluded, the column set has them as a JSON array, before the warnings.",
                "prediction_id,row,label,probability,probability_No,probability_Yes,warnings,tenure,contract\r\n"
                "01936f5e-8a4c-7c3e-9d2b-5f0c00000000,1,No,0.83,0.83,0.17,,5,One year\r\n",
            ),
            409: OpenApiResponse(description="The batch has not succeeded."),
        },
    )
    def get(self, request: Request, pk: int) -> StreamingHttpResponse:
        return batch_downloads.answers(generics.get_object_or_404(Batch, pk=pk))


class BatchErrors(Call):
    """All problems of the file as CSV: line, column, code, message; 404 if there are none."""

    scopes = {"GET": "read"}
    renderer_classes = [CSVRenderer, JSONRenderer]

    @extend_schema(
        operation_id="batch_errors",
        tags=["batches"],
        summary="The errors in the file, as CSV",
        responses=csv_file(
            "One line per error.",
            'line,column,code,message\r\n18,tenure,not_a_number,"expected a number, got ""five"""\r\n',
        ),
    )
    def get(self, request: Request, pk: int) -> FileResponse:
        return batch_downloads.errors(generics.get_object_or_404(Batch, pk=pk))
