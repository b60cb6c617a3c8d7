from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("predictions", "0010_log_indexes"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="created_by",
            field=models.CharField(
                blank=True,
                editable=False,
                help_text="A login, or empty for the command line.",
                max_length=150,
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="revoked_by",
            field=models.CharField(blank=True, editable=False, max_length=150),
        ),
    ]
