"""Registrations where accounts are concealed."""

import django.db.models.functions.datetime
import django.utils.timezone
from django.db import migrations, models

import security.identifiers


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0011_mail_attempts"),
    ]

    operations = [
        migrations.CreateModel(
            name="RegistrationRequest",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=security.identifiers.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("email", models.CharField(max_length=254)),
                ("ip_address", models.GenericIPAddressField(null=True)),
                ("user_agent", models.CharField(blank=True, max_length=512)),
                ("request_id", models.CharField(blank=True, max_length=128)),
                ("attempts", models.PositiveSmallIntegerField(db_default=0, default=0)),
                (
                    "next_attempt_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        default=django.utils.timezone.now,
                    ),
                ),
                ("username", models.CharField(blank=True, max_length=150)),
                ("password", models.CharField(max_length=256)),
                ("first_name", models.CharField(blank=True, max_length=150)),
                ("last_name", models.CharField(blank=True, max_length=150)),
                ("tier", models.CharField(max_length=32)),
                ("ignored", models.JSONField(default=list)),
            ],
            options={
                "ordering": ["id"],
                "abstract": False,
                "default_permissions": (),
            },
        ),
    ]
