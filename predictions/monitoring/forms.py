"""The filters of the analytics page."""

from typing import Any

from django import forms
from django.db.models import Q
from django.utils import timezone

from predictions.monitoring.analytics import PERIODS, usual_period
from training.models import Classifier, Version


class AnalyticsForm(forms.Form):
    """The classifier, one of its versions or all, and the period; invalid values become the default."""

    classifier = forms.ChoiceField(required=False)
    version = forms.ChoiceField(required=False)
    period = forms.ChoiceField(
        required=False, label="Time", choices=[(name, span.title) for name, span in PERIODS.items()]
    )

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
            }
        )
        self._choose("classifier", [(classifier.name, classifier.name) for classifier in classifiers])
        numbers = [(str(version.number), f"Version {version.number}") for version in self.all_versions]
        self._choose("version", [("", "All versions"), *numbers])

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        self.fields[name].choices = choices  # type: ignore[attr-defined]
