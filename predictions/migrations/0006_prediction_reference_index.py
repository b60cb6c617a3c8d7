from typing import Any

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


class AddIndexInBackground(migrations.AddIndex):
    """On PostgreSQL the log is written while the index is made. What an interrupted attempt left is removed first."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        schema_editor.execute(
            f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.index.name)}"
        )
        schema_editor.add_index(model, self.index, concurrently=True)  # type: ignore[call-arg]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("predictions", "0005_prediction_reference"),
    ]

    operations = [
        AddIndexInBackground(
            model_name="prediction",
            index=models.Index(
                condition=models.Q(("reference__isnull", False)),
                fields=["reference", "id"],
                name="prediction_reference",
            ),
        ),
    ]
