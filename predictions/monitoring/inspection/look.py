"""What is known of a version beside its drift: its scores over time, its segments and groups, and its rows as a whole."""

from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from django.db.models.functions import TruncDay
from django.utils import timezone
from numpy.typing import NDArray

from predictions.models import FeedbackCount
from predictions.monitoring.inspection.models import Inspection
from predictions.monitoring.inspection.service import JUDGED
from training.ml.watch.judged import Scores, scores
from training.models import Version

METRICS = ("accuracy", "precision", "recall")


@dataclass(frozen=True)
class Look:
    """Scores from the counts of feedback, and what the newest inspection found.

    Attributes:
        feedback: predictions with a true label since the beginning.
        scores: over all of them; `days` by day. The ROC-AUC is that of the inspection.
        findings: see `predictions.monitoring.inspection.service.inspect`; empty before the first inspection.
    """

    since: datetime
    until: datetime
    feedback: int
    scores: Scores
    days: dict[date, tuple[int, Scores]]
    inspected_at: datetime | None
    findings: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The parts of the answer of the API."""
        auc = {day["day"]: day["roc_auc"] for day in self.findings.get("days", ())}
        return {
            "judged": {
                "from": self.since,
                "until": self.until,
                "feedback": self.feedback,
                **_written(self.scores),
                "roc_auc": self.findings.get("roc_auc"),
                "days": [
                    {
                        "day": day.isoformat(),
                        "feedback": rows,
                        **_written(of_day),
                        "roc_auc": auc.get(day.isoformat()),
                    }
                    for day, (rows, of_day) in self.days.items()
                ],
            },
            "inspected_at": self.inspected_at,
            "segments": self.findings.get("segments", []),
            "protected": self.findings.get("protected", []),
            "whole_table": self.findings.get("whole_table"),
        }


def look(version: Version, now: datetime | None = None) -> Look:
    """Read the scores of the last 30 days and the newest inspection, in two queries."""
    until = now or timezone.now()
    since = until - JUDGED
    classes = len(version.contract.classes)
    positive = version.contract.positive
    place = None if positive is None else version.contract.classes.index(positive)
    by_day: dict[date, NDArray[np.int64]] = defaultdict(lambda: np.zeros((classes, classes), dtype=np.int64))
    counts = FeedbackCount.objects.filter(version=version, hour__lte=until).since(since)
    for truth, predicted, day, rows, _ in counts.scores(
        "truth", "predicted", day=TruncDay("hour", tzinfo=UTC)
    ):
        by_day[day.date()][truth, predicted] += rows
    total = sum(by_day.values(), np.zeros((classes, classes), dtype=np.int64))
    inspection = Inspection.objects.filter(version=version).first()
    return Look(
        since=since,
        until=until,
        feedback=int(total.sum()),
        scores=scores(total, place),
        days={day: (int(by_day[day].sum()), scores(by_day[day], place)) for day in sorted(by_day)},
        inspected_at=inspection.made_at if inspection else None,
        findings=inspection.findings if inspection else {},
    )


def _written(of: Scores) -> dict[str, Any]:
    shares = {name: getattr(of, name) for name in METRICS}
    return {name: share and asdict(share) for name, share in shares.items()}
