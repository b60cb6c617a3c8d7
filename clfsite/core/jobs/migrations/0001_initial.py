from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Heartbeat",
            fields=[
                (
                    "worker",
                    models.CharField(
                        help_text="Machine and process.", max_length=255, primary_key=True, serialize=False
                    ),
                ),
                ("at", models.DateTimeField()),
            ],
        ),
    ]
