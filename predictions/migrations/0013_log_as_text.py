from typing import Any

from django.db import migrations

import predictions.log.fields

COLUMNS = ("features", "probabilities", "warnings")


def change_type(kind: str) -> Any:
    """Give all columns another type in one pass over the table; SQLite keeps JSON as text anyway."""

    def change(_apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            changes = (f"ALTER COLUMN {name} TYPE {kind} USING {name}::{kind}" for name in COLUMNS)
            schema_editor.execute(f"ALTER TABLE predictions_prediction {', '.join(changes)}")

    return change


class Migration(migrations.Migration):
    dependencies = [("predictions", "0012_batch_jobs")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(change_type("text"), change_type("json"))],
            state_operations=[
                migrations.AlterField("prediction", "features", predictions.log.fields.JSONTextField()),
                migrations.AlterField("prediction", "probabilities", predictions.log.fields.JSONTextField()),
                migrations.AlterField(
                    "prediction", "warnings", predictions.log.fields.JSONTextField(default=list)
                ),
            ],
        ),
    ]
