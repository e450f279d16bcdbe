"""On PostgreSQL, keys are compared by code points, which a new database does from the first."""

from typing import Any

from django.db import migrations


def collate(apps: Any, schema_editor: Any) -> None:
    """Rebuilds the indexes of the keys and what is known of them; the rows stay as they are."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            'ALTER TABLE accounts_user ALTER COLUMN email_key TYPE varchar(512) COLLATE "C",'
            ' ALTER COLUMN username_key TYPE varchar(512) COLLATE "C"'
        )
        schema_editor.execute("ANALYZE accounts_user")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_created_at")]

    operations = [migrations.RunPython(collate, migrations.RunPython.noop)]
