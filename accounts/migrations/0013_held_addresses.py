"""Looking up who may still take an address back."""

from django.db import migrations, models

import accounts.identifiers


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0012_registration_requests"),
    ]

    operations = [
        migrations.AddField(
            model_name="onetimetoken",
            name="email_key",
            field=accounts.identifiers.KeyField(
                editable=False, max_length=512, null=True, of="email", unique=False
            ),
        ),
        migrations.AddIndex(
            model_name="onetimetoken",
            index=models.Index(
                condition=models.Q(("purpose", "undo_email_change")),
                fields=["email_key"],
                name="undo_by_email",
            ),
        ),
    ]
