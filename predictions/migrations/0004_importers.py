from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from predictions.roles import grant

GRANTED = {
    "importer": [
        *(f"training.view_{model}" for model in ("classifier", "dataset", "run", "version", "activation")),
        *(f"predictions.view_{model}" for model in ("prediction", "batch", "feedback")),
        "training.query_source",
    ]
}


def grant_importers(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    grant(apps, schema_editor.connection.alias, GRANTED)


class Migration(migrations.Migration):
    dependencies = [
        ("predictions", "0003_reading_of_files"),
        ("training", "0009_query_source"),
    ]

    operations = [migrations.RunPython(grant_importers, migrations.RunPython.noop)]
