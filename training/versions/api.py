"""The API of versions and of activation."""

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from clfsite.core.api.calls import Call, ListCall
from clfsite.core.errors import InvalidInput
from clfsite.core.web.actors import actor_of
from training.archive.api import ArchivableCall, archivable
from training.ml.judge.costs import Costs, CostsError
from training.models import Version
from training.versions import comparison, serializers
from training.versions.service import activate_version


@extend_schema(tags=["versions"], summary="Versions and their metrics")
class VersionList(ListCall[Version]):
    scopes = {"GET": "read"}
    queryset = Version.objects.with_active().select_related("classifier")
    serializer_class = serializers.VersionSerializer


@extend_schema(tags=["versions"])
@extend_schema_view(get=extend_schema(summary="One version: its metrics and its contract"))
@archivable("a version", serializers.VersionSerializer)
class VersionDetail(ArchivableCall[Version]):
    scopes = {"GET": "read", "PATCH": "activate", "DELETE": "activate"}
    queryset = Version.objects.with_active().select_related("classifier")
    serializer_class = serializers.VersionSerializer


class VersionCompare(Call):
    """Compare two to six versions, in the given order."""

    scopes = {"GET": "read"}
    parameters = {"GET": ("ids",)}

    @extend_schema(
        tags=["versions"],
        summary="Compare two to six versions",
        parameters=[
            OpenApiParameter(
                "ids", str, required=True, description="Ids of versions, separated by commas: `3,5`."
            )
        ],
        responses={
            200: serializers.ComparisonSerializer,
            404: OpenApiResponse(description="One of the versions does not exist."),
            422: OpenApiResponse(description="Expected two to six different ids."),
        },
    )
    def get(self, request: Request) -> Response:
        versions = comparison.chosen(
            [text.strip() for text in request.query_params.get("ids", "").split(",")]
        )
        return Response(serializers.ComparisonSerializer(comparison.as_dict(versions)).data)


class VersionActivate(Call):
    """Activate this version, or change the threshold or the costs with which the active one decides.

    To roll back, activate an older version. Without `threshold` and `costs`, the version's own threshold is used, or the most
    probable label.
    """

    scopes = {"POST": "activate"}

    @extend_schema(
        tags=["versions"],
        summary="Activate a version",
        request=serializers.ActivateSerializer,
        responses={
            200: serializers.ActivationSerializer,
            409: OpenApiResponse(
                description="It is already active and decides so, or cannot be served; nothing was changed."
            ),
            422: OpenApiResponse(description="The costs do not fit the classes, or there is no threshold."),
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        version = generics.get_object_or_404(Version.objects.select_related("classifier"), pk=pk)
        form = serializers.ActivateSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        costs = form.validated_data.get("costs")
        try:
            fitting = None if costs is None else Costs.from_dict(costs, version.contract.classes)
        except CostsError as error:
            raise InvalidInput(f"costs: {error}") from error
        activation = activate_version(
            version=version,
            actor=actor_of(request),
            reason=form.validated_data["reason"],
            threshold=form.validated_data.get("threshold"),
            costs=fitting,
        )
        return Response(serializers.ActivationSerializer(activation).data)
