"""The API of alerts, receivers, and the limits and silences of a classifier."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response

from clfsite.core.api.calls import BareCall, Call, DetailCall, ListCall
from clfsite.core.errors import InvalidInput, Malformed
from clfsite.core.requests.moments import read_moment
from clfsite.core.web.actors import actor_of
from clfsite.core.web.lists import PAGING
from predictions.alerts import outbox, receivers, rules, serializers, service
from predictions.alerts.models import Alert, Receiver, Silence
from predictions.serving.request import model_of
from training.models import Classifier, Version

ALERTS = Alert.objects.select_related("classifier", "version").defer(*Version.bulky(path="version__"))


@extend_schema(tags=["alerts"], summary="Alerts, newest first")
class AlertList(ListCall[Alert]):
    scopes = {"GET": "read"}
    parameters = {"GET": (*PAGING, "state", "model")}
    queryset = ALERTS
    serializer_class = serializers.AlertListSerializer

    @extend_schema(
        parameters=[
            OpenApiParameter("state", OpenApiTypes.STR, enum=Alert.State.values),
            OpenApiParameter("model", OpenApiTypes.STR, description="Name of a classifier."),
        ]
    )
    def get(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return super().get(request, *args, **kwargs)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the alerts of a state or a classifier.

        Raises:
            Malformed: an unknown state, or a model that is no name.
        """
        queryset = super().filter_queryset(queryset)
        state, model = (self.request.query_params.get(name) for name in ("state", "model"))
        if state is not None and state not in Alert.State.values:
            message = f'expected one of {", ".join(Alert.State.values)}, got "{state[:60]}"'
            place = {"field": "state", "code": "invalid_choice", "message": message}
            raise Malformed(f"state: {message}", [place])
        if model is not None:
            queryset = queryset.filter(classifier__name=model_of({"model": model}))
        return queryset.filter(state=state) if state else queryset


@extend_schema(tags=["alerts"], summary="One alert with its history")
class AlertDetail(DetailCall[Alert]):
    scopes = {"GET": "read"}
    queryset = ALERTS.prefetch_related("events")
    serializer_class = serializers.AlertSerializer


class AlertChange(Call):
    """Change the state of an alert."""

    scopes = {"POST": "activate"}

    def change(self, request: Request, pk: int, act: Any) -> Response:
        alert = generics.get_object_or_404(ALERTS, pk=pk)
        form = serializers.AlertChangeSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        act(alert, actor=actor_of(request), note=form.validated_data.get("note", ""))
        return Response(serializers.AlertSerializer(ALERTS.get(pk=pk)).data)


def _changes(summary: str, refusal: str) -> dict[str, Any]:
    return {
        "tags": ["alerts"],
        "summary": summary,
        "request": serializers.AlertChangeSerializer,
        "responses": {
            200: serializers.AlertSerializer,
            409: OpenApiResponse(description=f"{refusal}; nothing was changed."),
        },
    }


class AlertAcknowledge(AlertChange):
    """Say that a person deals with an open alert."""

    @extend_schema(**_changes("Acknowledge an alert", "It is not open"))
    def post(self, request: Request, pk: int) -> Response:
        return self.change(request, pk, service.acknowledge)


class AlertClose(AlertChange):
    """Close an alert; while its condition holds, it does not open again."""

    @extend_schema(**_changes("Close an alert", "It is already closed"))
    def post(self, request: Request, pk: int) -> Response:
        return self.change(request, pk, service.close)


@extend_schema(tags=["alerts"])
@extend_schema_view(get=extend_schema(summary="Receivers of messages"))
class ReceiverList(ListCall[Receiver]):
    """Who gets messages about alerts and events."""

    scopes = {"GET": "activate", "POST": "activate"}
    queryset = Receiver.objects.select_related("classifier")
    serializer_class = serializers.ReceiverSerializer

    @extend_schema(
        summary="Create a receiver",
        request=serializers.ReceiverWriteSerializer,
        responses={
            201: serializers.ReceiverSerializer,
            404: OpenApiResponse(description="The classifier does not exist; nothing was stored."),
            409: OpenApiResponse(description="Another receiver has this name; nothing was stored."),
        },
    )
    def post(self, request: Request) -> Response:
        form = serializers.ReceiverWriteSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        receiver = Receiver(created_by=actor_of(request))
        receivers.save(_filled(receiver, form.validated_data))
        answer = serializers.ReceiverSerializer(receiver, context={"is_new": True})
        return Response(answer.data, status.HTTP_201_CREATED)


