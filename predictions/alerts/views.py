"""Pages of alerts: the list, one alert, limits and silences of a classifier, and receivers."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import capfirst
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from clfsite.core.errors import ProblemError
from clfsite.core.web.sent_forms import form_data, send_once
from clfsite.core.web.staff import StaffRequest, staff
from predictions.alerts import channels, outbox, receivers, rules, service
from predictions.alerts.forms import LimitForm, NoteForm, ReceiverForm, SilenceForm
from predictions.alerts.models import Alert, Delivery, Receiver, Silence
from training.models import Classifier, Version

PER_PAGE = 25
SHOWN_UNSENT = 50
CHANGE_ALERT = "predictions.change_alert"
MANAGE = "predictions.change_receiver"
ALERTS = Alert.objects.select_related("classifier", "version").defer(*Version.bulky(path="version__"))


@staff()
@require_safe
def alert_list(request: StaffRequest) -> HttpResponse:
    """Open alerts, or closed ones."""
    is_closed = request.GET.get("closed") == "1"
    rows = ALERTS.filter(state=Alert.State.CLOSED) if is_closed else ALERTS.open()
    context = {
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "is_closed": is_closed,
        "titles": {name: rule.title for name, rule in rules.RULES.items()},
        "unsent": Delivery.objects.unsent().count(),
    }
    return render(request, "predictions/alerts/alert_list.html", context)


@staff()
@require_safe
def alert_detail(request: StaffRequest, pk: str) -> HttpResponse:
    """One alert with its history."""
    alert = get_object_or_404(ALERTS, pk=pk)
    context = {
        "alert": alert,
        "rule": rules.RULES.get(alert.rule),
        "events": alert.events.all(),
        "form": NoteForm(),
    }
    return render(request, "predictions/alerts/alert_detail.html", context)


@staff(needs=CHANGE_ALERT)
@require_POST
def alert_acknowledge(request: StaffRequest, pk: str) -> HttpResponse:
    """Say that somebody deals with it."""
    return _change(request, pk, service.acknowledge, "The alert was acknowledged.")


@staff(needs=CHANGE_ALERT)
@require_POST
def alert_close(request: StaffRequest, pk: str) -> HttpResponse:
    """Close it."""
    return _change(request, pk, service.close, "The alert was closed.")


def _change(request: StaffRequest, pk: str, act: Callable[..., None], done: str) -> HttpResponse:
    alert = get_object_or_404(ALERTS, pk=pk)
    form = NoteForm(request.POST)
    note = form.cleaned_data["note"] if form.is_valid() else ""
    try:
        act(alert, actor=request.user.get_username(), note=note)
    except ProblemError as error:
        messages.info(request, f"Nothing was changed: {error}.")
    else:
        messages.success(request, done)
    return redirect("predictions:alert-detail", alert.pk)


@staff(to_post=MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def alert_settings(request: StaffRequest, pk: str) -> HttpResponse:
    """The limits and silences of a classifier."""
    classifier = get_object_or_404(Classifier, pk=pk)
    if request.method == "POST":
        form = LimitForm(request.POST)
        if form.is_valid():
            value = form.cleaned_data["value"]
            rules.change(
                classifier,
                form.cleaned_data["rule"],
                value=None if value is None else value / 100,
                is_on=form.cleaned_data["is_on"],
            )
            messages.success(request, "The rule was changed. Rules are evaluated every hour.")
        else:
            messages.error(request, "Nothing was changed: expected a percentage from 0 to 100.")
        return redirect("predictions:alert-settings", classifier.pk)
    return _settings(request, classifier, SilenceForm())


def _settings(request: StaffRequest, classifier: Classifier, form: SilenceForm) -> HttpResponse:
    context = {
        "classifier": classifier,
        "limits": rules.shown(classifier),
        "silences": service.lasting(classifier),
        "form": form,
        "titles": {name: rule.title for name, rule in rules.RULES.items()},
    }
    return render(request, "predictions/alerts/alert_settings.html", context)


@staff(needs=MANAGE)
@require_POST
def silence_create(request: StaffRequest, pk: str) -> HttpResponse:
    """Send no alerts of a classifier for a time."""
    classifier = get_object_or_404(Classifier, pk=pk)
    form = SilenceForm(request.POST)
    if form.is_valid():
        try:
            service.silence(classifier, actor=request.user.get_username(), **form.cleaned_data)
        except ProblemError as error:
            form.add_error("until", capfirst(str(error)))
        else:
            messages.success(request, "The alerts are silenced. They are shown here all the same.")
            return redirect("predictions:alert-settings", classifier.pk)
    return _settings(request, classifier, form)


@staff(needs=MANAGE)
@require_POST
def silence_end(request: StaffRequest, pk: str) -> HttpResponse:
    """Send alerts again."""
    silence = get_object_or_404(Silence, pk=pk)
    service.end_silence(silence)
    messages.success(request, "The silence has ended.")
    return redirect("predictions:alert-settings", silence.classifier_id)


@never_cache
@staff(needs=MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def receiver_list(request: StaffRequest) -> HttpResponse:
    """All receivers, the messages that could not be sent, and the form of a new receiver."""
    form = ReceiverForm(form_data(request))
    made = _create(request, form) if request.method == "POST" and form.is_valid() else None
    rows = list(Receiver.objects.select_related("classifier"))
    unsent = Delivery.objects.unsent().select_related("receiver")
    tests = Delivery.objects.filter(payload__type=outbox.TEST).order_by("created_at")
    tested = {row.receiver_id: row for row in tests.filter(receiver__in=rows)}
    context: dict[str, Any] = {
        "form": ReceiverForm() if made else form,
        "made": made,
        "secret": channels.secret_of(made) if made and made.kind == Receiver.Kind.WEBHOOK else "",
        "receivers": [(row, receivers.masked(row), tested.get(row.pk)) for row in rows],
        "unsent": unsent[:SHOWN_UNSENT],
        "events": dict(Receiver.Event.choices),
    }
    return render(request, "predictions/alerts/receiver_list.html", context)


def _create(request: StaffRequest, form: ReceiverForm) -> Receiver | None:
    """Return the new receiver, or None if the form has errors."""
    receiver = Receiver(created_by=request.user.get_username(), **form.cleaned_data)

    def create() -> str:
        receivers.save(receiver)
        return request.path

    try:
        send_once(request, create)
    except ProblemError as error:
        form.add_error("target" if error.errors else None, capfirst(str(error)))
        return None
    return receiver if receiver.pk else None


@staff(needs=MANAGE)
@require_POST
def receiver_test(request: StaffRequest, pk: str) -> HttpResponse:
    """Write a test message, which a worker sends."""
    receiver = get_object_or_404(Receiver, pk=pk)
    outbox.queue_test(receiver)
    messages.success(
        request, f"A test message to {receiver} was written. Its result appears here within seconds."
    )
    return redirect("predictions:receiver-list")


@staff(needs=MANAGE)
@require_POST
def receiver_switch(request: StaffRequest, pk: str) -> HttpResponse:
    """Switch a receiver off, or on again."""
    receiver = get_object_or_404(Receiver, pk=pk)
    receiver.is_enabled = not receiver.is_enabled
    receiver.save(update_fields=["is_enabled"])
    messages.success(request, f"{receiver} is switched {'on' if receiver.is_enabled else 'off'}.")
    return redirect("predictions:receiver-list")


@staff(needs=MANAGE)
@require_POST
def receiver_delete(request: StaffRequest, pk: str) -> HttpResponse:
    """Delete a receiver with its messages."""
    receiver = get_object_or_404(Receiver, pk=pk)
    receiver.delete()
    messages.success(request, f"{receiver} was deleted.")
    return redirect("predictions:receiver-list")


@staff(needs=MANAGE)
@require_POST
def message_again(request: StaffRequest, pk: str) -> HttpResponse:
    """Send a message again."""
    outbox.send_again(get_object_or_404(Delivery, pk=pk))
    messages.success(request, "The message is sent again within seconds.")
    return redirect("predictions:receiver-list")
