"""The first page: what answers, and what happened lately."""

from datetime import timedelta

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from clfsite import health
from clfsite.staff import StaffRequest, staff
from predictions.models import Prediction, first_id
from predictions.search import listed
from training.models import Activation, Classifier, Dataset, Run

LATEST = 10
# beyond this a day's exact number is for the metrics, not for a page that opens at once
COUNTED = 100_000


@staff()
@require_safe
def home(request: StaffRequest) -> HttpResponse:
    """What is live, what was asked in the last day, and whether all is well."""
    checks = health.check()
    day = Prediction.objects.filter(id__gte=first_id(timezone.now() - timedelta(days=1)))
    context = {
        "active": Activation.objects.in_force()
        .select_related("classifier", "version")
        .defer("version__contract_data", "version__golden", "version__artifacts", "version__libraries")
        .order_by("-classifier__is_default", "classifier__name"),
        "inactive": Classifier.objects.filter(activations=None),
        "any_dataset": Dataset.objects.exists(),
        "last_run": Run.objects.select_related("classifier").defer("candidates").first(),
        "day_count": day[: COUNTED + 1].count(),
        "counted": COUNTED,
        "latest": listed(Prediction.objects.order_by("-id"))[:LATEST],
        "faults": {name: found for name, found in checks.items() if found != "ok"},
        "checks": checks,
    }
    return render(request, "predictions/home.html", context)
