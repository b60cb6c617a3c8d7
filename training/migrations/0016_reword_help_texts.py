from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0015_run_request_id"),
    ]

    operations = [
        migrations.AlterField(
            model_name="activation",
            name="actor",
            field=models.CharField(
                help_text="A login, the name of a key, or the command line.", max_length=150
            ),
        ),
        migrations.AlterField(
            model_name="activation",
            name="costs_data",
            field=models.JSONField(
                db_default={},
                default=dict,
                help_text="Costs of mistakes: the unit, and the cost by actual and predicted class. With more than two classes, the label of the least expected cost is answered.",
                verbose_name="costs",
            ),
        ),
        migrations.AlterField(
            model_name="activation",
            name="threshold",
            field=models.FloatField(blank=True, help_text="Empty: the threshold of the version.", null=True),
        ),
        migrations.AlterField(
            model_name="classifier",
            name="archived_at",
            field=models.DateTimeField(
                blank=True,
                db_index=True,
                editable=False,
                help_text="Time from which it is hidden from lists.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="classifier",
            name="is_default",
            field=models.BooleanField(
                default=False, help_text="Answers requests that do not name a classifier."
            ),
        ),
        migrations.AlterField(
            model_name="classifier",
            name="strict",
            field=models.BooleanField(
                default=False, help_text="Refuse values outside the training data instead of warning."
            ),
        ),
        migrations.AlterField(
            model_name="classifier",
            name="tags",
            field=models.JSONField(blank=True, db_default=[], default=list, help_text="Words for searching."),
        ),
        migrations.AlterField(
            model_name="dataset",
            name="archived_at",
            field=models.DateTimeField(
                blank=True,
                db_index=True,
                editable=False,
                help_text="Time from which it is hidden from lists.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="dataset",
            name="origin",
            field=models.JSONField(
                db_default={},
                default=dict,
                help_text="The query that returned it: source, SQL and time. Empty for a file.",
            ),
        ),
        migrations.AlterField(
            model_name="machinespeed",
            name="factors",
            field=models.JSONField(
                help_text="Slowness by estimator family, relative to the machine of training.ml.search.cost."
            ),
        ),
        migrations.AlterField(
            model_name="run",
            name="archived_at",
            field=models.DateTimeField(
                blank=True,
                db_index=True,
                editable=False,
                help_text="Time from which it is hidden from lists.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="run",
            name="attempt",
            field=models.PositiveSmallIntegerField(default=0, help_text="Number of attempts."),
        ),
        migrations.AlterField(
            model_name="run",
            name="attempts_without_progress",
            field=models.PositiveSmallIntegerField(
                default=0, editable=False, help_text="Number of attempts since the last progress."
            ),
        ),
        migrations.AlterField(
            model_name="run",
            name="corrections_data",
            field=models.JSONField(
                default=dict,
                help_text="Choices that differ from the dataset's contract.",
                verbose_name="corrections",
            ),
        ),
        migrations.AlterField(
            model_name="run",
            name="fits_furthest",
            field=models.PositiveIntegerField(
                default=0, editable=False, help_text="Models fitted by the attempt that got furthest."
            ),
        ),
        migrations.AlterField(
            model_name="run",
            name="history",
            field=models.JSONField(
                default=list,
                help_text="Best scores over time: seconds since the start, models fitted, and the mean over the folds.",
            ),
        ),
        migrations.AlterField(
            model_name="run",
            name="lease_until",
            field=models.DateTimeField(
                blank=True,
                help_text="Until when its owner holds it; after that, another process may restart it.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="run",
            name="phase",
            field=models.CharField(
                blank=True,
                choices=[
                    ("read", "Reading the table"),
                    ("check", "Checking the table"),
                    ("search", "Searching for the best model"),
                    ("refit", "Fitting the best model"),
                    ("judge", "Judging the model on held-out rows"),
                    ("importance", "Measuring how much each input matters"),
                    ("compile", "Compiling the model for fast answers"),
                    ("save", "Saving the version"),
                ],
                help_text="The current or last phase.",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="run",
            name="phase_at",
            field=models.DateTimeField(blank=True, help_text="Start of the phase.", null=True),
        ),
        migrations.AlterField(
            model_name="run",
            name="phase_done",
            field=models.PositiveIntegerField(default=0, help_text="Finished parts of the phase."),
        ),
        migrations.AlterField(
            model_name="run",
            name="stop_requested_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Time of a request to end the search with the best setting so far.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="run",
            name="warnings",
            field=models.JSONField(default=list, help_text="Problems that did not stop the run."),
        ),
        migrations.AlterField(
            model_name="upload",
            name="name",
            field=models.CharField(help_text="Name of the uploaded file.", max_length=255),
        ),
        migrations.AlterField(
            model_name="version",
            name="archived_at",
            field=models.DateTimeField(
                blank=True,
                db_index=True,
                editable=False,
                help_text="Time from which it is hidden from lists.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="version",
            name="artifacts_removed_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="Time at which its files were removed to free space.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="version",
            name="engine",
            field=models.JSONField(
                default=dict,
                help_text="Engine that scores its rows, and the comparison with scikit-learn at registration.",
            ),
        ),
        migrations.AlterField(
            model_name="version",
            name="family",
            field=models.CharField(
                blank=True, help_text="Estimator family of the best model.", max_length=50
            ),
        ),
        migrations.AlterField(
            model_name="version",
            name="out_of_fold",
            field=models.JSONField(
                db_default={},
                default=dict,
                editable=False,
                help_text="Costs of mistakes by threshold, from the cross-validated probabilities of the training rows.",
            ),
        ),
        migrations.AlterField(
            model_name="version",
            name="reference_data",
            field=models.JSONField(
                db_default={},
                default=dict,
                editable=False,
                help_text="Counts of its table and its held-out rows in the bins in which predictions are counted.",
            ),
        ),
    ]
