"""Keys, batches and the log of predictions, for administrators: to search and read."""

import uuid
from datetime import timedelta
from typing import Any, cast

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property

from predictions import keys
from predictions.forms import labels
from predictions.models import ApiKey, Batch, Feedback, Prediction, first_id
from training.admin import ReadOnlyAdmin


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than it pages; the portal's log goes all the way."""

    most = 5_000

    @cached_property
    def count(self) -> int:
        return cast("QuerySet[Prediction]", self.object_list)[: self.most].count()


class SinceFilter(admin.SimpleListFilter):
    """By age, which the primary key tells."""

    title = "time"
    parameter_name = "days"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "Last 24 hours"), ("7", "Last 7 days"), ("30", "Last 30 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> QuerySet[Prediction]:
        days = self.value()
        if days not in dict(self.lookup_choices):
            return queryset
        return queryset.filter(id__gte=first_id(timezone.now() - timedelta(days=int(days))))


class LabelFilter(admin.SimpleListFilter):
    """By label; the choices come from the versions, for asking the log would read all of it."""

    title = parameter_name = "label"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(label, label) for label in labels()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> QuerySet[Prediction]:
        chosen = self.value()
        return queryset.filter(label=chosen) if chosen in dict(self.lookup_choices) else queryset


@admin.register(Prediction)
class PredictionAdmin(ReadOnlyAdmin):
    """The log, made for millions of rows: no COUNT, no DISTINCT and no sorting but by the key."""

    list_display = ["id", "created_at", "version", "label", "rounded", "source", "caller"]
    list_filter = [SinceFilter, "source", "version__classifier", LabelFilter]
    list_select_related = ["version__classifier"]
    list_per_page = 50
    search_fields = ["id", "caller"]
    search_help_text = "A prediction's whole id, or a caller's whole name."
    sortable_by = ()
    ordering = ["-id"]
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def get_queryset(self, request: HttpRequest) -> QuerySet[Prediction]:
        # with a list's rows would come the contracts and golden rows of their versions
        bulk = ("contract_data", "golden", "artifacts", "libraries", "held_out", "cross_validation", "params")
        return super().get_queryset(request).defer(*(f"version__{name}" for name in bulk))

    def view_on_site(self, prediction: Prediction) -> str:
        return reverse("predictions:prediction-detail", args=[prediction.pk])

    @admin.display(description="probability")
    def rounded(self, prediction: Prediction) -> str:
        return f"{prediction.probability:.4f}"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Prediction], search_term: str
    ) -> tuple[QuerySet[Prediction], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(id=uuid.UUID(term)), False
        except ValueError:
            return queryset.filter(caller=term), False


@admin.register(Feedback)
class FeedbackAdmin(ReadOnlyAdmin):
    """The truth as it came, corrections and what they superseded included; found by the prediction's whole id."""

    list_display = ["prediction_id", "label", "source", "actor", "created_at", "superseded_at"]
    list_filter = ["source", ("superseded_at", admin.EmptyFieldListFilter)]
    list_per_page = 50
    search_fields = ["prediction__id", "actor"]
    search_help_text = "A prediction's whole id, or a whole name of who gave it."
    sortable_by = ()
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def view_on_site(self, feedback: Feedback) -> str:
        return reverse("predictions:prediction-detail", args=[feedback.prediction_id])

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Feedback], search_term: str
    ) -> tuple[QuerySet[Feedback], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(prediction=uuid.UUID(term)), False
        except ValueError:
            return queryset.filter(actor=term), False


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin):
    list_display = ["id", "file_name", "state", "version", "rows_done", "rows_total", "caller", "created_at"]
    list_select_related = ["version__classifier"]
    list_filter = ["state", "version__classifier"]
    search_fields = ["file_name", "caller"]

    def view_on_site(self, batch: Batch) -> str:
        return reverse("predictions:batch-detail", args=[batch.pk])


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Keys are made where they can be shown once: in the portal, or with `manage.py createkey`. Here they can be revoked."""

    list_display = ["name", "hint", "scopes", "rate", "is_usable", "created_at", "expires_at", "last_used_at"]
    list_filter = ["revoked_at"]
    search_fields = ["name", "hint"]
    hidden = ["digest"]
    actions = ["revoke"]

    @admin.display(boolean=True, description="Usable")
    def is_usable(self, key: ApiKey) -> bool:
        return key.is_usable

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("predictions.change_apikey")

    @admin.action(description="Revoke the selected keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        ended = keys.revoke(chosen, actor=request.user.get_username())
        for key in ended:
            self.log_change(request, key, "Revoked.")
        names = ", ".join(str(key) for key in ended) or "none"
        self.message_user(request, f"Revoked, to stop working within 5 seconds: {names}.", messages.SUCCESS)
