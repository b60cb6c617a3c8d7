from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("predictions", "0007_hourly_bins"),
    ]

    operations = [
        # nullable and without a default, so no row is written
        migrations.AddField(
            model_name="prediction",
            name="request_id",
            field=models.CharField(
                blank=True, help_text="The id of the call, as in its X-Request-ID.", max_length=64, null=True
            ),
        ),
    ]