class ReceiverDetail(Call):
    """One receiver."""

    scopes = {"GET": "activate", "PATCH": "activate", "DELETE": "activate"}

    @extend_schema(tags=["alerts"], summary="One receiver", responses=serializers.ReceiverSerializer)
    def get(self, request: Request, pk: int) -> Response:
        return Response(serializers.ReceiverSerializer(generics.get_object_or_404(Receiver, pk=pk)).data)

    @extend_schema(
        tags=["alerts"],
        summary="Change a receiver",
        request=serializers.ReceiverChangeSerializer,
        responses={
            200: serializers.ReceiverSerializer,
            409: OpenApiResponse(description="Another receiver has this name; nothing was changed."),
        },
    )
    def patch(self, request: Request, pk: int) -> Response:
        receiver = generics.get_object_or_404(Receiver, pk=pk)
        form = serializers.ReceiverChangeSerializer(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        receivers.save(_filled(receiver, form.validated_data))
        return Response(serializers.ReceiverSerializer(receiver).data)

    @extend_schema(tags=["alerts"], summary="Delete a receiver and its messages", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        generics.get_object_or_404(Receiver, pk=pk).delete()
        return Response(status=status.HTTP_204_NO_CONTENT)


class ReceiverTest(BareCall):
    """Write a test message to a receiver; a worker sends it within seconds, once."""

    scopes = {"POST": "activate"}

    @extend_schema(
        tags=["alerts"],
        summary="Send a test message",
        request=None,
        responses={201: serializers.DeliverySerializer},
    )
    def post(self, request: Request, pk: int) -> Response:
        delivery = outbox.queue_test(generics.get_object_or_404(Receiver, pk=pk))
        return Response(serializers.DeliverySerializer(delivery).data, status.HTTP_201_CREATED)


class ReceiverDeliveries(Call):
    """The last messages to a receiver, newest first, with what became of them."""

    scopes = {"GET": "activate"}

    @extend_schema(
        operation_id="receiver_deliveries",
        tags=["alerts"],
        summary="The last 100 messages to a receiver",
        responses=serializers.DeliverySerializer(many=True),
    )
    def get(self, request: Request, pk: int) -> Response:
        receiver = generics.get_object_or_404(Receiver, pk=pk)
        rows = receiver.deliveries.all()[:100]
        return Response(serializers.DeliverySerializer(rows, many=True).data)


class AlertSettings(Call):
    """The limits of the rules of a classifier, and its silences."""

    scopes = {"GET": "read", "PATCH": "activate"}

    @extend_schema(
        tags=["alerts"],
        summary="Limits and silences of a classifier",
        responses=serializers.AlertSettingsSerializer,
    )
    def get(self, request: Request, name: str) -> Response:
        return _settings(generics.get_object_or_404(Classifier, name=name))

    @extend_schema(
        tags=["alerts"],
        summary="Change the limit of a rule, or switch it off",
        request=serializers.LimitChangeSerializer,
        responses=serializers.AlertSettingsSerializer,
    )
    def patch(self, request: Request, name: str) -> Response:
        classifier = generics.get_object_or_404(Classifier, name=name)
        form = serializers.LimitChangeSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        data = form.validated_data
        rules.change(classifier, data["rule"], value=data.get("value"), is_on=data["enabled"])
        return _settings(classifier)


class SilenceList(Call):
    """Send no alerts of a classifier for a time; they are shown all the same."""

    scopes = {"POST": "activate"}

    @extend_schema(
        tags=["alerts"],
        summary="Silence the alerts of a classifier",
        request=serializers.SilenceCreateSerializer,
        responses={201: serializers.SilenceSerializer},
    )
    def post(self, request: Request, name: str) -> Response:
        classifier = generics.get_object_or_404(Classifier, name=name)
        form = serializers.SilenceCreateSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        data = form.validated_data
        if data.get("rule"):
            rules.known(data["rule"])
        try:
            until = read_moment(data["until"])
        except ValueError as error:
            raise InvalidInput(
                f"until: {error}", [{"field": "until", "code": "not_a_time", "message": str(error)}]
            ) from error
        silence = service.silence(
            classifier, until=until, reason=data["reason"], actor=actor_of(request), rule=data.get("rule", "")
        )
        return Response(serializers.SilenceSerializer(silence).data, status.HTTP_201_CREATED)


class SilenceDetail(Call):
    """One silence."""

    scopes = {"DELETE": "activate"}

    @extend_schema(tags=["alerts"], summary="End a silence", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        service.end_silence(generics.get_object_or_404(Silence, pk=pk))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _filled(receiver: Receiver, data: dict[str, Any]) -> Receiver:
    """A receiver with the values of a request."""
    for name in ("name", "kind", "target", "events"):
        setattr(receiver, name, data.get(name, getattr(receiver, name)))
    receiver.is_enabled = data.get("enabled", receiver.is_enabled)
    if "model" in data:
        model = data["model"]
        receiver.classifier = model and generics.get_object_or_404(Classifier, name=model)
    return receiver


def _settings(classifier: Classifier) -> Response:
    body = {"limits": rules.shown(classifier), "silences": service.lasting(classifier)}
    return Response(serializers.AlertSettingsSerializer(body).data)
