"""The API of datasets."""

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response

from clfsite.core.api.calls import Call, ListCall
from clfsite.core.api.parsers import UploadParser
from clfsite.core.web.actors import person_of
from training.archive.api import ArchivableCall, archivable
from training.datasets import serializers
from training.datasets.changes import compare_datasets, version_before
from training.datasets.service import import_dataset
from training.models import Dataset


@extend_schema(tags=["datasets"])
@extend_schema_view(get=extend_schema(summary="Datasets, newest first"))
class DatasetList(ListCall[Dataset]):
    """Uploaded tables, newest first; POST a file as multipart form data to add one."""

    scopes = {"GET": "read", "POST": "train"}
    parser_classes = [UploadParser]
    queryset = Dataset.objects.defer("profile")
    serializer_class = serializers.DatasetListSerializer

    @extend_schema(
        summary="Upload a table to train on",
        request=serializers.DatasetUploadSerializer,
        responses={
            201: serializers.DatasetSerializer,
            409: OpenApiResponse(description="Too many uploads with this name at the same time; try again."),
        },
    )
    def post(self, request: Request) -> Response:
        form = serializers.DatasetUploadSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        data = form.validated_data
        dataset = import_dataset(
            name=data["name"],
            target=data["target"],
            source=data["file"],
            categories=data["categories"],
            options=data["options"],
            user=person_of(request),
        )
        return Response(serializers.DatasetSerializer(dataset).data, status.HTTP_201_CREATED)


@extend_schema(tags=["datasets"])
@extend_schema_view(get=extend_schema(summary="One dataset: its contract and its columns"))
@archivable("a dataset", serializers.DatasetSerializer)
class DatasetDetail(ArchivableCall[Dataset]):
    scopes = {"GET": "read", "PATCH": "train", "DELETE": "train"}
    queryset = Dataset.objects.all()
    serializer_class = serializers.DatasetSerializer


class DatasetChanges(Call):
    """Rows, columns and distributions compared with an earlier version of the dataset."""

    scopes = {"GET": "read"}
    parameters = {"GET": ("since",)}

    @extend_schema(
        tags=["datasets"],
        summary="What changed since an earlier version of a dataset",
        parameters=[
            OpenApiParameter(
                "since", str, description="Number of an earlier version; default: the last one before."
            )
        ],
        responses={
            200: serializers.ChangesSerializer,
            404: OpenApiResponse(description="There is no such dataset, or no such earlier version of it."),
            409: OpenApiResponse(description="A stored table was changed outside the site."),
            422: OpenApiResponse(description="Expected the number of a version."),
        },
    )
    def get(self, request: Request, pk: int) -> Response:
        dataset = generics.get_object_or_404(Dataset, pk=pk)
        old = version_before(dataset, request.query_params.get("since", ""))
        return Response(serializers.ChangesSerializer(compare_datasets(old, dataset)).data)
