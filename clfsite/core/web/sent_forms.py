"""Forms of the portal are executed once, and their input survives an expired login."""

import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.core import signing
from django.db import IntegrityError, transaction
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.utils import timezone

from clfsite.core.errors import Conflict
from clfsite.core.web.models import SentForm

FIELD = "form_token"
KEPT = timedelta(days=1)
# seconds that the second of two clicks waits for the result of the first, and between two checks
WAIT_SECONDS, LOOK_SECONDS = 20.0, 0.1

READING = frozenset({"GET", "HEAD", "OPTIONS"})
COOKIE = "kept-form"
COOKIE_PATH = "/portal/"
COOKIE_SECONDS = 1_800
# browsers accept cookies of 4,096 bytes, including name and attributes
LONGEST_COOKIE = 3_500
# fields of the page, not of the person, and those that no cookie may hold
_NOT_KEPT = ("csrfmiddlewaretoken", FIELD, "old_password", "new_password1", "new_password2")


def send_once(request: HttpRequest, create: Callable[[], str | None]) -> str | None:
    """Execute a form once, or return the result of the same form.

    Args:
        create: returns the address of the result, or None if the form was refused and can be sent again.

    Raises:
        Conflict: the form was already sent and is still being processed.
    """
    token = _token(request)
    if token is None:
        return create()
    try:
        with transaction.atomic():
            sent = SentForm.objects.create(user_id=request.user.pk or 0, token=token)
    except IntegrityError:
        return _earlier(request, token)
    try:
        address = create()
    except BaseException:
        sent.delete()
        raise
    if address:
        SentForm.objects.filter(pk=sent.pk).update(address=address)
    else:
        sent.delete()
    return address


def forget_old() -> None:
    """Delete tokens of old pages."""
    SentForm.objects.filter(created_at__lt=timezone.now() - KEPT).delete()


def form_data(request: HttpRequest, *, sent_to: str = "") -> QueryDict | None:
    """The data of a form: the sent data, or the data kept when a login expired; None for an empty form.

    Args:
        sent_to: the address that the form is sent to, where it is another than that of its page.
    """
    return request.POST if request.method == "POST" else kept_data(request, sent_to=sent_to)


def kept_data(request: HttpRequest, *, sent_to: str = "", again: str = "send it") -> QueryDict | None:
    """What was kept of a form when a login had run out, with a message that says so.

    Args:
        again: what a person has to do.
    """
    kept = _kept(request, sent_to or request.path)
    if kept is not None:
        request.uses_kept_form = True  # type: ignore[attr-defined]
        messages.info(
            request,
            f"Nothing was stored because your login changed. Check the form, then {again} again.",
        )
    return kept


def keep(request: HttpRequest, response: HttpResponseBase) -> None:
    """Store the input of a form in a cookie until its page is opened again.

    The form of another site is not kept, because a person might send its values unknowingly.
    Passwords and files are not kept either.
    """
    origin = request.headers.get("origin")
    ours = origin is None or origin == f"{request.scheme}://{request.get_host()}"
    if request.method != "POST" or not ours or not request.path.startswith(COOKIE_PATH):
        return
    filled = request.POST.copy()
    for name in _NOT_KEPT:
        filled.pop(name, None)
    text = signing.dumps([request.path, filled.urlencode()], salt=COOKIE, compress=True)
    if filled and len(text) <= LONGEST_COOKIE:
        response.set_cookie(
            COOKIE,
            text,
            max_age=COOKIE_SECONDS,
            path=COOKIE_PATH,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )


def page_of(request: HttpRequest) -> str:
    """The page that a request belongs to: that of the form where one was sent, as its address may take no other."""
    came_from = urlsplit(request.headers.get("referer", ""))
    if request.method in READING or came_from.netloc != request.get_host():
        return request.get_full_path()
    return f"{came_from.path}?{came_from.query}".rstrip("?")


def forget_kept(request: HttpRequest, response: HttpResponseBase) -> None:
    """Delete the kept data after a page has shown it."""
    if getattr(request, "uses_kept_form", False):
        response.delete_cookie(COOKIE, path=COOKIE_PATH)


def _token(request: HttpRequest) -> uuid.UUID | None:
    try:
        return uuid.UUID(request.POST.get(FIELD, ""))
    except ValueError:
        return None


def _earlier(request: HttpRequest, token: uuid.UUID) -> str | None:
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        address = (
            SentForm.objects.filter(user_id=request.user.pk or 0, token=token)
            .values_list("address", flat=True)
            .first()
        )
        if address or address is None:
            return address
        time.sleep(LOOK_SECONDS)
    raise Conflict(
        "this form was already sent and is still being processed; the result will appear in the list"
    )


def _kept(request: HttpRequest, sent_to: str) -> QueryDict | None:
    if COOKIE not in request.COOKIES:
        return None
    try:
        path, filled = signing.loads(request.COOKIES[COOKIE], salt=COOKIE, max_age=COOKIE_SECONDS)
    except signing.BadSignature:
        return None
    return QueryDict(filled) if path == sent_to else None
