"""Where a session was opened, to recognise the next sign-in from there."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="devicesession",
            name="origin",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=170
            ),
        ),
        migrations.AlterField(
            model_name="devicesession",
            name="user",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="device_sessions",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="devicesession",
            index=models.Index(fields=["user", "origin"], name="session_origin"),
        ),
    ]
