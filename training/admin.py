"""Administration of datasets, runs, versions and classifiers, to view them, and to choose active version and default."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from clfsite.core.errors import ProblemError
from clfsite.core.web.read_only_admin import ReadOnlyAdmin
from training.classifiers.service import make_default
from training.models import Activation, Classifier, Dataset, Run, Version
from training.versions.forms import ReasonForm
from training.versions.service import activate_version


@admin.register(Classifier)
class ClassifierAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """The default is chosen by an action, because only one classifier can be it."""

    note = (
        "The first run of a classifier creates it. Its page in the portal changes and archives it. An action of "
        "this list chooses the default classifier; an action of the list of versions activates a version."
    )
    list_display = ["name", "answers", "default", "strict", "owner", "created_at"]
    search_fields = ["name"]
    search_help_text = "Part of the name."
    fields = ["name", "answers", "is_default", "strict", "owner", "notes", "archived_at", "created_at"]
    readonly_fields = ["name", "answers", "is_default", "archived_at", "created_at"]
    actions = ["make_default"]

    def view_on_site(self, classifier: Classifier) -> str:
        return reverse("predictions:classifier-detail", args=[classifier.pk])

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Classifier | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Classifier]:
        in_force = Activation.objects.in_force().select_related("version__classifier")
        newest = Prefetch("activations", in_force.defer(*Version.bulky(path="version__")), "in_force")
        return super().get_queryset(request).prefetch_related(newest)

    @admin.display(description="active version")
    def answers(self, classifier: Any) -> str:
        return _link(classifier.in_force[0].version) if classifier.in_force else "none"

    @admin.display(boolean=True, ordering="is_default")
    def default(self, classifier: Classifier) -> bool:
        return classifier.is_default

    @admin.action(description="Make it the default classifier", permissions=["change"])
    def make_default(self, request: HttpRequest, chosen: QuerySet[Classifier]) -> None:
        if len(chosen) != 1:
            self.message_user(request, "Choose exactly one classifier.", messages.ERROR)
            return
        try:
            make_default(classifier=chosen[0])
        except ProblemError as error:
            self.message_user(request, f"Nothing was changed: {error}.", messages.ERROR)
            return
        self.log_change(request, chosen[0], "Made the default classifier.")
        self.message_user(
            request, f"{chosen[0]} now answers requests that do not name a classifier.", messages.SUCCESS
        )


@admin.register(Dataset)
class DatasetAdmin(ReadOnlyAdmin):
    note = "Datasets are uploaded in the portal or with manage.py importdataset. They cannot be edited: a new upload creates a new version."
    list_display = ["__str__", "target", "rows", "columns", "created_at", "created_by"]
    list_select_related = ["created_by"]
    search_fields = ["name", "=sha256"]
    search_help_text = "Part of the name, or the complete SHA-256 of the file."
    ordering = ["-id"]
    hidden = ["contract_data", "profile"]
    labels = {"sha256": "SHA-256", "size_bytes": "size (bytes)"}

    def view_on_site(self, dataset: Dataset) -> str:
        return reverse("training:dataset-detail", args=[dataset.pk])


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    note = "Start, watch and cancel runs in the portal."
    list_display = ["id", "state", "classifier", "dataset", "score", "took", "created_at", "created_by"]
    list_select_related = ["classifier", "dataset", "created_by"]
    list_filter = ["state", "classifier"]
    search_fields = ["=id", "error"]
    search_help_text = "A run id, or words of the error message."
    first = ["id", "state", "classifier", "dataset", "made", "score", "error", "warnings", "took"]
    hidden = ["claim", "candidates", "best_score"]
    labels = {"recipe_data": "recipe", "tracking_url": "tracking"}

    def view_on_site(self, run: Run) -> str:
        return reverse("training:run-detail", args=[run.pk])

    @admin.display(description="version")
    def made(self, run: Run) -> str:
        version = Version.objects.select_related("classifier").filter(run=run).first()
        return _link(version) if version else "none"

    @admin.display(description="best score", ordering="best_score")
    def score(self, run: Run) -> str:
        return "-" if run.best_score is None else f"{run.best_score:.4f} ({run.recipe.scoring})"

    @admin.display
    def took(self, run: Run) -> str:
        return "-" if run.seconds is None else f"{run.seconds:,.0f} s"


@admin.register(Version)
class VersionAdmin(ReadOnlyAdmin):
    note = (
        "Versions are created by runs and cannot be edited. To activate a version, select it, choose the "
        "action “Activate the version” and enter a reason. To roll back, activate an older version."
    )
    list_display = ["__str__", "active", "family", "roc_auc", "accuracy", "made_by", "created_at"]
    list_select_related = ["classifier", "run"]
    list_filter = ["classifier"]
    search_fields = ["classifier__name", "family", "=number"]
    search_help_text = "Part of a classifier or family name, or a version number."
    ordering = ["-id"]
    actions = ["activate"]
    first = ["id", "classifier", "number", "active", "roc_auc", "accuracy", "run"]
    hidden = ["contract_data", "golden", "held_out"]
    labels = {"params": "parameters", "cross_validation": "cross-validation"}
    keeps_history = True

    def view_on_site(self, version: Version) -> str:
        return reverse("training:version-detail", args=[version.pk])

    def get_queryset(self, request: HttpRequest) -> QuerySet[Version]:
        versions: Any = super().get_queryset(request)
        listed: QuerySet[Version] = versions.with_active().defer(
            "contract_data", "golden", "run__candidates", "run__history"
        )
        return listed

    @admin.display(boolean=True)
    def active(self, version: Any) -> bool:
        return bool(version.active)

    @admin.display(description="ROC-AUC", ordering="held_out__metrics__roc_auc")
    def roc_auc(self, version: Version) -> str:
        return f"{version.metrics['roc_auc']:.3f}"

    @admin.display(ordering="held_out__metrics__accuracy")
    def accuracy(self, version: Version) -> str:
        return f"{version.metrics['accuracy']:.3f}"

    @admin.display(description="run", ordering="run")
    def made_by(self, version: Version) -> str:
        return _link(version.run)

    def has_activate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("training.activate_version")

    @admin.action(description="Activate the version", permissions=["activate"])
    def activate(self, request: HttpRequest, chosen: QuerySet[Version]) -> HttpResponse | None:
        """Ask for a reason on a separate page, then activate the version."""
        if len(chosen) != 1:
            self.message_user(request, "Choose exactly one version.", messages.ERROR)
            return None
        version = chosen[0]
        if version.is_active:
            self.message_user(request, f"{version} is already active.", messages.WARNING)
            return None
        form = ReasonForm(request.POST if "confirmed" in request.POST else None, version=version)
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
            activate_version(version=version, actor=request.user.get_username(), reason=reason)
        except ProblemError as error:
            self.message_user(request, f"Nothing was changed: {error}.", messages.ERROR)
        else:
            self.log_change(request, version, f"Activated: {reason}")
            self.message_user(request, f"{version} is now active.", messages.SUCCESS)


@admin.register(Activation)
class ActivationAdmin(ReadOnlyAdmin):
    note = (
        "The activation history. It cannot be edited. To roll back, activate an older version in the list of "
        "versions or in the portal."
    )
    list_display = ["created_at", "activated", "actor", "reason"]
    list_select_related = ["classifier", "version__classifier"]
    list_filter = ["classifier"]
    search_fields = ["actor", "reason"]
    search_help_text = "Part of a login or key name, or words of the reason."

    def view_on_site(self, activation: Activation) -> str:
        return reverse("training:classifier-history", args=[activation.classifier_id])

    @admin.display(description="version", ordering="version")
    def activated(self, activation: Activation) -> str:
        return _link(activation.version)


def _link(row: Any) -> str:
    """Return the name of a row as a link to its page in the administration."""
    address = reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', address, row)
