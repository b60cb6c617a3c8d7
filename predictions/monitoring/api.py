"""Monitoring over HTTP: an evaluation of the active version, and accuracy on predictions with feedback."""

from django.db.models import Exists, OuterRef
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from clfsite.core.api.calls import Call
from clfsite.core.api.schema import problems
from clfsite.core.errors import Malformed
from predictions.monitoring import quality, serializers
from predictions.monitoring.evaluation import service
from predictions.monitoring.evaluation.evaluate import evaluate
from training.models import Activation, Classifier


class ClassifierLive(Call):
    """The accuracy of each version of a classifier on predictions with feedback, newest first."""

    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="classifier_live",
        tags=["versions"],
        summary="Accuracy on predictions with feedback",
        responses={200: serializers.LiveSerializer, **problems(401, 403, 404, 429, 503)},
    )
    def get(self, request: Request, name: str) -> Response:
        classifier = generics.get_object_or_404(Classifier, name=name)
        active = Activation.objects.in_force().filter(version=OuterRef("pk"))
        versions = classifier.versions.order_by("-number").annotate(active=Exists(active))
        live = [
            {
                "version": row.version.number,
                "active": row.version.active,  # type: ignore[attr-defined]
                "judged": row.judged,
                "correct": row.correct,
                "accuracy": row.accuracy,
                "held_out_accuracy": row.held_out,
                "classes": row.classes,
                "confusion": row.confusion,
            }
            for row in quality.of_versions(versions)
        ]
        return Response({"model": name, "versions": live})


DAYS, USUAL_DAYS = "days", 7


class ClassifierMonitoring(Call):
    """The active version of a classifier, compared with training over the last days."""

    scopes = {"GET": "read"}
    parameters = {"GET": (DAYS,)}

    @extend_schema(
        operation_id="classifier_monitoring",
        tags=["versions"],
        summary="Drift, data quality and estimated accuracy",
        parameters=[
            OpenApiParameter(
                DAYS,
                {"type": "integer", "minimum": 1, "maximum": service.MOST_DAYS, "default": USUAL_DAYS},
                description="The length of the window, which ends now.",
            )
        ],
        responses={200: serializers.MonitoringSerializer, **problems(400, 401, 403, 404, 429, 503)},
    )
    def get(self, request: Request, name: str) -> Response:
        days = _days(request.query_params.get(DAYS))
        version = service.active(name)
        return Response(service.as_json(version, evaluate(version, days=days)))


def _days(given: str | None) -> int:
    """The days of the window.

    Raises:
        Malformed: no whole number, or too small or large.
    """
    if given is None:
        return USUAL_DAYS
    if (
        given.isascii()
        and given.isdecimal()
        and len(given) < USUAL_DAYS
        and 1 <= int(given) <= service.MOST_DAYS
    ):
        return int(given)
    message = f"expected a whole number from 1 to {service.MOST_DAYS}"
    raise Malformed(f"{DAYS}: {message}", [{"field": DAYS, "code": "invalid", "message": message}])
