from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("predictions", "0004_importers"),
    ]

    operations = [
        # nullable and without a default, so no row is written
        migrations.AddField(
            model_name="prediction",
            name="reference",
            field=models.CharField(blank=True, help_text="The caller's own key.", max_length=200, null=True),
        ),
    ]
