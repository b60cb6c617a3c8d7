"""Read-only administration of keys, batches and predictions."""

import uuid
from datetime import timedelta
from typing import Any, cast

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property

from clfsite.core.web.read_only_admin import ReadOnlyAdmin, as_table
from predictions.batches.models import Batch
from predictions.keys import service as keys
from predictions.log.forms import labels
from predictions.models import ApiKey, Feedback, Prediction, first_id
from training.models import Version


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts only up to its last page; the portal shows the whole log."""

    most = 5_000

    @cached_property
    def count(self) -> int:
        return cast("QuerySet[Prediction]", self.object_list)[: self.most].count()


class SinceFilter(admin.SimpleListFilter):
    """Filter by age, using the primary key."""

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
    """Filter by label. The choices come from the versions, because a query would read the whole log."""

    title = parameter_name = "label"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(label, label) for label in labels()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> QuerySet[Prediction]:
        chosen = self.value()
        return queryset.filter(label=chosen) if chosen in dict(self.lookup_choices) else queryset


class TruthFilter(admin.SimpleListFilter):
    """Filter for current or superseded labels."""

    title = "standing"
    parameter_name = "superseded"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "In force"), ("yes", "Superseded")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Feedback]) -> QuerySet[Feedback]:
        chosen = self.value()
        if chosen not in dict(self.lookup_choices):
            return queryset
        return queryset.filter(superseded_at__isnull=chosen == "no")


class KeyStateFilter(admin.SimpleListFilter):
    """Filter by the state of a key."""

    title = parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("usable", "Usable"), ("expired", "Expired"), ("revoked", "Revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        is_expired = Q(expires_at__lte=timezone.now())
        if self.value() == "usable":
            return queryset.filter(revoked_at=None).exclude(is_expired)
        if self.value() == "expired":
            return queryset.filter(is_expired, revoked_at=None)
        return queryset.exclude(revoked_at=None) if self.value() == "revoked" else queryset


class BoundedAdmin(ReadOnlyAdmin):
    """Administration of millions of rows: no COUNT or DISTINCT, sorting only by key, search only for complete values."""

    list_per_page = 50
    sortable_by = ()
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    # the columns of a prediction's id and of a name
    id_field, name_field = "id", "caller"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(**{self.id_field: uuid.UUID(term)}), False
        except ValueError:
            return queryset.filter(**{self.name_field: term}), False


@admin.register(Prediction)
class PredictionAdmin(BoundedAdmin):
    """The log."""

    note = (
        "Every logged prediction. The list shows the newest 5,000 that match; the log in the portal shows "
        "all of them and has more filters."
    )
    list_display = ["id", "created_at", "version", "label", "rounded", "source", "caller"]
    list_filter = [SinceFilter, "source", "version__classifier", LabelFilter]
    list_select_related = ["version__classifier"]
    search_fields = ["id", "reference", "caller"]
    search_help_text = "A complete prediction id, reference or caller name."
    ordering = ["-id"]
    first = ["id", "created_at", "version", "label", "probability", "probabilities", "warnings", "features"]
    labels = {"id": "ID", "latency_ms": "latency (ms)"}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Prediction]:
        # otherwise the list loads the contracts and golden rows of its versions
        return super().get_queryset(request).defer(*Version.bulky(path="version__"))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        # not both at once: a search of the log has one index
        if term and Prediction.objects.filter(reference=term).exists():
            return queryset.filter(reference=term), False
        return super().get_search_results(request, queryset, search_term)

    def view_on_site(self, prediction: Prediction) -> str:
        return reverse("predictions:prediction-detail", args=[prediction.pk])

    @admin.display(description="probability")
    def rounded(self, prediction: Prediction) -> str:
        return f"{prediction.probability:.4f}"


@admin.register(Feedback)
class FeedbackAdmin(BoundedAdmin):
    """All true labels, including superseded ones; searched by the complete id of the prediction."""

    note = "True labels of predictions. A correction replaces the earlier label; no row is edited."
    list_display = ["prediction_id", "predicted", "truth", "source", "actor", "created_at", "superseded_at"]
    list_filter = ["source", TruthFilter]
    search_fields = ["prediction__id", "actor"]
    search_help_text = "A complete prediction id, or the complete name of a person or key."
    id_field, name_field = "prediction", "actor"
    first = ["id", "prediction", "predicted"]
    labels = {"label": "truth"}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Feedback]:
        # a join would read 5,000 rows of the log only for the count
        labels = Prefetch("prediction", Prediction.objects.only("label"))
        return super().get_queryset(request).prefetch_related(labels)

    @admin.display
    def predicted(self, feedback: Feedback) -> str:
        return feedback.prediction.label

    @admin.display
    def truth(self, feedback: Feedback) -> str:
        return feedback.label

    def view_on_site(self, feedback: Feedback) -> str:
        return reverse("predictions:prediction-detail", args=[feedback.prediction_id])


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin):
    note = "CSV files scored in the background. Upload, start and cancel them in the portal or with the API."
    list_display = ["id", "file_name", "state", "version", "rows_done", "rows_total", "caller", "created_at"]
    list_select_related = ["version__classifier"]
    list_filter = ["state", "version__classifier"]
    search_fields = ["file_name", "caller"]
    search_help_text = "Part of the file name or the caller name."
    first = [
        "id",
        "file_name",
        "state",
        "version",
        "caller",
        "rows_total",
        "rows_done",
        "rows_bad",
        "problems",
    ]
    hidden = ["claim", "folder", "id_prefix", "preview", "summary"]
    labels = {"size_bytes": "size (bytes)", "bytes_done": "bytes done", "problem_count": "number of problems"}

    def view_on_site(self, batch: Batch) -> str:
        return reverse("predictions:batch-detail", args=[batch.pk])


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    note = (
        "Keys are created in the portal or with manage.py createkey, which show them once. Here you can "
        "revoke them. A key cannot be edited; create another one for other scopes."
    )
    list_display = ["name", "hint", "opens", "limit", "state", "expires_at", "last_used_at"]
    list_filter = [KeyStateFilter]
    search_fields = ["name", "hint"]
    search_help_text = "Part of its name, or its prefix."
    first = ["id", "name", "hint", "state", "scopes"]
    hidden = ["digest"]
    labels = {"rate": "limit"}
    actions = ["revoke"]
    keeps_history = True

    def view_on_site(self, key: ApiKey) -> str:
        return reverse("predictions:key-list")

    @admin.display(description="scopes")
    def opens(self, key: ApiKey) -> str:
        return as_table(key.scopes)

    @admin.display(description="calls a minute", ordering="rate")
    def limit(self, key: ApiKey) -> str:
        return {None: "the site's", 0: "no limit"}.get(key.rate, str(key.rate))

    @admin.display
    def state(self, key: ApiKey) -> str:
        if key.revoked_at is not None:
            return "revoked"
        return "expired" if key.is_expired else "usable"

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("predictions.change_apikey")

    @admin.action(description="Revoke the selected keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        ended = keys.revoke(chosen, actor=request.user.get_username())
        for key in ended:
            self.log_change(request, key, "Revoked.")
        names = ", ".join(str(key) for key in ended) or "none"
        self.message_user(request, f"Revoked: {names}. They stop working within 5 seconds.", messages.SUCCESS)
