"""An alert opens once and closes once, is told once, and is silent while somebody wants it to be."""

from datetime import timedelta

import pytest
from django.utils import timezone

from clfsite.core.errors import Conflict, InvalidInput
from predictions.alerts import rules, service
from predictions.alerts.models import Alert, Delivery, Receiver
from predictions.alerts.service import Finding, acknowledge, close, sync
from predictions.models import FeedbackCount, hour_of
from tests.support.factories import ActivationFactory, VersionFactory
from tests.support.threads import at_once
from training.models import Version

pytestmark = [pytest.mark.django_db, pytest.mark.dialect]
TENURE = Finding("drift", "tenure has moved.", "tenure")
RULES = {"drift", "accuracy"}


def receiver(**fields: object) -> Receiver:
    values = {"name": "on call", "kind": "webhook", "target": "https://example.org/", "events": ["alert"]}
    return Receiver.objects.create(**{**values, **fields})


def told() -> list[str]:
    return [row.payload["type"] for row in Delivery.objects.order_by("created_at")]


def states(alert: Alert) -> list[tuple[str, str]]:
    return list(alert.events.values_list("state", "actor"))


def test_a_condition_opens_one_alert_and_closes_it_when_it_is_over() -> None:
    receiver()
    version = VersionFactory.create()
    for _ in range(3):
        sync(version, [TENURE], RULES)
    alert = Alert.objects.get()
    assert (alert.state, alert.subject, told()) == ("open", "tenure", ["alert.opened"])
    for _ in range(2):
        sync(version, [], RULES)
    alert.refresh_from_db()
    assert (alert.state, told()) == ("closed", ["alert.opened", "alert.closed"])
    assert states(alert) == [("open", ""), ("closed", "")]
    sync(version, [TENURE], RULES)
    assert Alert.objects.count() == 2


def test_a_rule_that_was_not_looked_at_closes_nothing() -> None:
    version = VersionFactory.create()
    sync(version, [TENURE], RULES)
    sync(version, [], {"accuracy"})
    assert Alert.objects.get().state == "open"


def test_a_person_acknowledges_and_closes_it_and_it_stays_closed_while_the_condition_holds() -> None:
    receiver()
    version = VersionFactory.create()
    sync(version, [TENURE], RULES)
    alert = Alert.objects.get()
    acknowledge(alert, actor="ann", note="looking")
    with pytest.raises(Conflict, match="is acknowledged"):
        acknowledge(alert, actor="bob")
    sync(version, [TENURE], RULES)
    close(alert, actor="ann")
    with pytest.raises(Conflict, match="already closed"):
        close(alert, actor="bob")
    sync(version, [TENURE], RULES)
    assert Alert.objects.count() == 1
    assert told() == ["alert.opened", "alert.acknowledged", "alert.closed"]
    assert states(alert) == [("open", ""), ("acknowledged", "ann"), ("closed", "ann")]
    # over, and then there again
    sync(version, [], RULES)
    sync(version, [TENURE], RULES)
    assert Alert.objects.count() == 2
    assert states(alert) == [("open", ""), ("acknowledged", "ann"), ("closed", "ann")]


def test_another_version_starts_with_alerts_of_its_own() -> None:
    old = VersionFactory.create()
    sync(old, [TENURE], RULES)
    new = VersionFactory.create(classifier=old.classifier, number=old.number + 1)
    sync(new, [TENURE], RULES)
    assert list(Alert.objects.order_by("id").values_list("version", "state")) == [
        (old.pk, "closed"),
        (new.pk, "open"),
    ]


def test_a_silenced_alert_is_shown_and_sent_when_the_silence_ends() -> None:
    receiver()
    version = VersionFactory.create()
    later = timezone.now() + timedelta(hours=1)
    silence = service.silence(version.classifier, until=later, reason="a migration", actor="ann")
    sync(version, [TENURE], RULES)
    assert (Alert.objects.open().count(), told()) == (1, [])
    service.end_silence(silence)
    sync(version, [TENURE], RULES)
    assert told() == ["alert.opened"]
    service.silence(version.classifier, until=later, reason="another", actor="ann", rule="accuracy")
    sync(version, [TENURE, Finding("accuracy", "It has dropped.")], RULES)
    assert told() == ["alert.opened"]
    with pytest.raises(InvalidInput, match="in the future"):
        service.silence(version.classifier, until=timezone.now(), reason="late", actor="ann")


def test_who_was_not_told_that_it_opened_is_not_told_of_its_end() -> None:
    receiver()
    version = VersionFactory.create()
    later = timezone.now() + timedelta(hours=1)
    service.silence(version.classifier, until=later, reason="a migration", actor="ann")
    sync(version, [TENURE], RULES)
    sync(version, [], RULES)
    assert told() == []


@pytest.mark.parametrize("own", [True, False])
def test_a_receiver_of_one_classifier_hears_of_no_other(own: bool) -> None:
    version, other = VersionFactory.create_batch(2)
    receiver(classifier=(version if own else other).classifier)
    sync(version, [TENURE], RULES)
    assert told() == (["alert.opened"] if own else [])


@pytest.mark.django_db(transaction=True)
def test_workers_that_look_at_the_same_moment_open_one_alert() -> None:
    receiver()
    version = VersionFactory.create()
    at_once([lambda: sync(version, [TENURE], RULES)] * 4)
    assert (Alert.objects.count(), told()) == (1, ["alert.opened"])


def judged(version: Version, *, correct: int, wrong: int) -> None:
    hour = hour_of(timezone.now())
    for truth, count in ((0, correct), (1, wrong)):
        FeedbackCount.objects.create(version=version, hour=hour, predicted=0, truth=truth, predictions=count)


def test_a_drop_of_accuracy_opens_an_alert_by_the_limit_of_the_classifier() -> None:
    version = ActivationFactory.create().version
    judged(version, correct=10, wrong=190)
    rules.change(version.classifier, "accuracy", value=None, is_on=False)
    rules.evaluate_all()
    assert not Alert.objects.exists()
    rules.change(version.classifier, "accuracy", value=1.0, is_on=True)
    rules.evaluate_all()
    assert not Alert.objects.exists()
    rules.change(version.classifier, "accuracy", value=None, is_on=True)
    rules.evaluate_all()
    assert "of 200 predictions with feedback" in Alert.objects.get(rule="accuracy").message
    with pytest.raises(InvalidInput, match="unknown rule"):
        rules.change(version.classifier, "acuracy", value=None, is_on=True)
