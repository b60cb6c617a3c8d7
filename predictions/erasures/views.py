"""The page of erasures: erase by reference, and what was erased."""

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import capfirst
from django.views.decorators.http import require_http_methods

from clfsite.core.errors import ProblemError
from clfsite.core.web.staff import StaffRequest, staff
from predictions.erasures.models import Erasure
from predictions.erasures.service import erase

PER_PAGE = 25
ERASE = "predictions.add_erasure"


class ErasureForm(forms.Form):
    """What to erase, and why."""

    reference = forms.CharField(max_length=200, help_text="Complete, as the caller sent it.")
    reason = forms.CharField(max_length=500, help_text="Stays in the record, so do not name the person.")
    batch_files = forms.BooleanField(
        required=False,
        label="Delete files of batches",
        help_text="The files of batches with such rows, with their other rows.",
    )


@staff(needs=ERASE)
@require_http_methods(["GET", "HEAD", "POST"])
def erasure_list(request: StaffRequest) -> HttpResponse:
    """What was erased, and the form. What it asks for is not kept if the login has expired."""
    form = ErasureForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            record = erase(actor=request.user.get_username(), **form.cleaned_data)
        except ProblemError as error:
            form.add_error("reference", capfirst(str(error)))
        else:
            messages.success(
                request,
                f"{record.predictions:,} predictions and {record.feedback:,} true labels were erased.",
            )
            return redirect("predictions:erasure-list")
    context = {
        "form": form,
        "page": Paginator(Erasure.objects.all(), PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "predictions/erasures/erasure_list.html", context)
