"""Posts that archive, restore and delete classifiers, datasets, runs and versions."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.defaultfilters import capfirst
from django.views.decorators.http import require_POST

from clfsite.core.errors import ProblemError
from clfsite.core.web.staff import AnyView, StaffRequest, staff
from training.archive import service
from training.models import Classifier, Dataset, Run, Version

# name of the button: what it does and what it did
ACTIONS: dict[str, tuple[Callable[[service.Row], None], str]] = {
    "archive": (service.archive, "is archived"),
    "restore": (service.restore, "is restored"),
    "delete": (service.delete, "is deleted"),
}


def _view(kind: type[service.Row], page: str, listed: str) -> "AnyView[str]":
    """The view of one kind of rows.

    Args:
        page: the route of a row's page.
        listed: the route of the list, to which a person returns after a deletion.
    """

    @staff(needs=service.NEEDS[kind])
    @require_POST
    def change(request: StaffRequest, pk: str) -> HttpResponse:
        row: Any = get_object_or_404(kind, pk=pk)
        name = request.POST.get("action", "")
        if name not in ACTIONS:
            messages.error(request, "Nothing was changed: the form has no action.")
            return redirect(page, row.pk)
        act, result = ACTIONS[name]
        try:
            act(row)
        except ProblemError as error:
            messages.error(request, f"Nothing was changed: {error}.")
        else:
            # the others begin with a name, whose capitals are kept
            title = capfirst(str(row)) if kind is Run else str(row)
            messages.success(request, f"{title} {result}.")
            if name == "delete":
                return redirect(listed)
        return redirect(page, row.pk)

    return change


classifier = _view(Classifier, "predictions:classifier-detail", "predictions:classifier-list")
dataset = _view(Dataset, "training:dataset-detail", "training:dataset-list")
run = _view(Run, "training:run-detail", "training:run-list")
version = _view(Version, "training:version-detail", "training:version-list")
