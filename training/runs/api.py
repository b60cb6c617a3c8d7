"""The API of training runs."""

from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import generics, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from clfsite.core.api.calls import BareCall, Call, ListCall
from clfsite.core.api.permissions import allows
from clfsite.core.errors import Conflict
from clfsite.core.web.actors import person_of
from training.archive.api import ArchivableCall, archivable
from training.ml.tables.corrections import Corrections
from training.models import Run, Version
from training.runs import serializers
from training.runs.service import request_retrain, request_run, resume_run, stop_run


def check_activate(request: Request, activate: bool) -> None:
    """Raise PermissionDenied if a run should activate its version and the caller may not."""
    if activate and not allows(request, "activate"):
        raise PermissionDenied(
            "activate is true, but the key does not have the scope activate; omit it, or use a key with the "
            "scope"
        )


@extend_schema(tags=["runs"])
@extend_schema_view(get=extend_schema(summary="Runs, newest first"))
class RunList(ListCall[Run]):
    """Training runs, newest first; POST to queue one."""

    scopes = {"GET": "read", "POST": "train"}
    queryset = Run.objects.select_related("classifier", "version")
    serializer_class = serializers.RunSerializer

    @extend_schema(
        summary="Start a run",
        request=serializers.RunRequestSerializer,
        responses={201: serializers.RunSerializer},
    )
    def post(self, request: Request) -> Response:
        form = serializers.RunRequestSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        data = form.validated_data
        check_activate(request, data["activate"])
        run = request_run(
            dataset=data["dataset"],
            corrections=Corrections.from_dict(data["corrections"]),
            classifier=data.get("classifier", ""),
            activate=data["activate"],
            recipe=data["recipe"],
            user=person_of(request),
        )
        return Response(serializers.RunSerializer(run).data, status.HTTP_201_CREATED)


@extend_schema(tags=["runs"])
@extend_schema_view(get=extend_schema(summary="One run: its progress and its result"))
@archivable("a run", serializers.RunSerializer)
class RunDetail(ArchivableCall[Run]):
    scopes = {"GET": "read", "PATCH": "train", "DELETE": "train"}
    queryset = Run.objects.select_related("classifier", "version")
    serializer_class = serializers.RunSerializer


class RunResume(BareCall):
    """Restart a failed or cancelled run from the beginning."""

    scopes = {"POST": "train"}

    @extend_schema(
        tags=["runs"],
        summary="Restart a failed or cancelled run",
        request=None,
        responses={
            200: serializers.RunSerializer,
            409: OpenApiResponse(description="The run is in another state; nothing was changed."),
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        run = generics.get_object_or_404(Run.objects.select_related("classifier", "version"), pk=pk)
        resume_run(run=run)
        return Response(serializers.RunSerializer(run).data)


class RunCancel(BareCall):
    """Cancel a run: a queued one ends at once, a running one within seconds; 409 if it has ended."""

    scopes = {"POST": "train"}

    @extend_schema(
        tags=["runs"],
        summary="Cancel a run",
        request=None,
        responses={
            200: serializers.RunSerializer,
            409: OpenApiResponse(description="The run has already ended; nothing was changed."),
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        run = generics.get_object_or_404(Run.objects.select_related("classifier", "version"), pk=pk)
        if not run.request_cancel():
            raise Conflict(f"run {run.pk} has already ended: it is {run.state}")
        return Response(serializers.RunSerializer(run).data)


class RunStop(BareCall):
    """End the search with the best setting so far, which becomes a version; needs a budget of minutes."""

    scopes = {"POST": "train"}

    @extend_schema(
        tags=["runs"],
        summary="Stop a run and keep the best so far",
        request=None,
        responses={
            200: serializers.RunSerializer,
            409: OpenApiResponse(description="The search is not under way; nothing was changed."),
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        run = generics.get_object_or_404(Run.objects.select_related("classifier", "version"), pk=pk)
        stop_run(run=run)
        return Response(serializers.RunSerializer(run).data)


class VersionRetrain(Call):
    """Queue a run with this version's recipe, on the given dataset or the newest with its name and target."""

    scopes = {"POST": "train"}

    @extend_schema(
        tags=["versions"],
        summary="Retrain with a version's recipe",
        request=serializers.RetrainSerializer,
        responses={201: serializers.RunSerializer},
    )
    def post(self, request: Request, pk: int) -> Response:
        versions = Version.objects.select_related("classifier", "run__dataset")
        version = generics.get_object_or_404(versions, pk=pk)
        form = serializers.RetrainSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        data = form.validated_data
        check_activate(request, data["activate"])
        run = request_retrain(
            version=version, dataset=data["dataset"], activate=data["activate"], user=person_of(request)
        )
        return Response(serializers.RunSerializer(run).data, status.HTTP_201_CREATED)
