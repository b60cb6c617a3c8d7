"""Pages of classifiers: the list, and one with all that belongs to it."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from clfsite.core.errors import ProblemError
from clfsite.core.web.lists import archived_apart, sorted_by
from clfsite.core.web.sent_forms import form_data
from clfsite.core.web.staff import StaffRequest, staff
from predictions.classifiers import calls
from predictions.classifiers.forms import ClassifierForm
from predictions.home import overview
from predictions.housekeeping.models import set_retention
from predictions.log import search
from predictions.models import Prediction
from training.classifiers.service import change_classifier
from training.models import Activation, Classifier, Version
from training.versions import history, verdict

PER_PAGE = 25  # classifiers
# rows of each list on the page of a classifier
SHOWN = 5
SORTS = {"name": ["name"], "owner": ["owner"], "created": ["created_at"]}


@staff()
@require_safe
def classifier_list(request: StaffRequest) -> HttpResponse:
    """The list of classifiers."""
    active = Activation.objects.in_force().select_related("version").defer(*Version.bulky(path="version__"))
    rows = Classifier.objects.prefetch_related(Prefetch("activations", active, "in_force"))
    archived, rows = archived_apart(rows, request)
    sort, rows = sorted_by(rows, request, SORTS, first="name")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "sort": sort, "archived": archived}
    return render(request, "predictions/classifiers/classifier_list.html", context)


@staff(to_post="training.change_classifier")
@require_http_methods(["GET", "HEAD", "POST"])
def classifier_detail(request: StaffRequest, pk: str) -> HttpResponse:
    """One classifier: what it predicts, how well, its versions and their use; posting changes its notes."""
    classifier = get_object_or_404(Classifier, pk=pk)
    form = ClassifierForm(form_data(request), classifier)
    if request.method == "POST" and form.is_valid() and _change(request, form):
        return redirect("predictions:classifier-detail", pk)
    (glance,) = overview.glances(timezone.now(), Classifier.objects.filter(pk=classifier.pk))
    active = _version(glance.activation)
    versions = classifier.versions.with_active().filter(archived_at=None)
    context = {
        "classifier": classifier,
        "form": form,
        "glance": glance,
        "active": active,
        "contract": active.contract if active else None,
        "sentences": verdict.sentences(active) if active else [],
        "versions": versions.defer(*Version.bulky("held_out")).order_by("-number")[:SHOWN],
        "recent": _recent(active) if active else [],
        "snippets": calls.of_page(request, classifier.name),
        "spells": history.spells(classifier)[:SHOWN],
    }
    return render(request, "predictions/classifiers/classifier_detail.html", context)


def _recent(version: Version) -> list[Prediction]:
    """The latest predictions of a version, with their feedback."""
    return search.with_truths(search.find(search.Wanted(versions=(version.pk,)), size=SHOWN).rows)


def _version(activation: Activation | None) -> Version | None:
    """The active version with all that its page shows."""
    rows = Version.objects.select_related("classifier", "run__dataset")
    return rows.get(pk=activation.version_id) if activation else None


def _change(request: StaffRequest, form: ClassifierForm) -> bool:
    """Return whether the changes were made; otherwise the form has the reason."""
    try:
        change_classifier(classifier=form.instance, changes=form.changes)
    except ProblemError as error:
        form.refuse(error)
        return False
    set_retention(form.instance, form.cleaned_data["keep_days"])
    messages.success(request, f"{form.instance} was changed.")
    return True
