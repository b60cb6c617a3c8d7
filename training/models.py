"""Datasets, runs, versions and activations."""

from typing import Any, ClassVar, Self
from uuid import uuid4

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.utils import timezone

from clfsite.core.jobs.models import Job
from training.ml.judge.costs import Costs
from training.ml.judge.sets import LEVELS
from training.ml.progress import Phase, Progress
from training.ml.search.recipe import PORTFOLIO, Recipe
from training.ml.tables.contract import Contract
from training.ml.tables.corrections import Choice, Corrections
from training.ml.watch.reference import Reference, taken_over

name_validator = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9_.-]*\Z",
    "letters, digits, dots, hyphens and underscores only, beginning with a letter or digit",
)


# seconds and percent of a search, before which its pace is no estimate of the rest
SURE_SECONDS, SURE_PERCENT = 3, 10


def new_name() -> str:
    """A name for a file in storage that no other has."""
    return str(uuid4())


class Archivable(models.Model):
    """A row that can be hidden from lists without being deleted."""

    archived_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        db_index=True,
        help_text="Time from which it is hidden from lists.",
    )

    class Meta:
        abstract = True


class Classifier(Archivable):
    """A named classifier with numbered versions, of which at most one is active.

    An archived one is not served, and cannot be the default.
    """

    name = models.CharField(max_length=100, unique=True, validators=[name_validator])
    is_default = models.BooleanField(
        default=False, help_text="Answers requests that do not name a classifier."
    )
    strict = models.BooleanField(
        default=False, help_text="Refuse values outside the training data instead of warning."
    )
    set_level = models.FloatField(
        "labels that cannot be excluded",
        default=0,
        db_default=0,
        choices=[(0, "Off"), *((level, f"At a level of {level:.0%}") for level in LEVELS)],
        help_text="Answers list the labels that cannot be excluded: of the rows of each class, at least this share get a "
        "list with their true label.",
    )
    review = models.BooleanField(
        "review by a person",
        default=False,
        db_default=False,
        help_text="Predictions with several labels in the list, or with none, wait for a person's answer under Review.",
    )
    owner = models.CharField(
        max_length=150, blank=True, default="", db_default="", help_text="The person or team to ask about it."
    )
    notes = models.TextField(
        max_length=4_000,
        blank=True,
        default="",
        db_default="",
        help_text="What it is for, and what to know before using it.",
    )
    tags = models.JSONField(default=list, db_default=[], blank=True, help_text="Words for searching.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="one_default_classifier"
            ),
            models.CheckConstraint(
                name="review_needs_set_level", condition=Q(review=False) | Q(set_level__gt=0)
            ),
            models.CheckConstraint(
                name="default_classifier_is_served", condition=Q(is_default=False) | Q(archived_at=None)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def activation(self) -> "Activation | None":
        """The current activation, which has the highest number; None if no version was ever activated."""
        return self.activations.select_related("version").order_by("-number").first()


class Dataset(Archivable):
    """An immutable table; the same bytes with the same target under the same name are the same dataset."""

    name = models.CharField(max_length=100, validators=[name_validator])
    number = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    target = models.CharField(max_length=255)
    contract_data = models.JSONField()
    profile = models.JSONField()
    reading = models.JSONField(
        default=dict,
        help_text="How the file was read: its form, what was recognised or chosen, and the notation of each column. "
        "Empty for tables from before this was stored.",
    )
    origin = models.JSONField(
        default=dict,
        db_default={},
        help_text="The query that returned it: source, SQL and time. Empty for a file.",
    )
    warnings = models.JSONField(
        default=list, help_text="What to know before training: code, column and message of each."
    )
    rows = models.PositiveIntegerField()
    columns = models.PositiveIntegerField()
    size_bytes = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)

    class Meta:
        ordering = ["name", "-number"]
        permissions = [("query_source", "Can make datasets from databases")]
        constraints = [
            models.UniqueConstraint(fields=["name", "number"], name="dataset_number_once"),
            models.UniqueConstraint(fields=["name", "target", "sha256"], name="dataset_content_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.number}"

    @property
    def file_name(self) -> str:
        """The name of the file in storage; datasets with the same bytes share it."""
        return f"{self.sha256}.csv"

    @property
    def contract(self) -> Contract:
        return Contract.from_dict(self.contract_data)

    @property
    def dates(self) -> list[str]:
        """The columns that hold dates."""
        return [name for name, notation in self.reading.get("columns", {}).items() if notation.get("date")]

    @property
    def newest(self) -> "Dataset":
        """The newest dataset of this name and target that is not archived, which may be this one."""
        same = Dataset.objects.filter(Q(archived_at=None) | Q(pk=self.pk), name=self.name, target=self.target)
        return same.order_by("-number").defer("contract_data", "profile")[0]


class Upload(models.Model):
    """A file that a person has uploaded and not yet saved as a dataset; deleted after a day."""

    folder = models.CharField(max_length=36, default=new_name, editable=False)
    name = models.CharField(max_length=255, help_text="Name of the uploaded file.")
    size_bytes = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["created_at"], name="upload_created")]

    def __str__(self) -> str:
        return self.name

    @property
    def file_name(self) -> str:
        """The name of the file in storage."""
        return f"uploads/{self.folder}"


