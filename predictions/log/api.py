"""The log of predictions over HTTP."""

from drf_spectacular.utils import extend_schema
from rest_framework import generics

from clfsite.core.web.permissions import HasScope
from predictions.log import serializers
from predictions.models import Prediction


@extend_schema(tags=["predictions"], summary="The log, newest first")
class PredictionList(generics.ListAPIView[Prediction]):
    """The log, newest first."""

    permission_classes = [HasScope]
    scopes = {"GET": "read"}
    serializer_class = serializers.PredictionSerializer
    queryset = Prediction.objects.select_related("version__classifier").prefetch_related("feedback")


@extend_schema(tags=["predictions"], summary="One logged prediction")
class PredictionDetail(generics.RetrieveAPIView[Prediction]):
    """One logged prediction."""

    permission_classes = [HasScope]
    scopes = {"GET": "read"}
    serializer_class = serializers.PredictionSerializer
    queryset = Prediction.objects.select_related("version__classifier").prefetch_related("feedback")
