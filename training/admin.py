"""What is trained, for administrators: to look at, and two things to decide."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from training import services
from training.errors import Refused
from training.forms import ReasonForm
from training.models import Activation, Classifier, Dataset, Run, Version


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows to search and read; services alone write them. `hidden` fields are too bulky, or nobody's business."""

    hidden: Sequence[str] = ()

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        return [field.name for field in self.opts.fields if field.name not in self.hidden]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return self.get_fields(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Classifier)
class ClassifierAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Whether a classifier is strict can be changed; which one is the default is an action, for there is one."""

    list_display = ["name", "is_default", "strict", "created_at"]
    search_fields = ["name"]
    fields = ["name", "is_default", "strict", "created_at"]
    readonly_fields = ["name", "is_default", "created_at"]
    actions = ["make_default"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Classifier | None = None) -> bool:
        return False

    @admin.action(description="Make it the default classifier", permissions=["change"])
    def make_default(self, request: HttpRequest, chosen: QuerySet[Classifier]) -> None:
        if len(chosen) != 1:
            self.message_user(request, "Choose one classifier: only one can be the default.", messages.ERROR)
            return
        services.make_default(classifier=chosen[0])
        self.message_user(request, f"{chosen[0]} answers requests that name no classifier.", messages.SUCCESS)


@admin.register(Dataset)
class DatasetAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "target", "rows", "columns", "created_at", "created_by"]
    list_select_related = ["created_by"]
    search_fields = ["name", "=sha256"]
    ordering = ["-id"]
    hidden = ["contract_data", "profile", "warnings"]

    def view_on_site(self, dataset: Dataset) -> str:
        return reverse("training:dataset-detail", args=[dataset.pk])


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = [
        "id",
        "state",
        "classifier",
        "dataset",
        "best_score",
        "created_at",
        "finished_at",
        "created_by",
    ]
    list_select_related = ["classifier", "dataset", "created_by"]
    list_filter = ["state", "classifier"]
    search_fields = ["=id", "error"]
    hidden = ["claim", "candidates"]

    def view_on_site(self, run: Run) -> str:
        return reverse("training:run-detail", args=[run.pk])


@admin.register(Version)
class VersionAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "active", "roc_auc", "accuracy", "run", "created_at"]
    list_select_related = ["classifier", "run"]
    list_filter = ["classifier"]
    ordering = ["-id"]
    actions = ["activate"]
    hidden = ["contract_data", "golden", "held_out"]

    def view_on_site(self, version: Version) -> str:
        return reverse("training:version-detail", args=[version.pk])

    def get_queryset(self, request: HttpRequest) -> QuerySet[Version]:
        in_force = Activation.objects.in_force().filter(version=OuterRef("pk"))
        versions: QuerySet[Version] = super().get_queryset(request).annotate(active=Exists(in_force))
        return versions

    @admin.display(boolean=True)
    def active(self, version: Any) -> bool:
        return bool(version.active)

    @admin.display(description="ROC-AUC")
    def roc_auc(self, version: Version) -> str:
        return f"{version.metrics['roc_auc']:.3f}"

    @admin.display
    def accuracy(self, version: Version) -> str:
        return f"{version.metrics['accuracy']:.3f}"

    def has_activate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("training.activate_version")

    @admin.action(description="Activate the version", permissions=["activate"])
    def activate(self, request: HttpRequest, chosen: QuerySet[Version]) -> HttpResponse | None:
        """Ask for a reason on a page of its own, then let the version answer."""
        if len(chosen) != 1:
            self.message_user(request, "Choose one version: only one can be active.", messages.ERROR)
            return None
        version = chosen[0]
        form = ReasonForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            self._activate(request, version, form.cleaned_data["reason"])
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": f"Activate {version}",
            "opts": self.opts,
            "version": version,
            "current": version.classifier.activation,
            "form": form,
        }
        return TemplateResponse(request, "admin/training/version/activate.html", context)

    def _activate(self, request: HttpRequest, version: Version, reason: str) -> None:
        try:
            services.activate_version(version=version, actor=request.user.get_username(), reason=reason)
        except Refused as error:
            self.message_user(request, f"Nothing was changed: {error}.", messages.ERROR)
        else:
            self.message_user(request, f"{version} is active: it answers from now on.", messages.SUCCESS)


@admin.register(Activation)
class ActivationAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "classifier", "version", "actor", "reason"]
    list_select_related = ["classifier", "version__classifier"]
    list_filter = ["classifier"]
    search_fields = ["actor", "reason"]
