"""The API of erasures."""

from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from clfsite.core.api.calls import ListCall
from clfsite.core.web.actors import actor_of
from predictions.erasures import serializers
from predictions.erasures.models import Erasure
from predictions.erasures.service import erase


@extend_schema(tags=["predictions"])
@extend_schema_view(get=extend_schema(summary="Erasures, newest first"))
class ErasureList(ListCall[Erasure]):
    """What was erased, without the references themselves."""

    scopes = {"GET": "activate", "POST": "activate"}
    queryset = Erasure.objects.all()
    serializer_class = serializers.ErasureSerializer

    @extend_schema(
        summary="Erase the predictions with a reference",
        request=serializers.ErasureRequestSerializer,
        responses={
            201: serializers.ErasureSerializer,
            404: OpenApiResponse(description="No prediction has this reference; nothing was erased."),
            409: OpenApiResponse(description="A batch with such rows is not over; nothing was erased."),
        },
    )
    def post(self, request: Request) -> Response:
        form = serializers.ErasureRequestSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        record = erase(actor=actor_of(request), **form.validated_data)
        return Response(serializers.ErasureSerializer(record).data, status.HTTP_201_CREATED)
