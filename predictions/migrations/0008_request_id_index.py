from importlib import import_module

from django.db import migrations, models

AddIndexInBackground = import_module(
    "predictions.migrations.0006_prediction_reference_index"
).AddIndexInBackground


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("predictions", "0007_request_ids"),
    ]

    operations = [
        AddIndexInBackground(
            model_name="prediction",
            index=models.Index(
                condition=models.Q(("request_id__isnull", False)),
                fields=["request_id", "id"],
                name="prediction_request",
            ),
        ),
    ]
