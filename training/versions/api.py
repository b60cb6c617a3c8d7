"""Managing what is trained: datasets, runs, classifiers, versions and their activation, under /api/."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from clfsite.core.web.parsers import UploadParser
from clfsite.core.web.permissions import HasScope, allows
from training import services
from training.versions import comparison
from training.versions import serializers
from clfsite.core.errors import Conflict
from training.ml.tables.corrections import Corrections
from training.ml.search.recipe import Recipe
from training.models import Classifier, Dataset, Run, Version


def actor_of(request: Request) -> str:
    """Who to name in histories: the key's name or the login."""
    return request.user.get_username()


def person_of(request: Request) -> Any:
    """The logged-in user, None for a key."""
    return None if request.auth is not None else request.user


def check_activate(request: Request, activate: bool) -> None:
    """Raise PermissionDenied where a run is to activate its version and the caller may not."""
    if activate and not allows(request, "activate"):
        raise PermissionDenied(
            "activate is true, which needs the scope activate; leave it out, or ask for the scope"
        )


class DatasetList(generics.ListAPIView[Dataset]):
    """Uploaded tables, newest first; POST a CSV as multipart form data to add one."""

    permission_classes = [HasScope]
    scopes = {"GET": "read", "POST": "train"}
    parser_classes = [UploadParser]
    queryset = Dataset.objects.defer("profile")
    serializer_class = serializers.DatasetListSerializer

    @extend_schema(
        request=serializers.DatasetUploadSerializer,
        responses={
            201: serializers.DatasetSerializer,
            409: OpenApiResponse(description="Other uploads of the same name were quicker; try again."),
        },
    )
    def post(self, request: Request) -> Response:
        form = serializers.DatasetUploadSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        data = form.validated_data
        dataset = services.import_dataset(
            name=data["name"],
            target=data["target"],
            source=data["file"],
            categories=data["categories"],
            user=person_of(request),
        )
        return Response(serializers.DatasetSerializer(dataset).data, status.HTTP_201_CREATED)


class DatasetDetail(generics.RetrieveAPIView[Dataset]):
    permission_classes = [HasScope]
    scopes = {"GET": "read"}
    queryset = Dataset.objects.all()
    serializer_class = serializers.DatasetSerializer


class RunList(generics.ListAPIView[Run]):
    """Training jobs, newest first; POST to queue one."""

    permission_classes = [HasScope]
    scopes = {"GET": "read", "POST": "train"}
    queryset = Run.objects.select_related("classifier", "version")
    serializer_class = serializers.RunSerializer

    @extend_schema(request=serializers.RunRequestSerializer, responses={201: serializers.RunSerializer})
    def post(self, request: Request) -> Response:
        form = serializers.RunRequestSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        data = dict(form.validated_data)
        check_activate(request, data["activate"])
        run = services.request_run(
            dataset=data.pop("dataset"),
            corrections=Corrections.from_dict(data.pop("corrections")),
            classifier=data.pop("classifier", ""),
            activate=data.pop("activate"),
            recipe=Recipe(**data),
            user=person_of(request),
        )
        return Response(serializers.RunSerializer(run).data, status.HTTP_201_CREATED)


class RunDetail(generics.RetrieveAPIView[Run]):
    permission_classes = [HasScope]
    scopes = {"GET": "read"}
    queryset = Run.objects.select_related("classifier", "version")
    serializer_class = serializers.RunSerializer


class RunCancel(APIView):
    """End a run: one that waits ends at once, one under way within seconds; 409 when it is over."""

    permission_classes = [HasScope]
    scopes = {"POST": "train"}

    @extend_schema(
        request=None,
        responses={
            200: serializers.RunSerializer,
            409: OpenApiResponse(description="The run is over; nothing was changed."),
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        run = generics.get_object_or_404(Run.objects.select_related("classifier", "version"), pk=pk)
        if not run.request_cancel():
            raise Conflict(f"run {run.pk} is over: it is {run.state}")
        return Response(serializers.RunSerializer(run).data)


class ClassifierList(generics.ListAPIView[Classifier]):
    permission_classes = [HasScope]
    scopes = {"GET": "read"}
    queryset = Classifier.objects.all()
    serializer_class = serializers.ClassifierSerializer


class VersionList(generics.ListAPIView[Version]):
    permission_classes = [HasScope]
    scopes = {"GET": "read"}
    queryset = Version.objects.with_active().select_related("classifier")
    serializer_class = serializers.VersionSerializer


class VersionDetail(generics.RetrieveAPIView[Version]):
    permission_classes = [HasScope]
    scopes = {"GET": "read"}
    queryset = Version.objects.with_active().select_related("classifier")
    serializer_class = serializers.VersionSerializer


class VersionCompare(APIView):
    """Two to six versions side by side, in the order in which they are named."""

    permission_classes = [HasScope]
    scopes = {"GET": "read"}

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "ids", str, required=True, description="Ids of versions, with commas between: `3,5`."
            )
        ],
        responses={
            200: serializers.ComparisonSerializer,
            404: OpenApiResponse(description="There is no version of one of the ids."),
            422: OpenApiResponse(description="Not two to six different numbers."),
        },
    )
    def get(self, request: Request) -> Response:
        versions = comparison.chosen(
            [each.strip() for each in request.query_params.get("ids", "").split(",")]
        )
        return Response(serializers.ComparisonSerializer(comparison.as_dict(versions)).data)


class VersionActivate(APIView):
    """Let this version answer from now on; an older one rolls back."""

    permission_classes = [HasScope]
    scopes = {"POST": "activate"}

    @extend_schema(
        request=serializers.ReasonSerializer,
        responses={
            200: serializers.ActivationSerializer,
            409: OpenApiResponse(
                description="It is active already, or cannot be served; nothing was changed."
            ),
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        version = generics.get_object_or_404(Version.objects.select_related("classifier"), pk=pk)
        form = serializers.ReasonSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        activation = services.activate_version(
            version=version, actor=actor_of(request), reason=form.validated_data["reason"]
        )
        return Response(serializers.ActivationSerializer(activation).data)


class VersionRetrain(APIView):
    """Queue a run by this version's recipe, on the newest dataset of its name and target unless one is named."""

    permission_classes = [HasScope]
    scopes = {"POST": "train"}

    @extend_schema(request=serializers.RetrainSerializer, responses={201: serializers.RunSerializer})
    def post(self, request: Request, pk: int) -> Response:
        versions = Version.objects.select_related("classifier", "run__dataset")
        version = generics.get_object_or_404(versions, pk=pk)
        form = serializers.RetrainSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        data = form.validated_data
        check_activate(request, data["activate"])
        run = services.request_retrain(
            version=version, dataset=data["dataset"], activate=data["activate"], user=person_of(request)
        )
        return Response(serializers.RunSerializer(run).data, status.HTTP_201_CREATED)
