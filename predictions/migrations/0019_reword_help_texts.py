import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("predictions", "0018_last_evaluations"),
        ("training", "0015_run_request_id"),
    ]

    operations = [
        migrations.AlterField(
            model_name="alert",
            name="announced_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Time at which its messages were written; empty while it is silenced.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="alert",
            name="ended_at",
            field=models.DateTimeField(blank=True, help_text="Time at which the condition ended.", null=True),
        ),
        migrations.AlterField(
            model_name="alert",
            name="subject",
            field=models.CharField(blank=True, help_text="The input or label concerned.", max_length=1000),
        ),
        migrations.AlterField(
            model_name="apikey",
            name="hint",
            field=models.CharField(
                editable=False, help_text="First characters of the key, to recognise it.", max_length=12
            ),
        ),
        migrations.AlterField(
            model_name="apikey",
            name="name",
            field=models.CharField(help_text="The person or program that uses it.", max_length=100),
        ),
        migrations.AlterField(
            model_name="apikey",
            name="rate",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Calls per minute. 0: no limit. Empty: the site's limit (CLFSITE_KEY_RATE).",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="batch",
            name="attempt",
            field=models.PositiveSmallIntegerField(default=0, help_text="Number of attempts."),
        ),
        migrations.AlterField(
            model_name="batch",
            name="attempts_without_progress",
            field=models.PositiveSmallIntegerField(
                default=0, editable=False, help_text="Number of attempts since the last progress."
            ),
        ),
        migrations.AlterField(
            model_name="batch",
            name="bytes_done",
            field=models.PositiveBigIntegerField(default=0, help_text="Bytes of the file that are checked."),
        ),
        migrations.AlterField(
            model_name="batch",
            name="file_name",
            field=models.CharField(help_text="Name of the uploaded file.", max_length=255),
        ),
        migrations.AlterField(
            model_name="batch",
            name="files_removed_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="Time at which its files were removed to free space.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="batch",
            name="hold",
            field=models.BooleanField(
                default=False, help_text="Whether it waits after the check until a person starts the scoring."
            ),
        ),
        migrations.AlterField(
            model_name="batch",
            name="id_prefix",
            field=models.CharField(
                blank=True,
                editable=False,
                help_text="First characters of the ids of its predictions.",
                max_length=28,
            ),
        ),
        migrations.AlterField(
            model_name="batch",
            name="lease_until",
            field=models.DateTimeField(
                blank=True,
                help_text="Until when its owner holds it; after that, another process may restart it.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="batch",
            name="mode",
            field=models.CharField(
                choices=[("strict", "Strict"), ("lenient", "Lenient")],
                default="strict",
                help_text="Whether an invalid row stops the batch, or the valid rows are scored.",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="batch",
            name="pace",
            field=models.FloatField(blank=True, help_text="Rows per second of the current phase.", null=True),
        ),
        migrations.AlterField(
            model_name="batch",
            name="preview",
            field=models.JSONField(
                default=dict, help_text="Its first rows, and the invalid and unseen values of each feature."
            ),
        ),
        migrations.AlterField(
            model_name="batch",
            name="refuses_unseen",
            field=models.BooleanField(
                default=False, help_text="Whether the classifier was strict at the time of the upload."
            ),
        ),
        migrations.AlterField(
            model_name="batch",
            name="rows_done",
            field=models.PositiveIntegerField(
                default=0, help_text="Rows that are checked, and then scored or skipped."
            ),
        ),
        migrations.AlterField(
            model_name="batch",
            name="rows_unseen",
            field=models.PositiveIntegerField(
                default=0, help_text="Rows with a value outside the training data."
            ),
        ),
        migrations.AlterField(
            model_name="batch",
            name="scoring_at",
            field=models.DateTimeField(
                blank=True, help_text="Time at which its first row was scored.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="batch",
            name="summary",
            field=models.JSONField(default=dict, help_text="Counts for its charts."),
        ),
        migrations.AlterField(
            model_name="batchpart",
            name="rows",
            field=models.PositiveIntegerField(help_text="Scored rows."),
        ),
        migrations.AlterField(
            model_name="batchpart",
            name="summary",
            field=models.JSONField(help_text="Counts for the charts."),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="key",
            field=models.CharField(
                help_text="Identifies the event, so it is sent only once.", max_length=200
            ),
        ),
        migrations.AlterField(
            model_name="feedback",
            name="superseded_at",
            field=models.DateTimeField(
                blank=True, editable=False, help_text="Time at which a correction replaced it.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="feedbackcount",
            name="hour",
            field=models.DateTimeField(help_text="Hour of the predictions."),
        ),
        migrations.AlterField(
            model_name="hourlyrefusal",
            name="predictions",
            field=models.PositiveBigIntegerField(help_text="Refused predictions."),
        ),
        migrations.AlterField(
            model_name="inspection",
            name="differs_since",
            field=models.DateTimeField(
                blank=True,
                help_text="Time from which rows differ from training; empty if they do not.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="prediction",
            name="activation",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                help_text="The current activation, with its threshold; empty for a version that was not active.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="training.activation",
            ),
        ),
        migrations.AlterField(
            model_name="prediction",
            name="probability",
            field=models.FloatField(help_text="Probability of the label."),
        ),
        migrations.AlterField(
            model_name="receiver",
            name="classifier",
            field=models.ForeignKey(
                blank=True,
                help_text="Empty: all classifiers.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="training.classifier",
            ),
        ),
        migrations.AlterField(
            model_name="receiver",
            name="target",
            field=models.CharField(
                help_text="Mail addresses, separated by commas, or a URL.", max_length=1000
            ),
        ),
        migrations.AlterField(
            model_name="retraining",
            name="on_alert",
            field=models.BooleanField(default=False, help_text="Whether an open alert starts a training."),
        ),
        migrations.AlterField(
            model_name="threshold",
            name="value",
            field=models.FloatField(blank=True, help_text="Empty: the rule is switched off.", null=True),
        ),
    ]
