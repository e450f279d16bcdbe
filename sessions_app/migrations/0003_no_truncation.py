"""On PostgreSQL, vacuum leaves the table's free end to new sessions after a large pruning.

To give it back it locks the whole table, and every request would wait for it.
"""

from typing import Any

from django.db import migrations


def keep_free_end(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE sessions_app_devicesession SET (vacuum_truncate = off)")


def give_back_free_end(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE sessions_app_devicesession RESET (vacuum_truncate)")


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0002_origin")]

    operations = [migrations.RunPython(keep_free_end, give_back_free_end)]
