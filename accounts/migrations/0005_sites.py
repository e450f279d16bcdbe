"""Sites, their members and violations, and which built-in role may do what with them."""

from typing import Any

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import security.identifiers

VIEW_SITE = ("site", "view_site", "Can view site")
VIEW_VIOLATION = ("violation", "view_violation", "Can view violation")
READING = (VIEW_SITE, VIEW_VIOLATION)
RECORDING = (
    ("violation", "add_violation", "Can add violation"),
    ("violation", "change_violation", "Can change violation"),
    ("violation", "delete_violation", "Can delete violation"),
)
# Permission rows appear after all migrations; those that a role needs are made here.
GRANTS = {
    "guest": READING,
    "user": READING,
    "moderator": READING,
    "model_manager": (*READING, *RECORDING),
}


def grant_to_builtin_roles(apps: Any, schema_editor: Any) -> None:
    Role = apps.get_model("accounts", "Role")
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    for role in Role.objects.filter(name__in=GRANTS, is_builtin=True):
        for model, codename, label in GRANTS[role.name]:
            content_type, _ = ContentType.objects.get_or_create(app_label="accounts", model=model)
            permission, _ = Permission.objects.get_or_create(
                content_type=content_type, codename=codename, defaults={"name": label}
            )
            role.permissions.add(permission)


def identifier() -> models.UUIDField:
    return models.UUIDField(
        default=security.identifiers.uuid7, editable=False, primary_key=True, serialize=False
    )


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_operators"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.CreateModel(
            name="Site",
            fields=[
                ("id", identifier()),
                ("name", models.CharField(max_length=150, unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "ordering": ["-id"],
                "permissions": [("view_all_sites", "Can see every site")],
            },
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                ("id", identifier()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "site",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to="accounts.site",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "default_permissions": [],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["site", "user"], name="membership_once_per_site"
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="site",
            name="members",
            field=models.ManyToManyField(
                related_name="sites", through="accounts.Membership", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.CreateModel(
            name="Violation",
            fields=[
                ("id", identifier()),
                ("stream_name", models.CharField(max_length=150)),
                ("detected_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("image_url", models.CharField(max_length=2048, null=True)),
                ("warnings", models.JSONField(default=list)),
                ("detections", models.JSONField(default=list)),
                ("cone_polygons", models.JSONField(default=list)),
                ("pole_polygons", models.JSONField(default=list)),
                ("resolved_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "site",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="violations",
                        to="accounts.site",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["site", "-id"], name="violation_newest_of_site")],
            },
        ),
        migrations.RunPython(grant_to_builtin_roles, migrations.RunPython.noop),
    ]
