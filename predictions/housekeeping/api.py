"""How long predictions of a classifier stay, over HTTP."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from clfsite.core.api.calls import Call
from clfsite.core.api.schema import example
from clfsite.core.api.serializers import StrictIntegerField, StrictSerializer
from predictions.housekeeping.models import MOST_DAYS, days_of, set_retention
from training.models import Classifier


@example({"days": 90})
class RetentionChangeSerializer(StrictSerializer):
    days = StrictIntegerField(
        min_value=0,
        max_value=MOST_DAYS,
        allow_null=True,
        help_text="0: always; null: the setting of the site.",
    )


@example({"days": 90, "site_days": 365})
class RetentionSerializer(serializers.Serializer[Any]):
    days = serializers.IntegerField(allow_null=True)
    site_days = serializers.IntegerField(help_text="CLFSITE_KEEP_PREDICTIONS_DAYS.")


class ClassifierRetention(Call):
    """How long predictions of a classifier stay in the log; their counts stay."""

    scopes = {"GET": "read", "PATCH": "activate"}

    @extend_schema(
        operation_id="retention",
        tags=["predictions"],
        summary="How long predictions of a classifier stay",
        responses=RetentionSerializer,
    )
    def get(self, request: Request, name: str) -> Response:
        return _answer(generics.get_object_or_404(Classifier, name=name))

    @extend_schema(
        operation_id="change_retention",
        tags=["predictions"],
        summary="Change how long predictions of a classifier stay",
        request=RetentionChangeSerializer,
        responses=RetentionSerializer,
    )
    def patch(self, request: Request, name: str) -> Response:
        classifier = generics.get_object_or_404(Classifier, name=name)
        form = RetentionChangeSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        set_retention(classifier, form.validated_data["days"])
        return _answer(classifier)


def _answer(classifier: Classifier) -> Response:
    body = {"days": days_of(classifier), "site_days": settings.CLFSITE_KEEP_PREDICTIONS_DAYS}
    return Response(RetentionSerializer(body).data)
