from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from predictions.roles import grant

GRANTED = {"approver": ["predictions.add_erasure"]}


def grant_approvers(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    grant(apps, schema_editor.connection.alias, GRANTED)


class Migration(migrations.Migration):
    dependencies = [
        ("predictions", "0012_erasures_and_retraining"),
    ]

    operations = [migrations.RunPython(grant_approvers, migrations.RunPython.noop)]
