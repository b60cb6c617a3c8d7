from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0009_query_source"),
    ]

    operations = [
        migrations.AddField(
            model_name="version",
            name="reference_data",
            field=models.JSONField(
                db_default={},
                default=dict,
                editable=False,
                help_text="How its table and its held-out rows fill the bins in which predictions are counted.",
            ),
        ),
    ]
