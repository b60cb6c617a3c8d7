from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

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
    dependencies = [
        ("predictions", "0006_kept_answers"),
        ("training", "0002_run_leases_and_warnings"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    # going back leaves the groups: people may have been put into them, or into one of that name before
    operations = [migrations.RunPython(grant_roles, migrations.RunPython.noop)]
