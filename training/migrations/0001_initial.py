import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    # a database that has all of these counts this one as applied, see docs/operations.md
    replaces = [
        ("training", "0001_datasets_runs_versions"),
        ("training", "0002_run_leases_and_warnings"),
        ("training", "0003_version_engine"),
        ("training", "0004_run_corrections_and_dataset_warnings"),
        ("training", "0005_heartbeat"),
        ("training", "0006_run_history"),
        ("training", "0007_history_of_means"),
    ]

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Classifier",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        max_length=100,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[A-Za-z0-9][A-Za-z0-9_.-]*\\Z",
                                "letters, digits, dots, hyphens and underscores only, beginning with a letter or digit",
                            )
                        ],
                    ),
                ),
                (
                    "is_default",
                    models.BooleanField(default=False, help_text="Answers requests that name no model."),
                ),
                (
                    "strict",
                    models.BooleanField(
                        default=False,
                        help_text="Refuse categories and ranges that training never saw, instead of warning.",
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_default", True)),
                        fields=("is_default",),
                        name="one_default_classifier",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Dataset",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        max_length=100,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[A-Za-z0-9][A-Za-z0-9_.-]*\\Z",
                                "letters, digits, dots, hyphens and underscores only, beginning with a letter or digit",
                            )
                        ],
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                ("target", models.CharField(max_length=255)),
                ("contract_data", models.JSONField()),
                ("profile", models.JSONField()),
                (
                    "warnings",
                    models.JSONField(
                        default=list,
                        help_text="What to know before training: code, column and message of each.",
                    ),
                ),
                ("rows", models.PositiveIntegerField()),
                ("columns", models.PositiveIntegerField()),
                ("size_bytes", models.PositiveBigIntegerField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["name", "-number"],
            },
        ),
        migrations.CreateModel(
            name="Run",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "claim",
                    models.UUIDField(
                        blank=True,
                        editable=False,
                        help_text="Token of the process that owns the run.",
                        null=True,
                    ),
                ),
                ("attempt", models.PositiveSmallIntegerField(default=0, help_text="How often it was begun.")),
                (
                    "lease_until",
                    models.DateTimeField(
                        blank=True,
                        help_text="Until when its owner is taken to be alive; another may begin it anew after.",
                        null=True,
                    ),
                ),
                ("cancel_requested_at", models.DateTimeField(blank=True, null=True)),
                ("error", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("recipe_data", models.JSONField()),
                (
                    "corrections_data",
                    models.JSONField(
                        default=dict,
                        help_text="What was chosen otherwise than the dataset's contract has it.",
                        verbose_name="corrections",
                    ),
                ),
                ("activate_when_done", models.BooleanField(default=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("fits_done", models.PositiveIntegerField(default=0)),
                ("fits_total", models.PositiveIntegerField(default=0)),
                ("best_score", models.FloatField(blank=True, null=True)),
                (
                    "history",
                    models.JSONField(
                        default=list,
                        help_text="How the best score of a setting rose: seconds since the start, models fitted, and the mean over the folds.",
                    ),
                ),
                ("candidates", models.JSONField(default=list)),
                (
                    "warnings",
                    models.JSONField(
                        default=list, help_text="What went less well than asked, without harm to the result."
                    ),
                ),
                (
                    "tracking_url",
                    models.URLField(
                        blank=True, help_text="The run's page at Weights & Biases.", max_length=500
                    ),
                ),
                (
                    "classifier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runs",
                        to="training.classifier",
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "dataset",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runs",
                        to="training.dataset",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Version",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("contract_data", models.JSONField()),
                (
                    "family",
                    models.CharField(blank=True, help_text="The estimator family that won.", max_length=50),
                ),
                ("params", models.JSONField()),
                ("cross_validation", models.JSONField()),
                ("held_out", models.JSONField()),
                ("threshold", models.FloatField(blank=True, null=True)),
                (
                    "artifacts",
                    models.JSONField(
                        help_text="Per part of the model: file name, SHA-256 and size in bytes."
                    ),
                ),
                ("libraries", models.JSONField()),
                (
                    "golden",
                    models.JSONField(help_text="Held-out rows with the probabilities given at training."),
                ),
                (
                    "engine",
                    models.JSONField(
                        default=dict,
                        help_text="What scores its rows, as it was compared with scikit-learn at registration.",
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "classifier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="training.classifier",
                    ),
                ),
                (
                    "run",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="version", to="training.run"
                    ),
                ),
            ],
            options={
                "ordering": ["classifier", "-number"],
                "permissions": [("activate_version", "Can activate a version")],
            },
        ),
        migrations.CreateModel(
            name="Activation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("reason", models.CharField(max_length=500)),
                (
                    "actor",
                    models.CharField(
                        help_text="Who: a login, a key's name, or the command line.", max_length=150
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "classifier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="activations",
                        to="training.classifier",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="activations",
                        to="training.version",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.AddConstraint(
            model_name="dataset",
            constraint=models.UniqueConstraint(fields=("name", "number"), name="dataset_number_once"),
        ),
        migrations.AddConstraint(
            model_name="dataset",
            constraint=models.UniqueConstraint(
                fields=("name", "target", "sha256"), name="dataset_content_once"
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["state"], name="run_state"),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at", None), ("state__in", ["queued", "running"])),
                    models.Q(
                        ("finished_at__isnull", False), ("state__in", ["succeeded", "failed", "cancelled"])
                    ),
                    _connector="OR",
                ),
                name="run_finished_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.CheckConstraint(
                condition=models.Q(("error", ""), ("state", "failed"), _negated=True),
                name="run_failed_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.CheckConstraint(
                condition=models.Q(("claim", None), ("state", "running"), _negated=True),
                name="run_running_has_owner",
            ),
        ),
        migrations.AddConstraint(
            model_name="version",
            constraint=models.UniqueConstraint(fields=("classifier", "number"), name="version_number_once"),
        ),
        migrations.AddConstraint(
            model_name="activation",
            constraint=models.UniqueConstraint(
                fields=("classifier", "number"), name="activation_number_once"
            ),
        ),
    ]
