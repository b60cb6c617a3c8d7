"""The rules of alerts: what each looks at, and its limit."""

import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError
from django.utils import timezone

from clfsite.core.errors import InvalidInput
from clfsite.core.web.numbers import percent
from predictions.alerts import service
from predictions.alerts.models import Threshold
from predictions.alerts.service import Finding, sync
from predictions.monitoring import quality
from predictions.monitoring.evaluation.evaluate import MANY_REFUSED, evaluate
from predictions.monitoring.evaluation.facts import Evaluation, Moved
from predictions.monitoring.evaluation.service import keep
from predictions.monitoring.inspection.models import Inspection
from training.ml.watch.shift import FLOOR
from training.ml.watch.whole_table import LEAST_AUC
from training.models import Activation, Classifier, Version

logger = logging.getLogger(__name__)
DAY = timedelta(days=1)
# days of the windows that are looked at
WINDOWS = (1, 7)
# refused records of a day from which their share says anything, and most reasons in a message
LEAST_REFUSED, SHOWN_REASONS = 20, 3


@dataclass(frozen=True)
class Rule:
    """A rule: its title, what it looks at, and the limit from which it fires; None if it has none."""

    title: str
    meaning: str
    default: float | None = None


RULES: dict[str, Rule] = {
    "drift": Rule(
        "Drift of an input",
        "An input differs from training, and from the same hours of the weeks before, in two windows in a row. The limit is on "
        "the shift: the population stability index without the part that chance explains.",
        FLOOR,
    ),
    "label_mix": Rule(
        "Drift of the labels", "The mix of predicted labels differs, judged as an input is.", FLOOR
    ),
    "probabilities": Rule(
        "Drift of the probabilities", "The confidence of the labels differs, judged as an input is.", FLOOR
    ),
    "whole_table": Rule(
        "Drift of the whole rows",
        "A classifier tells predictions of 7 days from rows of training, for a day or longer. The limit is on its ROC-AUC.",
        LEAST_AUC,
    ),
    "accuracy": Rule(
        "Accuracy",
        "Accuracy on feedback of the last 30 days is significantly lower than on held-out rows, by at least this share.",
        quality.DROP,
    ),
    "estimated_accuracy": Rule(
        "Estimated accuracy",
        "The accuracy that is expected of the last 7 days is lower than on the rows it is estimated from by at least this share, "
        "with its whole interval. Only where the estimate holds.",
        quality.DROP,
    ),
    "refused": Rule(
        "Refused records", "The contract refused more than this share of the records of a day.", MANY_REFUSED
    ),
    "unseen": Rule(
        "Unseen values",
        "More than this share of the values of an input on a day were not in training, beyond the share of new values that is "
        "usual.",
        0.05,
    ),
    "out_of_range": Rule(
        "Values out of range",
        "More than this share of the values of an input on a day are out of its range.",
        0.05,
    ),
    "constant": Rule(
        "Constant input", "An input had one value, or one tenth of those of training, on a whole day."
    ),
    "silence": Rule("Silence", "No predictions, at a time of the week that always had some."),
    "never_given": Rule("Label never given", "A label of training was not predicted for 7 days."),
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
            look_at(Version.objects.select_related("classifier", "run__dataset").get(pk=pk))
        except DatabaseError:
            raise
        except Exception:
            logger.exception("the alerts of version %s could not be evaluated", pk)


def look_at(version: Version) -> None:
    """Look at one active version, and open and close its alerts."""
    limits = limits_of(version.classifier)
    sync(version, _findings(version, limits), RULES)


def _findings(version: Version, limits: Mapping[str, float | None]) -> list[Finding]:
    now = timezone.now()
    windows = {days: evaluate(version, days=days, until=now) for days in WINDOWS}
    for days, window in windows.items():
        keep(version, days, window)
    day, week = windows.values()
    findings = [
        *_shifts(version, windows, now),
        *_whole_table(version),
        *_of_day(day),
        *_of_week(week),
        *_accuracy(version, week, now),
    ]
    # of several windows, the shortest one
    first = {(item.rule, item.subject): item for item in reversed(findings) if _counts(item, limits)}
    return list(first.values())


def _counts(finding: Finding, limits: Mapping[str, float | None]) -> bool:
    """Whether the rule of a finding is on, and its value beyond the limit."""
    if finding.rule not in limits:
        return False
    limit = limits[finding.rule]
    return limit is None or finding.value is None or finding.value > limit


def _shifts(version: Version, windows: Mapping[int, Evaluation], now: datetime) -> Iterator[Finding]:
    """What moved in a window and in the one that ended a day earlier."""
    for days, window in windows.items():
        moved = _moved(window)
        if not any(item.is_lasting for item in moved.values()):
            continue
        earlier = _moved(evaluate(version, days=days, until=now - DAY))
        for (rule, name), item in confirmed(moved, earlier).items():
            since = f" since {item.since:%Y-%m-%d %H:%M} UTC" if item.since else ""
            yield Finding(
                rule,
                f"{_SHIFTED[rule].format(name)} moved away from the training data{since} "
                f"(shift {item.shift or 0.0:.3f}, over {_span(days)}).",
                name,
                item.shift,
            )


Key = tuple[str, str]


def confirmed(moved: Mapping[Key, Moved], earlier: Collection[Key]) -> dict[Key, Moved]:
    """What moved for good in a window, by rule and input, and had moved in the one that ended a day earlier, too."""
    return {key: item for key, item in moved.items() if item.is_lasting and key in earlier}


_SHIFTED = {
    "drift": "The input {} has",
    "label_mix": "The mix of predicted labels has",
    "probabilities": "The probabilities of the labels have",
}


def _whole_table(version: Version) -> Iterator[Finding]:
    inspection = Inspection.objects.filter(version=version).first()
    if inspection and inspection.has_differed_for(DAY):
        found = inspection.findings["whole_table"]
        auc, columns = found["roc_auc"]["value"], found["columns"]
        most = f", most of all by {', '.join(columns)}" if columns else ""
        message = f"A classifier tells the predictions of 7 days from the rows of training (ROC-AUC {auc:.3f}){most}."
        yield Finding("whole_table", message, value=auc)


def _moved(window: Evaluation) -> dict[Key, Moved]:
    moved: dict[Key, Moved] = {("drift", item.name): item for item in window.moved}
    others = {"label_mix": window.label_mix, "probabilities": window.probabilities}
    return {**moved, **{(rule, ""): item for rule, item in others.items() if item.moved}}


def _of_day(day: Evaluation) -> Iterator[Finding]:
    data = day.quality
    refused = sum(data.reasons.values())
    if refused >= LEAST_REFUSED:
        reasons = ", ".join(
            f"{code} ({count:,})"
            for code, count in sorted(data.reasons.items(), key=lambda pair: -pair[1])[:SHOWN_REASONS]
        )
        message = f"{percent(data.refused)} of the records of the last day were refused: {reasons}."
        yield Finding("refused", message, value=data.refused)
    if data.silent_since:
        since = f"{data.silent_since:%Y-%m-%d %H:%M}"
        yield Finding("silence", f"No predictions since {since} UTC, when there always were some.")
    if not day.is_enough:
        return
    for rule, shares, what in (
        ("unseen", data.unseen, "were not in training"),
        ("out_of_range", data.out_of_range, "are out of the range of training"),
    ):
        for name, share in shares.items():
            message = f"{percent(share)} of the values of {name} of the last day {what}."
            yield Finding(rule, message, name, data.beyond[rule][name])
    for name in data.constant:
        yield Finding(
            "constant", f"The input {name} had one value, or a narrow range, in the last day.", name
        )


def _of_week(week: Evaluation) -> Iterator[Finding]:
    if week.is_enough:
        for label in week.quality.never_given:
            yield Finding("never_given", f"The label {label} was not predicted in the last 7 days.", label)


def _accuracy(version: Version, week: Evaluation, now: datetime) -> Iterator[Finding]:
    held_out = week.accuracy.held_out
    score = quality.lately(quality.trained([version]), now)[version.pk]
    if score.accuracy is not None and score.has_dropped_by(0.0):
        yield Finding("accuracy", f"{score.beside}.", value=held_out - score.accuracy)
    estimated = week.accuracy.estimated
    if week.is_enough and estimated and estimated.holds:
        message = (
            f"The accuracy expected of the last 7 days is {percent(estimated.value)} ({percent(estimated.low)} to "
            f"{percent(estimated.high)}), against {percent(estimated.usual)} on rows of training that were predicted unseen."
        )
        yield Finding("estimated_accuracy", message, value=estimated.usual - estimated.high)


def _span(days: int) -> str:
    return "a day" if days == 1 else f"{days} days"
