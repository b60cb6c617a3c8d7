"""The filters of the analytics page."""

from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.db.models import Q
from django.utils import timezone

from predictions.monitoring import analytics
from predictions.monitoring.analytics import PERIODS, Period, usual_period
from training.models import Classifier, Version


class AnalyticsForm(forms.Form):
    """The classifier, one of its versions or all, and the period; invalid values become the default."""

    classifier = forms.ChoiceField(required=False)
    version = forms.ChoiceField(required=False)
    period = forms.ChoiceField(
        required=False, label="Time", choices=[(name, span.title) for name, span in PERIODS.items()]
    )

    since = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    refresh = forms.BooleanField(required=False, label="Refresh every minute")

    def __init__(self, data: Any) -> None:
        shown = Q(archived_at=None) | Q(name=data.get("classifier", ""))
        classifiers = list(Classifier.objects.filter(shown).order_by("-is_default", "name"))
        asked = [classifier for classifier in classifiers if classifier.name == data.get("classifier")]
        self.chosen = next(iter([*asked, *classifiers]), None)
        rows = Version.objects.with_active().filter(classifier=self.chosen).select_related("classifier")
        unread = Version.bulky("contract_data", "held_out")
        self.all_versions = list(rows.defer(*unread).order_by("-number"))
        self.span = (
            data["period"]
            if data.get("period") in PERIODS
            else usual_period(self.all_versions, timezone.now())
        )
        named = [version for version in self.all_versions if str(version.number) == data.get("version")]
        self.versions = named or self.all_versions
        super().__init__(
            {
                "classifier": self.chosen.name if self.chosen else "",
                "version": str(named[0].number) if named else "",
                "period": self.span,
                **{name: data.get(name, "") for name in ("since", "until", "refresh")},
            }
        )
        self._choose("classifier", [(classifier.name, classifier.name) for classifier in classifiers])
        numbers = [(str(version.number), f"Version {version.number}") for version in self.all_versions]
        self._choose("version", [("", "All versions"), *numbers])

    def shown(self, now: datetime) -> tuple[Period, datetime]:
        """The period and its end: between the dates of the form, or the chosen one until now."""
        self.is_valid()
        since, until = (self.cleaned_data.get(name) for name in ("since", "until"))
        if since is None and until is None:
            return PERIODS[self.span], now
        end = min(datetime.combine(until, time.max, UTC), now) if until else now
        return analytics.between(since or end.date() - PERIODS[self.span].span, end), end

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        self.fields[name].choices = choices  # type: ignore[attr-defined]


class MonitoringForm(forms.Form):
    """The classifier and the window; invalid values become the default."""

    WINDOWS = ((1, "Last day"), (7, "Last 7 days"), (30, "Last 30 days"))

    classifier = forms.ChoiceField(required=False)
    days = forms.ChoiceField(required=False, label="Time", choices=WINDOWS)

    def __init__(self, data: Any) -> None:
        shown = Q(archived_at=None) | Q(name=data.get("classifier", ""))
        classifiers = list(Classifier.objects.filter(shown).order_by("-is_default", "name"))
        asked = [classifier for classifier in classifiers if classifier.name == data.get("classifier")]
        self.chosen = next(iter([*asked, *classifiers]), None)
        self.window = next((days for days, _ in self.WINDOWS if str(days) == data.get("days")), 7)
        super().__init__({"classifier": self.chosen.name if self.chosen else "", "days": str(self.window)})
        names = [(classifier.name, classifier.name) for classifier in classifiers]
        self.fields["classifier"].choices = names  # type: ignore[attr-defined]
