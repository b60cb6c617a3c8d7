from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from predictions.roles import grant

GRANTED = {"approver": ["predictions.change_alert", "predictions.change_receiver"]}


def grant_approvers(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    grant(apps, schema_editor.connection.alias, GRANTED)


class Migration(migrations.Migration):
    dependencies = [
        ("predictions", "0009_alerts"),
    ]

    operations = [migrations.RunPython(grant_approvers, migrations.RunPython.noop)]
