"""The log of predictions over HTTP."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema

from clfsite.core.api.calls import DetailCall, ListCall
from clfsite.core.errors import Malformed
from clfsite.core.requests.moments import read_moment
from clfsite.core.web.lists import PAGING
from predictions.log import references, serializers
from predictions.models import Prediction, first_id

SINCE, UNTIL, REFERENCE, REQUEST_ID = "since", "until", references.NAME, "request_id"


@extend_schema(tags=["predictions"], summary="The log, newest first")
class PredictionList(ListCall[Prediction]):
    """The log, the part between two times, or the predictions with one reference or of one call, newest first."""

    scopes = {"GET": "read"}
    parameters = {"GET": (*PAGING, SINCE, UNTIL, REFERENCE, REQUEST_ID)}
    serializer_class = serializers.PredictionSerializer
    queryset = Prediction.objects.select_related("version__classifier", "activation").prefetch_related(
        "feedback"
    )

    @extend_schema(
        parameters=[
            OpenApiParameter(
                SINCE,
                OpenApiTypes.STR,
                description="A date or time in ISO 8601, inclusive; UTC if it has no time zone.",
            ),
            OpenApiParameter(
                UNTIL,
                OpenApiTypes.STR,
                description="A date or time in ISO 8601, exclusive; UTC if it has no time zone.",
            ),
            OpenApiParameter(
                REFERENCE, OpenApiTypes.STR, description="The caller's own key; only predictions with it."
            ),
            OpenApiParameter(
                REQUEST_ID,
                OpenApiTypes.STR,
                description="The id of the call that made the predictions, as in its X-Request-ID.",
            ),
        ]
    )
    def get(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return super().get(request, *args, **kwargs)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the requested part of the log.

        Raises:
            Malformed: a time or reference that is none, or an end before its beginning.
        """
        queryset = self._with_reference(super().filter_queryset(queryset))
        since, until = self._moment(SINCE), self._moment(UNTIL)
        if since and until and since > until:
            message = "this time comes before the one that it begins with"
            raise Malformed(
                f"{UNTIL}: {message}", [{"field": UNTIL, "code": "out_of_order", "message": message}]
            )
        if request_id := self.request.query_params.get(REQUEST_ID, ""):
            if "\x00" in request_id:
                return queryset.none()
            queryset = queryset.filter(request_id=request_id)
        if since:
            queryset = queryset.filter(pk__gte=first_id(since))
        return queryset.filter(pk__lt=first_id(until)) if until else queryset

    def _with_reference(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        given = self.request.query_params.get(REFERENCE)
        if given is None:
            return queryset
        if problem := references.problem_of(given):
            place = {"field": REFERENCE, "code": problem.code, "message": problem.message}
            raise Malformed(f"{REFERENCE}: {problem.message}", [place])
        return queryset.filter(reference=given)

    def _moment(self, name: str) -> datetime | None:
        given = self.request.query_params.get(name, "")
        try:
            return read_moment(given) if given else None
        except ValueError as error:
            raise Malformed(
                f"{name}: {error}", [{"field": name, "code": "not_a_time", "message": str(error)}]
            ) from error


@extend_schema(tags=["predictions"], summary="One logged prediction")
class PredictionDetail(DetailCall[Prediction]):
    """One logged prediction."""

    scopes = {"GET": "read"}
    serializer_class = serializers.PredictionSerializer
    queryset = Prediction.objects.select_related("version__classifier", "activation").prefetch_related(
        "feedback"
    )
