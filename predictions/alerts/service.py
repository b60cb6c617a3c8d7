"""Opening, acknowledging and closing alerts; thresholds and silences."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from clfsite.core.errors import Conflict, InvalidInput
from predictions.alerts import outbox
from predictions.alerts.models import Alert, AlertEvent, Silence, Threshold
from training.models import Classifier, Version

LONGEST_NOTE = 500  # characters


@dataclass(frozen=True)
class Finding:
    """A condition that holds.

    Attributes:
        message: a sentence for people.
        subject: the input or label that it is about.
        value: what the limit of the rule is compared with; None if the rule has none.
    """

    rule: str
    message: str
    subject: str = ""
    value: float | None = None


def sync(version: Version, findings: Iterable[Finding], rules: Collection[str]) -> None:
    """Open alerts for new findings of the active version, and close those whose condition is over.

    Args:
        version: loaded with its classifier.
        rules: those that were looked at; alerts of others stay as they are.
    """
    found = {(item.rule, item.subject): item for item in findings}
    with transaction.atomic():
        # one process at a time evaluates a classifier
        Classifier.objects.select_for_update(no_key=True).get(pk=version.classifier_id)
        known = Alert.objects.filter(classifier=version.classifier_id, ended_at=None)
        running = {(row.rule, row.subject): row for row in known.select_related("classifier", "version")}
        for key, alert in running.items():
            if alert.version_id != version.pk:
                _end(alert, f"version {version.number} became active")
            elif alert.rule in rules and key not in found:
                _end(alert, "it is over")
        for key, finding in found.items():
            earlier = running.get(key)
            if earlier is None or earlier.version_id != version.pk:
                _open(version, finding)
        announce_all(version.classifier)


def _open(version: Version, finding: Finding) -> None:
    alert = Alert.objects.create(
        classifier=version.classifier,
        version=version,
        rule=finding.rule,
        subject=finding.subject,
        message=finding.message,
    )
    AlertEvent.objects.create(alert=alert, state=Alert.State.OPEN)


def announce_all(classifier: Classifier) -> None:
    """Write the messages about open alerts that are no longer silenced."""
    waiting = Alert.objects.filter(classifier=classifier, announced_at=None, state=Alert.State.OPEN)
    silent = set(silences(timezone.now()).filter(classifier=classifier).values_list("rule", flat=True))
    for alert in waiting.select_related("classifier", "version"):
        if not silent & {"", alert.rule}:
            Alert.objects.filter(pk=alert.pk).update(announced_at=timezone.now())
            outbox.announce(alert)


def _end(alert: Alert, note: str) -> None:
    """End an alert whose condition is over."""
    now = timezone.now()
    rows = Alert.objects.filter(pk=alert.pk, ended_at=None)
    if alert.state == Alert.State.CLOSED:
        rows.update(ended_at=now)
    elif rows.exclude(state=Alert.State.CLOSED).update(state=Alert.State.CLOSED, closed_at=now, ended_at=now):
        _note(alert, Alert.State.CLOSED, "", note)


def acknowledge(alert: Alert, *, actor: str, note: str = "") -> None:
    """Say that somebody deals with an open alert.

    Raises:
        Conflict: it is not open.
    """
    with transaction.atomic():
        rows = Alert.objects.filter(pk=alert.pk, state=Alert.State.OPEN)
        if not rows.update(state=Alert.State.ACKNOWLEDGED):
            alert.refresh_from_db(fields=["state"])
            raise Conflict(f"{alert} is {alert.state}; only an open alert can be acknowledged")
        _note(alert, Alert.State.ACKNOWLEDGED, actor, note)


def close(alert: Alert, *, actor: str, note: str = "") -> None:
    """Close an alert. While its condition holds, it does not open again.

    Raises:
        Conflict: it is closed.
    """
    with transaction.atomic():
        rows = Alert.objects.filter(pk=alert.pk).exclude(state=Alert.State.CLOSED)
        if not rows.update(state=Alert.State.CLOSED, closed_at=timezone.now()):
            raise Conflict(f"{alert} is already closed")
        _note(alert, Alert.State.CLOSED, actor, note)


def _note(alert: Alert, state: Alert.State, actor: str, note: str) -> None:
    alert.refresh_from_db(fields=["state", "closed_at", "ended_at", "announced_at"])
    AlertEvent.objects.create(alert=alert, state=state, actor=actor, note=note)
    # who was not told that it opened is not told of its end
    if alert.announced_at:
        outbox.announce(alert)


def silences(now: datetime) -> QuerySet[Silence]:
    """The silences that last."""
    return Silence.objects.filter(until__gt=now)


def lasting(classifier: Classifier) -> QuerySet[Silence]:
    """The silences of a classifier that last."""
    return silences(timezone.now()).filter(classifier=classifier)


def silence(classifier: Classifier, *, until: datetime, reason: str, actor: str, rule: str = "") -> Silence:
    """Send no alerts of a classifier until a time.

    Raises:
        InvalidInput: the time has passed.
    """
    if until <= timezone.now():
        message = "the end of a silence has to be in the future"
        raise InvalidInput(message, [{"field": "until", "code": "past", "message": message}])
    return Silence.objects.create(
        classifier=classifier, rule=rule, until=until, reason=reason, created_by=actor
    )


def end_silence(silence: Silence) -> None:
    """Send alerts again from now on."""
    Silence.objects.filter(Q(until__gt=timezone.now()), pk=silence.pk).update(until=timezone.now())


def set_threshold(classifier: Classifier, rule: str, value: float | None) -> None:
    """Set the limit of a rule for a classifier; None switches it off."""
    Threshold.objects.update_or_create(classifier=classifier, rule=rule, defaults={"value": value})


def reset_threshold(classifier: Classifier, rule: str) -> None:
    """Use the default limit of a rule again."""
    Threshold.objects.filter(classifier=classifier, rule=rule).delete()
