from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0005_heartbeat"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="history",
            field=models.JSONField(
                default=list,
                help_text="How the best single-fold score rose: seconds since the start, models fitted, and the score.",
            ),
        ),
    ]
