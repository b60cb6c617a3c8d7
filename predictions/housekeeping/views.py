"""The page about space."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from clfsite.core.jobs.models import Chore
from clfsite.core.storage.space import free_bytes
from clfsite.core.web.staff import StaffRequest, staff
from predictions.housekeeping import service, space


@staff()
@require_safe
def storage(request: StaffRequest) -> HttpResponse:
    """How much space each kind of data takes, and will take, as the daily housekeeping measured it."""
    chore = Chore.objects.filter(name=service.NAME).first()
    result = chore.result if chore else {}
    kinds = space.kinds(result.get("history", []))
    free, total = free_bytes()
    later = [kind.later for kind in kinds if kind.later is not None]
    context = {
        "chore": chore,
        "kinds": kinds,
        "sum": sum(kind.size_bytes for kind in kinds),
        "sum_later": sum(later) if later else None,
        "removed": [
            (
                space.TITLES.get(name, name.replace("_", " ").capitalize()),
                {"items_count": values["items"], "size_bytes": values["size_bytes"]},
            )
            for name, values in result.get("removed", {}).items()
            if values["items"]
        ],
        "free": free,
        "total": total,
        "days_ahead": space.AHEAD_DAYS,
    }
    return render(request, "predictions/housekeeping/storage.html", context)
