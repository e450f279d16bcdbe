"""What a periodic job has to tell until it runs again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("security", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="jobrun",
            name="result",
            field=models.JSONField(null=True),
        ),
    ]
