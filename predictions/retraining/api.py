"""The API of datasets from the log, and of trainings on them."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response

from clfsite.core.api.calls import Call
from clfsite.core.errors import InvalidInput
from clfsite.core.requests.moments import read_moment
from clfsite.core.web.actors import person_of
from predictions.retraining import serializers
from predictions.retraining.models import Retraining
from predictions.retraining.service import dataset_from_log
from training.datasets.serializers import DatasetSerializer
from training.models import Classifier


class LogDataset(Call):
    """Store judged predictions as the next version of the dataset of the active version."""

    scopes = {"POST": "train"}

    @extend_schema(
        operation_id="dataset_from_log",
        tags=["datasets"],
        summary="Make a dataset from judged predictions",
        request=serializers.LogDatasetSerializer,
        responses={
            201: DatasetSerializer,
            422: OpenApiResponse(description="There are no judged predictions; nothing was stored."),
        },
    )
    def post(self, request: Request, name: str) -> Response:
        classifier = generics.get_object_or_404(Classifier, name=name)
        form = serializers.LogDatasetSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        data = form.validated_data
        dataset = dataset_from_log(
            classifier=classifier,
            since=_moment(data, "since"),
            until=_moment(data, "until") if "until" in data else timezone.now(),
            with_table=data["with_table"],
            user=person_of(request),
        )
        return Response(DatasetSerializer(dataset).data, status.HTTP_201_CREATED)


class RetrainingSettings(Call):
    """What may start a training on judged predictions; off by default. Its versions wait for a person."""

    scopes = {"GET": "read", "PATCH": "train"}

    @extend_schema(
        operation_id="retraining",
        tags=["runs"],
        summary="What starts a training on judged predictions",
        responses=serializers.RetrainingSerializer,
    )
    def get(self, request: Request, name: str) -> Response:
        classifier = generics.get_object_or_404(Classifier, name=name)
        setting = Retraining.objects.filter(classifier=classifier).first() or Retraining(
            classifier=classifier
        )
        return Response(serializers.RetrainingSerializer(setting).data)

    @extend_schema(
        operation_id="change_retraining",
        tags=["runs"],
        summary="Change what starts a training on judged predictions",
        request=serializers.RetrainingChangeSerializer,
        responses=serializers.RetrainingSerializer,
    )
    def patch(self, request: Request, name: str) -> Response:
        classifier = generics.get_object_or_404(Classifier, name=name)
        form = serializers.RetrainingChangeSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        setting, _ = Retraining.objects.update_or_create(classifier=classifier, defaults=form.validated_data)
        return Response(serializers.RetrainingSerializer(setting).data)


def _moment(data: dict[str, Any], name: str) -> datetime:
    try:
        return read_moment(data[name])
    except ValueError as error:
        raise InvalidInput(
            f"{name}: {error}", [{"field": name, "code": "not_a_time", "message": str(error)}]
        ) from error
