import django.db.models.deletion
import django.utils.timezone
from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import predictions.log.fields
import predictions.models
from predictions.roles import grant

LOOK = [
    *(f"training.view_{model}" for model in ("classifier", "dataset", "run", "version", "activation")),
    *(f"predictions.view_{model}" for model in ("prediction", "batch", "feedback")),
]
GRANTED = {
    "viewer": LOOK,
    "analyst": [
        *LOOK,
        "predictions.add_prediction",
        "predictions.add_batch",
        "predictions.add_feedback",
    ],
    "trainer": [*LOOK, "training.add_dataset", "training.add_run"],
    "approver": [
        *LOOK,
        "training.activate_version",
        "training.change_classifier",
        "predictions.view_apikey",
        "predictions.add_apikey",
        "predictions.change_apikey",
    ],
}


def grant_roles(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    grant(apps, schema_editor.connection.alias, GRANTED)


class Migration(migrations.Migration):
    initial = True

    # a database that has all of these counts this one as applied, see docs/operations.md
    replaces = [
        ("predictions", "0001_keys_batches_predictions"),
        ("predictions", "0002_batch_rows_by_index"),
        ("predictions", "0003_hourly_counts"),
        ("predictions", "0004_sources_of_protocols"),
        ("predictions", "0005_feedback"),
        ("predictions", "0006_kept_answers"),
        ("predictions", "0007_roles"),
        ("predictions", "0008_key_rate"),
        ("predictions", "0009_log_as_it_is_written"),
        ("predictions", "0010_log_indexes"),
        ("predictions", "0011_key_makers"),
        ("predictions", "0012_batch_jobs"),
        ("predictions", "0013_log_as_text"),
    ]

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("training", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(help_text="Who or what calls with it.", max_length=100)),
                ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                (
                    "hint",
                    models.CharField(
                        editable=False, help_text="How the key begins, to recognise it.", max_length=12
                    ),
                ),
                ("scopes", models.JSONField(default=list)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "rate",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Calls a minute; 0 for no limit, empty for what the site allows (CLFSITE_KEY_RATE).",
                        null=True,
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "created_by",
                    models.CharField(
                        blank=True,
                        editable=False,
                        help_text="A login, or empty for the command line.",
                        max_length=150,
                    ),
                ),
                ("revoked_by", models.CharField(blank=True, editable=False, max_length=150)),
            ],
            options={
                "verbose_name": "API key",
                "verbose_name_plural": "API keys",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Batch",
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
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("checked", "Checked"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                (
                    "mode",
                    models.CharField(
                        choices=[("strict", "Strict"), ("lenient", "Lenient")],
                        default="strict",
                        help_text="Whether one bad row stops all of it, or the others are scored.",
                        max_length=10,
                    ),
                ),
                (
                    "hold",
                    models.BooleanField(
                        default=False,
                        help_text="Whether it waits after the check until somebody starts the scoring.",
                    ),
                ),
                (
                    "refuses_unseen",
                    models.BooleanField(
                        default=False, help_text="Whether the classifier was strict when the file came."
                    ),
                ),
                ("caller", models.CharField(max_length=150)),
                ("file_name", models.CharField(help_text="As the uploader called it.", max_length=255)),
                (
                    "folder",
                    models.CharField(default=predictions.models.new_folder, editable=False, max_length=36),
                ),
                ("size_bytes", models.PositiveBigIntegerField(default=0)),
                ("header", models.JSONField(default=list, help_text="The names of the file's columns.")),
                (
                    "preview",
                    models.JSONField(
                        default=dict,
                        help_text="Its first rows, and per feature how many values are bad or were never seen.",
                    ),
                ),
                (
                    "problems",
                    models.JSONField(
                        default=list, help_text="The first problems of the file by line and column."
                    ),
                ),
                ("problem_count", models.PositiveIntegerField(default=0)),
                ("checked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "bytes_done",
                    models.PositiveBigIntegerField(default=0, help_text="Of the file, while it is checked."),
                ),
                ("rows_total", models.PositiveIntegerField(default=0)),
                ("rows_bad", models.PositiveIntegerField(default=0)),
                (
                    "rows_unseen",
                    models.PositiveIntegerField(
                        default=0, help_text="Rows with a value that training never saw."
                    ),
                ),
                (
                    "rows_done",
                    models.PositiveIntegerField(
                        default=0, help_text="Checked, and then scored or passed over."
                    ),
                ),
                (
                    "pace",
                    models.FloatField(blank=True, help_text="Rows a second, of what it is doing.", null=True),
                ),
                (
                    "scoring_at",
                    models.DateTimeField(blank=True, help_text="When its first row was scored.", null=True),
                ),
                (
                    "id_prefix",
                    models.CharField(
                        blank=True,
                        editable=False,
                        help_text="How the ids of its predictions begin.",
                        max_length=28,
                    ),
                ),
                ("summary", models.JSONField(default=dict, help_text="What its charts count.")),
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
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="batches",
                        to="training.version",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "batches",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="BatchPart",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField(help_text="Position in the file, from 0.")),
                ("rows", models.PositiveIntegerField(help_text="Scored ones.")),
                ("size_bytes", models.PositiveBigIntegerField()),
                ("summary", models.JSONField(help_text="What the charts count.")),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="parts",
                        to="predictions.batch",
                    ),
                ),
            ],
            options={
                "ordering": ["batch", "number"],
            },
        ),
        migrations.CreateModel(
            name="FeedbackCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField(help_text="Of the predictions.")),
                (
                    "predicted",
                    models.PositiveSmallIntegerField(help_text="Position among the classes of the contract."),
                ),
                (
                    "truth",
                    models.PositiveSmallIntegerField(help_text="Position among the classes of the contract."),
                ),
                ("predictions", models.BigIntegerField()),
                (
                    "version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="training.version",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="HourlyCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField()),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("api", "API"),
                            ("form", "Form"),
                            ("csv", "CSV"),
                            ("mlflow", "MLflow"),
                            ("open_inference", "Open Inference"),
                        ],
                        max_length=20,
                    ),
                ),
                ("label", models.CharField(max_length=1000)),
                (
                    "decile",
                    models.PositiveSmallIntegerField(help_text="Tenth of the label's probability, 0 to 9."),
                ),
                ("shard", models.PositiveSmallIntegerField()),
                ("predictions", models.PositiveBigIntegerField()),
                (
                    "version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="training.version",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="HourlyLatency",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField()),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("api", "API"),
                            ("form", "Form"),
                            ("csv", "CSV"),
                            ("mlflow", "MLflow"),
                            ("open_inference", "Open Inference"),
                        ],
                        max_length=20,
                    ),
                ),
                ("bucket", models.PositiveSmallIntegerField()),
                ("shard", models.PositiveSmallIntegerField()),
                ("predictions", models.PositiveBigIntegerField()),
                (
                    "version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="training.version",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "hourly latencies",
            },
        ),
        migrations.CreateModel(
            name="KeptAnswer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(help_text="The header's value.", max_length=255)),
                ("digest", models.CharField(help_text="SHA-256 of address and body.", max_length=64)),
                ("body", models.BinaryField()),
                (
                    "created_at",
                    models.DateTimeField(db_index=True, default=django.utils.timezone.now, editable=False),
                ),
                (
                    "key",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="predictions.apikey",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Prediction",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=predictions.models.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("features", predictions.log.fields.JSONTextField()),
                ("label", models.CharField(max_length=1000)),
                ("probability", models.FloatField(help_text="Of the label.")),
                ("probabilities", predictions.log.fields.JSONTextField()),
                ("warnings", predictions.log.fields.JSONTextField(default=list)),
                (
                    "latency_ms",
                    models.FloatField(
                        help_text="From the checked request to the scored row, without the log."
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("api", "API"),
                            ("form", "Form"),
                            ("csv", "CSV"),
                            ("mlflow", "MLflow"),
                            ("open_inference", "Open Inference"),
                        ],
                        max_length=20,
                    ),
                ),
                ("caller", models.CharField(help_text="A key's name or a login.", max_length=150)),
                (
                    "row",
                    models.PositiveIntegerField(
                        blank=True, help_text="Position in the batch, from 0.", null=True
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "batch",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="predictions",
                        to="predictions.batch",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="predictions",
                        to="training.version",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Feedback",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("label", models.CharField(max_length=1000)),
                (
                    "source",
                    models.CharField(
                        choices=[("api", "API"), ("form", "Form"), ("csv", "CSV")], max_length=20
                    ),
                ),
                ("actor", models.CharField(help_text="A key's name or a login.", max_length=150)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "superseded_at",
                    models.DateTimeField(
                        blank=True, editable=False, help_text="When a correction took its place.", null=True
                    ),
                ),
                (
                    "prediction",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="feedback",
                        to="predictions.prediction",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "feedback",
                "ordering": ["-id"],
            },
        ),
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(fields=["state"], name="batch_state"),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at", None), ("state__in", ["queued", "running", "checked"])),
                    models.Q(
                        ("finished_at__isnull", False), ("state__in", ["succeeded", "failed", "cancelled"])
                    ),
                    _connector="OR",
                ),
                name="batch_finished_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.CheckConstraint(
                condition=models.Q(("error", ""), ("state", "failed"), _negated=True),
                name="batch_failed_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.CheckConstraint(
                condition=models.Q(("claim", None), ("state", "running"), _negated=True),
                name="batch_running_has_owner",
            ),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.CheckConstraint(
                condition=models.Q(("checked_at", None), ("state", "checked"), _negated=True),
                name="batch_waits_checked",
            ),
        ),
        migrations.AddConstraint(
            model_name="batchpart",
            constraint=models.UniqueConstraint(fields=("batch", "number"), name="batch_part_once"),
        ),
        migrations.AddConstraint(
            model_name="feedbackcount",
            constraint=models.UniqueConstraint(
                fields=("version", "hour", "predicted", "truth"), name="feedback_count_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="hourlycount",
            constraint=models.UniqueConstraint(
                fields=("hour", "version", "source", "label", "decile", "shard"), name="hourly_count_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="hourlylatency",
            constraint=models.UniqueConstraint(
                fields=("hour", "version", "source", "bucket", "shard"), name="hourly_latency_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="keptanswer",
            constraint=models.UniqueConstraint(fields=("key", "name"), name="kept_answer_once"),
        ),
        migrations.AddIndex(
            model_name="prediction",
            index=models.Index(fields=["version", "id"], name="prediction_version"),
        ),
        migrations.AddIndex(
            model_name="prediction",
            index=models.Index(fields=["label", "id"], name="prediction_label"),
        ),
        migrations.AddIndex(
            model_name="prediction",
            index=models.Index(fields=["source", "id"], name="prediction_source"),
        ),
        migrations.AddIndex(
            model_name="prediction",
            index=models.Index(fields=["caller", "id"], name="prediction_caller"),
        ),
        migrations.AddConstraint(
            model_name="prediction",
            constraint=models.UniqueConstraint(
                condition=models.Q(("batch__isnull", False)),
                fields=("batch", "row"),
                name="prediction_batch_row_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="prediction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("batch", None), ("row", None)),
                    models.Q(("batch__isnull", False), ("row__isnull", False)),
                    _connector="OR",
                ),
                name="prediction_row_in_batch",
            ),
        ),
        migrations.AddConstraint(
            model_name="feedback",
            constraint=models.UniqueConstraint(
                condition=models.Q(("superseded_at", None)),
                fields=("prediction",),
                name="one_truth_per_prediction",
            ),
        ),
        migrations.AddConstraint(
            model_name="feedback",
            constraint=models.CheckConstraint(
                condition=models.Q(("label", ""), _negated=True), name="feedback_has_label"
            ),
        ),
        # going back leaves the groups: people may have been put into them, or into one of that name before
        migrations.RunPython(grant_roles, migrations.RunPython.noop),
    ]
