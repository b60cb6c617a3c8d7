"""The download of the report on a version."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from clfsite.core.web.staff import StaffRequest, staff
from training.models import Version


@staff()
@require_safe
def version_report(request: StaffRequest, pk: str, form: str) -> HttpResponse:
    """Return the current report as a file."""
    # Imported here, because matplotlib takes a fifth of the time to start, and most processes never draw.
    from predictions.report import render

    version = get_object_or_404(
        Version.objects.select_related("classifier", "run__dataset", "run__created_by"), pk=pk
    )
    wanted = render.Format(form)
    name = render.file_name(version, wanted)
    return HttpResponse(
        render.render(render.report(version), wanted),
        content_type=wanted.media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
