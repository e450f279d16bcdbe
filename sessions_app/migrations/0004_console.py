"""Sign-ins to the console are sessions, too."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0003_no_truncation")]

    operations = [
        migrations.AddField(
            model_name="devicesession",
            name="is_console",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
    ]
