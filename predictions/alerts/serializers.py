"""Shapes of alerts, receivers and silences in the API."""

from typing import Any

from rest_framework import serializers

from clfsite.core.api.schema import example
from clfsite.core.api.serializers import (
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictFloatField,
    StrictSerializer,
)
from predictions.alerts import channels, receivers
from predictions.alerts.models import Alert, AlertEvent, Delivery, Receiver
from predictions.alerts.service import LONGEST_NOTE

_EVENT_EXAMPLE = {"state": "open", "actor": "", "note": "", "at": "2026-03-02T11:00:00Z"}
_ALERT_EXAMPLE = {
    "id": 7,
    "model": "churn",
    "version": 3,
    "rule": "drift",
    "column": "tenure",
    "message": "tenure has moved away from the training data.",
    "state": "open",
    "since": "2026-03-02T11:00:00Z",
    "closed_at": None,
}


class AlertEventSerializer(serializers.ModelSerializer[AlertEvent]):
    class Meta:
        model = AlertEvent
        fields = ["state", "actor", "note", "at"]


@example(_ALERT_EXAMPLE)
class AlertListSerializer(serializers.ModelSerializer[Alert]):
    model = serializers.CharField(source="classifier.name")
    version = serializers.IntegerField(source="version.number")
    column = serializers.SerializerMethodField(help_text="The input or label that it is about.")
    since = serializers.DateTimeField(source="opened_at")

    class Meta:
        model = Alert
        fields = ["id", "model", "version", "rule", "column", "message", "state", "since", "closed_at"]

    def get_column(self, alert: Alert) -> str | None:
        return alert.subject or None


@example({**_ALERT_EXAMPLE, "events": [_EVENT_EXAMPLE]})
class AlertSerializer(AlertListSerializer):
    events = AlertEventSerializer(many=True, help_text="Its history, oldest first.")

    class Meta(AlertListSerializer.Meta):
        fields = [*AlertListSerializer.Meta.fields, "events"]


@example({"note": "the new form sends cents"})
class AlertChangeSerializer(StrictSerializer):
    note = StrictCharField(max_length=LONGEST_NOTE, required=False, allow_blank=True)


_RECEIVER_EXAMPLE = {
    "name": "on call",
    "kind": "webhook",
    "target": "https://hooks.example.org/clfsite",
    "events": ["alert", "run"],
    "model": None,
    "enabled": True,
}


@example({"id": 2, **_RECEIVER_EXAMPLE, "secret": None, "unsent": 0, "created_at": "2026-03-02T11:00:00Z"})
class ReceiverSerializer(serializers.ModelSerializer[Receiver]):
    model = serializers.CharField(source="classifier.name", allow_null=True, default=None)
    enabled = serializers.BooleanField(source="is_enabled")
    events = serializers.ListField(child=serializers.ChoiceField(choices=Receiver.Event.choices))
    target = serializers.SerializerMethodField(help_text="Mail addresses, or the URL without its last part.")
    secret = serializers.SerializerMethodField(
        help_text="Verifies the signature of a webhook; only in the answer that creates the receiver."
    )
    unsent = serializers.SerializerMethodField(help_text="Messages that could not be sent yet.")

    class Meta:
        model = Receiver
        fields = [
            "id",
            "name",
            "kind",
            "target",
            "events",
            "model",
            "enabled",
            "secret",
            "unsent",
            "created_at",
        ]

    def get_target(self, receiver: Receiver) -> str:
        return receivers.masked(receiver)

    def get_secret(self, receiver: Receiver) -> str | None:
        is_shown = self.context.get("is_new") and receiver.kind == Receiver.Kind.WEBHOOK
        return channels.secret_of(receiver) if is_shown else None

    def get_unsent(self, receiver: Receiver) -> int:
        count: int = receiver.deliveries.unsent().count()
        return count


@example(_RECEIVER_EXAMPLE)
class ReceiverWriteSerializer(StrictSerializer):
    name = StrictCharField(max_length=100)
    kind = StrictChoiceField(choices=Receiver.Kind.choices)
    target = StrictCharField(max_length=1_000, help_text="Mail addresses, separated by commas, or a URL.")
    events = serializers.ListField(
        child=StrictChoiceField(choices=Receiver.Event.choices), min_length=1, max_length=5
    )
    model = StrictCharField(
        required=False, allow_null=True, help_text="Name of a classifier; if omitted, all classifiers."
    )
    enabled = StrictBooleanField(required=False, default=True)

    def validate_events(self, events: list[str]) -> list[str]:
        return list(dict.fromkeys(events))


@example({"enabled": False})
class ReceiverChangeSerializer(ReceiverWriteSerializer):
    name = StrictCharField(max_length=100, required=False)
    kind = StrictChoiceField(choices=Receiver.Kind.choices, required=False)
    target = StrictCharField(max_length=1_000, required=False)
    events = serializers.ListField(
        child=StrictChoiceField(choices=Receiver.Event.choices), min_length=1, max_length=5, required=False
    )
    enabled = StrictBooleanField(required=False)


@example(
    {
        "id": "5b2f6f0e-7d1c-4b60-9f3e-0d9b8b1a2c3d",
        "type": "test",
        "title": "Test message",
        "state": "waiting",
        "attempts": 0,
        "error": "",
        "created_at": "2026-03-02T11:00:00Z",
        "sent_at": None,
    }
)
class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    type = serializers.CharField(source="payload.type")
    title = serializers.CharField(source="payload.title")

    class Meta:
        model = Delivery
        fields = ["id", "type", "title", "state", "attempts", "error", "created_at", "sent_at"]


class LimitSerializer(serializers.Serializer[Any]):
    rule = serializers.CharField()
    title = serializers.CharField()
    value = serializers.FloatField(allow_null=True, help_text="None if it has no limit or is switched off.")
    default = serializers.FloatField(allow_null=True)
    enabled = serializers.BooleanField()


@example(
    {"id": 1, "rule": "", "until": "2026-03-03T08:00:00Z", "reason": "a migration", "created_by": "key ops"}
)
class SilenceSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    rule = serializers.CharField(allow_blank=True)
    until = serializers.DateTimeField()
    reason = serializers.CharField()
    created_by = serializers.CharField()


@example(
    {
        "limits": [
            {"rule": "accuracy", "title": "Accuracy", "value": 0.03, "default": 0.03, "enabled": True}
        ],
        "silences": [
            {"id": 1, "rule": "", "until": "2026-03-03T08:00:00Z", "reason": "migration", "created_by": "ann"}
        ],
    }
)
class AlertSettingsSerializer(serializers.Serializer[Any]):
    limits = LimitSerializer(many=True)
    silences = SilenceSerializer(many=True)


@example({"rule": "accuracy", "value": 0.05})
class LimitChangeSerializer(StrictSerializer):
    rule = StrictCharField(max_length=40)
    value = StrictFloatField(
        required=False, min_value=0, max_value=1, help_text="A share from 0 to 1. If omitted, the default."
    )
    enabled = StrictBooleanField(required=False, default=True)


@example({"until": "2026-12-24T08:00:00Z", "reason": "a migration"})
class SilenceCreateSerializer(StrictSerializer):
    until = StrictCharField(
        max_length=40, help_text="A date or time in ISO 8601; UTC if it has no time zone."
    )
    reason = StrictCharField(max_length=LONGEST_NOTE)
    rule = StrictCharField(max_length=40, required=False, allow_blank=True, help_text="Empty for all rules.")
