"""Accuracy of each version on predictions with feedback, over HTTP."""

from django.db.models import Exists, OuterRef
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from clfsite.core.api.calls import Call
from clfsite.core.api.schema import problems
from predictions.monitoring import quality, serializers
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
                "held_out_accuracy": row.version.metrics["accuracy"],
                "classes": row.classes,
                "confusion": row.confusion,
            }
            for row in quality.of_versions(versions)
        ]
        return Response({"model": name, "versions": live})
