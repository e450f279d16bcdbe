"""The database keeps the trail as it was written; events from before get their salted digest."""

from django.db import migrations

from security import append_only
from security.personal_data import join, new_salt, personal_digest, split

SLICE = 1000


def seal_present_events(apps, editor):
    model = apps.get_model("security", "AuditEvent")
    events = model.objects.using(editor.connection.alias).filter(personal_digest="").order_by("pk")
    while slice_ := list(events[:SLICE]):
        for event in slice_:
            event.details, event.personal = split(event.details)
            event.salt = new_salt()
            event.personal_digest = personal_digest(
                salt=event.salt,
                ip_address=event.ip_address,
                user_agent=event.user_agent,
                personal=event.personal,
            )
        events.bulk_update(slice_, ["details", "personal", "salt", "personal_digest"])


def put_personal_values_back(apps, editor):
    model = apps.get_model("security", "AuditEvent")
    events = model.objects.using(editor.connection.alias).exclude(personal={})
    for event in events.iterator(SLICE):
        events.filter(pk=event.pk).update(details=join(event.details, event.personal))


class Migration(migrations.Migration):
    dependencies = [
        ("security", "0004_audit_chain"),
    ]

    operations = [
        migrations.RunPython(seal_present_events, put_personal_values_back),
        migrations.RunPython(
            lambda _apps, editor: append_only.install(editor.connection),
            lambda _apps, editor: append_only.lift(editor.connection),
        ),
    ]
