"""The five built-in roles with their permissions and quotas."""

from typing import Any

from django.db import migrations

DAY = 24 * 60 * 60
ROLES = (
    ("guest", "May look after their own account, slowly.", 24, DAY),
    ("user", "May look after their own account.", 3000, 60),
    ("model_manager", "Records and resolves violations of their sites.", 3000, 60),
    ("moderator", "Reads other users.", 3000, 60),
    ("admin", "May do everything.", 3000, 60),
)
# Permission rows appear after all migrations; those that a role needs are made here.
GRANTS = {"moderator": (("accounts", "user", "view_user", "Can view user"),)}


def make_roles(apps: Any, schema_editor: Any) -> None:
    Role = apps.get_model("accounts", "Role")
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    for name, description, quota, quota_seconds in ROLES:
        role, _ = Role.objects.update_or_create(
            name=name,
            defaults={
                "description": description,
                "quota": quota,
                "quota_seconds": quota_seconds,
                "all_permissions": name == "admin",
                "console_access": name == "admin",
                "is_builtin": True,
            },
        )
        for app_label, model, codename, label in GRANTS.get(name, ()):
            content_type, _ = ContentType.objects.get_or_create(app_label=app_label, model=model)
            permission, _ = Permission.objects.get_or_create(
                content_type=content_type, codename=codename, defaults={"name": label}
            )
            role.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
