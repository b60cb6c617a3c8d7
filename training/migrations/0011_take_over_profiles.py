from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from training.ml.tables.contract import Contract
from training.ml.watch.reference import taken_over


def take_over(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Store the bins of earlier versions, so a later release cannot derive other ones from the same profile."""
    versions = apps.get_model("training", "Version").objects.using(schema_editor.connection.alias)
    rows = versions.filter(reference_data={}).select_related("run__dataset")
    needed = ("contract_data", "held_out", "run__dataset__profile", "run__dataset__rows")
    for version in rows.only(*needed).iterator(chunk_size=20):
        contract, dataset = Contract.from_dict(version.contract_data), version.run.dataset
        reference = taken_over(contract, dataset.profile, version.held_out, dataset.rows)
        versions.filter(pk=version.pk).update(reference_data=reference.to_dict())


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0010_version_reference"),
    ]

    operations = [migrations.RunPython(take_over, migrations.RunPython.noop)]
