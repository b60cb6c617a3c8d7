from django.db import migrations


class Migration(migrations.Migration):
    """Heartbeats were kept in `training` before; workers write new ones within seconds."""

    dependencies = [("jobs", "0001_initial")]

    operations = [migrations.RunSQL("DROP TABLE IF EXISTS training_heartbeat", migrations.RunSQL.noop)]
