"""Attempts at requests for messages, why a delivery failed, and who may send again."""

import django.utils.timezone
from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_one_time_tokens"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="outgoingmail",
            options={
                "default_permissions": ["view"],
                "ordering": ["-id"],
                "permissions": [("resend_outgoingmail", "Can send failed messages again")],
                "verbose_name": "message",
            },
        ),
        migrations.AddField(
            model_name="outgoingmail",
            name="failure",
            field=models.CharField(blank=True, db_default="", default="", max_length=100),
        ),
        migrations.AddField(
            model_name="outgoingmail",
            name="expires_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="outgoingmail",
            index=models.Index(
                condition=models.Q(("failed_at", None), ("sent_at", None)),
                fields=["-id"],
                name="mail_waiting",
            ),
        ),
        migrations.AddIndex(
            model_name="outgoingmail",
            index=models.Index(
                condition=models.Q(("failed_at__isnull", False)),
                fields=["-id"],
                name="mail_failed",
            ),
        ),
        migrations.AddIndex(
            model_name="outgoingmail",
            index=models.Index(fields=["recipient", "-id"], name="mail_by_recipient"),
        ),
        migrations.AddField(
            model_name="mailrequest",
            name="attempts",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="mailrequest",
            name="next_attempt_at",
            field=models.DateTimeField(db_default=Now(), default=django.utils.timezone.now),
        ),
    ]