class Run(Archivable, Job):
    """One training run from request to end; only its methods change its state."""

    class State(models.TextChoices):
        QUEUED = Job.QUEUED
        RUNNING = Job.RUNNING
        SUCCEEDED = Job.SUCCEEDED
        FAILED = Job.FAILED
        CANCELLED = Job.CANCELLED

    classifier = models.ForeignKey(Classifier, models.PROTECT, related_name="runs")
    dataset = models.ForeignKey(Dataset, models.PROTECT, related_name="runs")
    recipe_data = models.JSONField()
    corrections_data = models.JSONField(
        "corrections", default=dict, help_text="Choices that differ from the dataset's contract."
    )
    activate_when_done = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    phase = models.CharField(
        max_length=10,
        blank=True,
        choices=[(phase.value, phase.words) for phase in Phase],
        help_text="The current or last phase.",
    )
    phase_at = models.DateTimeField(null=True, blank=True, help_text="Start of the phase.")
    phase_done = models.PositiveIntegerField(default=0, help_text="Finished parts of the phase.")
    phase_total = models.PositiveIntegerField(default=0)
    stop_requested_at = models.DateTimeField(
        null=True, blank=True, help_text="Time of a request to end the search with the best setting so far."
    )
    fits_done = models.PositiveIntegerField(default=0)
    fits_total = models.PositiveIntegerField(default=0)
    fits_furthest = models.PositiveIntegerField(
        default=0, editable=False, help_text="Models fitted by the attempt that got furthest."
    )
    best_score = models.FloatField(null=True, blank=True)
    history = models.JSONField(
        default=list,
        help_text="Best scores over time: seconds since the start, models fitted, and the mean over the folds.",
    )
    candidates = models.JSONField(default=list)
    warnings = models.JSONField(default=list, help_text="Problems that did not stop the run.")
    tracking_url = models.URLField(
        max_length=500, blank=True, help_text="The run's page at Weights & Biases."
    )

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["state"], name="run_state")]
        constraints = [
            models.CheckConstraint(
                name="run_finished_has_time",
                condition=Q(state__in=["queued", "running"], finished_at=None)
                | Q(state__in=["succeeded", "failed", "cancelled"], finished_at__isnull=False),
            ),
            models.CheckConstraint(name="run_failed_has_reason", condition=~Q(state="failed", error="")),
            models.CheckConstraint(name="run_running_has_owner", condition=~Q(state="running", claim=None)),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"

    @property
    def recipe(self) -> Recipe:
        return Recipe(**self.recipe_data)

    @property
    def corrections(self) -> Corrections:
        return Corrections.from_dict(self.corrections_data)

    @property
    def data_warnings(self) -> list[dict[str, str]]:
        """The warnings of the dataset, without those about columns that are left out by choice."""
        gone = self.corrections.chosen(Choice.LEAVE_OUT)
        return [warning for warning in self.dataset.warnings if warning["column"] not in gone]

    @property
    def seconds(self) -> float | None:
        """The seconds from the start to the end, or until now; None before the start."""
        if self.started_at is None:
            return None
        return ((self.finished_at or timezone.now()) - self.started_at).total_seconds()

    @property
    def phase_number(self) -> int:
        """The position of the current phase, from 1; 0 before the first."""
        return Phase(self.phase).number if self.phase else 0

    @property
    def is_timed(self) -> bool:
        """Whether the search goes on for a time, so the number of models to fit is not known before its end."""
        return self.recipe.search == PORTFOLIO

    @property
    def percent(self) -> int:
        """The progress of the current phase in percent."""
        if self.state == self.State.SUCCEEDED:
            return 100
        return 100 * self.phase_done // self.phase_total if self.phase_total else 0

    @property
    def seconds_left(self) -> float | None:
        """The seconds left of the current phase at the pace so far; None if unknown."""
        if self.state != self.State.RUNNING or self.phase_at is None or not self.phase_done:
            return None
        if self.stop_requested_at and self.phase == Phase.SEARCH:
            return None
        seconds = (timezone.now() - self.phase_at).total_seconds()
        # the first fits say little about the others
        if self.phase == Phase.SEARCH and (seconds < SURE_SECONDS or self.percent < SURE_PERCENT):
            return None
        left = seconds / self.phase_done * max(self.phase_total - self.phase_done, 0)
        budget = self.recipe.budget_minutes
        if self.phase != Phase.SEARCH or budget is None:
            return left
        return min(left, max(60 * budget - seconds, 0))

    @property
    def can_stop(self) -> bool:
        """Whether `request_stop` may still end the search; only a search within a budget of time looks at the clock."""
        is_early = self.state == self.State.RUNNING and self.phase in {
            *("", Phase.READ, Phase.CHECK, Phase.SEARCH)
        }
        is_asked = self.stop_requested_at is not None or self.cancel_requested_at is not None
        return is_early and not is_asked and self.recipe.budget_minutes is not None

    def request_stop(self) -> bool:
        """Ask the search to end with the best setting so far; False if it is over or cannot."""
        return self.can_stop and self.change((self.RUNNING,), stop_requested_at=timezone.now())

    def begun(self) -> dict[str, Any]:
        nothing = {"phase": "", "phase_at": None, "phase_done": 0, "phase_total": 0}
        return {**nothing, "stop_requested_at": None, "fits_done": 0, "best_score": None, "history": []}

    def note(self, progress: Progress) -> None:
        """Store the progress of the phase; in a search, also the times at which the best score changed."""
        values = {"phase": progress.phase, "phase_done": progress.done, "phase_total": progress.total}
        if progress.phase != self.phase:
            values["phase_at"] = timezone.now()
        if progress.phase == Phase.SEARCH:
            values |= self._of_search(progress)
        self.change(self.OWNED, **values)

    def _of_search(self, progress: Progress) -> dict[str, Any]:
        history = self.history
        if progress.best is not None and (not history or progress.best != history[-1][2]):
            history = [*history, [round(self.seconds or 0, 1), progress.done, progress.best]]
        further = (
            {"fits_furthest": progress.done, "attempts_without_progress": 0}
            if progress.done > self.fits_furthest
            else {}
        )
        return {
            "fits_done": progress.done,
            "fits_total": progress.total,
            "best_score": progress.best,
            "history": history,
            **further,
        }

    def succeed(self, candidates: list[dict[str, Any]], warnings: list[str] | None = None) -> bool:
        """Mark the run as succeeded; return False if another process owns it now."""
        return self.change(
            self.OWNED,
            state=self.State.SUCCEEDED,
            finished_at=timezone.now(),
            fits_done=F("fits_total"),
            candidates=candidates,
            best_score=candidates[0]["mean"],
            warnings=warnings or [],
        )

    def warn(self, message: str) -> None:
        """Add a warning to a run in any state."""
        self.refresh_from_db(fields=["warnings"])
        self.warnings = [*self.warnings, message]
        Run.objects.filter(pk=self.pk).update(warnings=self.warnings)


class MachineSpeed(models.Model):
    """How fast a machine fits models, from which the time of runs is estimated."""

    host = models.CharField(max_length=255, unique=True)
    cores = models.PositiveIntegerField()
    factors = models.JSONField(
        help_text="Slowness by estimator family, relative to the machine of training.ml.search.cost."
    )
    measured_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.host


class VersionQuerySet(models.QuerySet["Version"]):
    def with_active(self) -> Self:
        """Add `active` to each row: whether the version is the active one of its classifier."""
        return self.annotate(active=Exists(Activation.objects.in_force().filter(version=OuterRef("pk"))))


class Version(Archivable):
    """The result of a run: artifacts with their SHA-256, contract and evaluation. Never edited after that.

    The files of versions that were never active may be removed later, which `artifacts_removed_at` tells.
    """

    classifier = models.ForeignKey(Classifier, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    run = models.OneToOneField(Run, models.PROTECT, related_name="version")
    contract_data = models.JSONField()
    family = models.CharField(max_length=50, blank=True, help_text="Estimator family of the best model.")
    params = models.JSONField()
    cross_validation = models.JSONField()
    held_out = models.JSONField()
    threshold = models.FloatField(null=True, blank=True)
    out_of_fold = models.JSONField(
        default=dict,
        db_default={},
        editable=False,
        help_text="Costs of mistakes by threshold, from the cross-validated probabilities of the training rows.",
    )
    artifacts = models.JSONField(help_text="Per part of the model: file name, SHA-256 and size in bytes.")
    libraries = models.JSONField()
    golden = models.JSONField(help_text="Held-out rows with the probabilities given at training.")
    engine = models.JSONField(
        default=dict,
        help_text="Engine that scores its rows, and the comparison with scikit-learn at registration.",
    )
    reference_data = models.JSONField(
        default=dict,
        db_default={},
        editable=False,
        help_text="Counts of its table and its held-out rows in the bins in which predictions are counted.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    artifacts_removed_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Time at which its files were removed to free space."
    )

    objects = VersionQuerySet.as_manager()

    # These columns may hold thousands of numbers per row, which lists do not need.
    BULKY: ClassVar[tuple[str, ...]] = (
        *("contract_data", "params", "cross_validation", "held_out", "out_of_fold"),
        *("artifacts", "libraries", "golden", "engine", "reference_data"),
    )

    class Meta:
        ordering = ["classifier", "-number"]
        constraints = [models.UniqueConstraint(fields=["classifier", "number"], name="version_number_once")]
        permissions = [("activate_version", "Can activate a version")]

    def __str__(self) -> str:
        return f"{self.classifier} v{self.number}"

    @property
    def contract(self) -> Contract:
        return Contract.from_dict(self.contract_data)

    @classmethod
    def bulky(cls, *needed: str, path: str = "") -> list[str]:
        """Return the bulky columns except the needed ones, for a query's `defer`.

        Args:
            path: the lookup from the rows of the query to the version, such as `version__`.
        """
        return [f"{path}{name}" for name in cls.BULKY if name not in needed]

    @property
    def metrics(self) -> dict[str, float]:
        """The five held-out metrics."""
        metrics: dict[str, float] = self.held_out["metrics"]
        return metrics

    @property
    def reference(self) -> Reference:
        """The bins of its predictions; those of a version from before they were stored follow from the table's profile."""
        if self.reference_data:
            return Reference.from_dict(self.reference_data)
        return taken_over(self.contract, self.run.dataset.profile, self.held_out, self.run.dataset.rows)

    def least_probabilities(self, level: float) -> list[float] | None:
        """The least probability of each class in a set of the level; None if it is 0, and for versions without sets."""
        least: list[float] | None = (self.held_out.get("sets") or {}).get(str(level))
        return least

    @property
    def is_active(self) -> bool:
        activation = self.classifier.activation
        return activation is not None and activation.version_id == self.pk


class ActivationQuerySet(models.QuerySet["Activation"]):
    def in_force(self) -> Self:
        """The newest activation of each classifier."""
        newest = Activation.objects.filter(classifier=OuterRef("classifier")).order_by("-number")
        return self.filter(number=Subquery(newest.values("number")[:1]))


class Activation(models.Model):
    """The activation of a version. The one with the highest number of a classifier is current. Never edited."""

    classifier = models.ForeignKey(Classifier, models.PROTECT, related_name="activations")
    number = models.PositiveIntegerField()
    version = models.ForeignKey(Version, models.PROTECT, related_name="activations")
    threshold = models.FloatField(null=True, blank=True, help_text="Empty: the threshold of the version.")
    costs_data = models.JSONField(
        "costs",
        default=dict,
        db_default={},
        help_text="Costs of mistakes: the unit, and the cost by actual and predicted class. With more than two classes, "
        "the label of the least expected cost is answered.",
    )
    reason = models.CharField(max_length=500)
    actor = models.CharField(max_length=150, help_text="A login, the name of a key, or the command line.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ActivationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["classifier", "number"], name="activation_number_once"),
            models.CheckConstraint(
                name="activation_threshold_is_probability",
                condition=Q(threshold=None) | Q(threshold__gte=0, threshold__lte=1),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} since {self.created_at:%Y-%m-%d %H:%M} UTC"

    @property
    def threshold_in_force(self) -> float | None:
        """The threshold that answers: its own, or that of the version; None with more than two classes."""
        return self.version.threshold if self.threshold is None else self.threshold

    @property
    def costs(self) -> Costs | None:
        """What mistakes cost; None if it was not said."""
        return Costs.from_dict(self.costs_data, self.version.contract.classes) if self.costs_data else None
