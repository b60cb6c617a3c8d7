"""The home page."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from clfsite.core.web.staff import StaffRequest, staff
from predictions.home import overview
from predictions.serving import health
from training.models import Dataset

LIGHTS = {
    "database": "Database",
    "log": "Prediction log",
    "model": "Model",
    "worker": "Worker",
    "disk": "Disk",
}


@staff()
@require_safe
def home(request: StaffRequest) -> HttpResponse:
    """The home page: classifiers from counts, and the health of their services."""
    now = timezone.now()
    checks = {**health.check(), "worker": health.worker(), "disk": health.disk()}
    glances = overview.glances(now)
    context = {
        "is_well": all(checks[name] == "ok" for name in LIGHTS),
        "lights": [(title, checks[name]) for name, title in LIGHTS.items()],
        "glances": glances,
        "active": any(glance.activation for glance in glances),
        "advice": overview.advice(glances, request.user),
        "events": overview.events(now),
        "any_dataset": bool(glances) or Dataset.objects.exists(),
    }
    return render(request, "predictions/home/home.html", context)
