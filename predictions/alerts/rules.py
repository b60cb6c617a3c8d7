"""The rules of alerts: what each looks at, and its limit."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError
from django.utils import timezone

from clfsite.core.errors import InvalidInput
from predictions.alerts import service
from predictions.alerts.models import Threshold
from predictions.alerts.service import Finding, sync
from predictions.monitoring import quality
from training.models import Activation, Classifier, Version

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rule:
    """A rule: its title, what it looks at, and the limit from which it fires; None if it has none."""

    title: str
    meaning: str
    default: float | None = None


RULES: dict[str, Rule] = {
    "accuracy": Rule(
        "Accuracy",
        "Accuracy on feedback of the last 30 days is significantly lower than on held-out rows, by at least this share.",
        quality.DROP,
    ),
}


def limits_of(classifier: Classifier) -> dict[str, float | None]:
    """The limit of each rule that is switched on; rules without a limit have None."""
    own = dict(Threshold.objects.filter(classifier=classifier).values_list("rule", "value"))
    limits = {}
    for name, rule in RULES.items():
        if name not in own:
            limits[name] = rule.default
        elif own[name] is not None:
            limits[name] = own[name] if rule.default is not None else None
    return limits


def known(name: str) -> Rule:
    """Return a rule by its name.

    Raises:
        InvalidInput: there is none.
    """
    if name not in RULES:
        message = f'unknown rule "{name[:60]}"; expected {", ".join(RULES)}'
        raise InvalidInput(message, [{"field": "rule", "code": "invalid_choice", "message": message}])
    return RULES[name]


def change(classifier: Classifier, name: str, *, value: float | None, is_on: bool) -> None:
    """Set the limit of a rule, use its default (None), or switch it off.

    Raises:
        InvalidInput: there is no such rule, or it has no limit.
    """
    rule = known(name)
    if not is_on:
        service.set_threshold(classifier, name, None)
    elif value is None:
        service.reset_threshold(classifier, name)
    elif rule.default is None:
        message = f"the rule {name} has no limit; it can only be switched on and off"
        raise InvalidInput(message, [{"field": "value", "code": "no_limit", "message": message}])
    else:
        service.set_threshold(classifier, name, value)


def shown(classifier: Classifier) -> list[dict[str, Any]]:
    """The rules with their limits, for the API and the page."""
    limits = limits_of(classifier)
    return [
        {
            "rule": name,
            "title": rule.title,
            "meaning": rule.meaning,
            "value": limits.get(name),
            "default": rule.default,
            "enabled": name in limits,
            "percent": _percent(limits.get(name)),
            "default_percent": _percent(rule.default),
        }
        for name, rule in RULES.items()
    ]


def _percent(share: float | None) -> str:
    """A share as the value of a field."""
    return "" if share is None else f"{100 * share:.6g}"


def evaluate_all() -> None:
    """Look at all active versions; called by the worker every hour. A classifier that fails does not stop the others."""
    active = Activation.objects.in_force().filter(classifier__archived_at=None)
    for pk in active.values_list("version", flat=True):
        try:
            evaluate(Version.objects.select_related("classifier").get(pk=pk))
        except DatabaseError:
            raise
        except Exception:
            logger.exception("the alerts of version %s could not be evaluated", pk)


def evaluate(version: Version) -> None:
    """Look at one active version, and open and close its alerts."""
    limits = limits_of(version.classifier)
    sync(version, _findings(version, limits), RULES)


def _findings(version: Version, limits: Mapping[str, float | None]) -> list[Finding]:
    findings = []
    if "accuracy" in limits:
        score = quality.lately([version.pk], timezone.now())[version.pk]
        held_out = version.metrics["accuracy"]
        if score.has_dropped(held_out, least=limits["accuracy"] or 0.0):
            findings.append(Finding("accuracy", f"{score.beside(held_out)}."))
    return findings
