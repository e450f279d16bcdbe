"""Lists sessions."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from security.management.operator_command import OperatorCommand, printable
from sessions_app.management.people import find_user
from sessions_app.models import DeviceSession

# Those shown by --json as they are.
FIELDS = (
    "id",
    "user_id",
    "device",
    "ip_address",
    "user_agent",
    "created_at",
    "last_seen_at",
    "idle_expires_at",
    "expires_at",
    "ended_at",
    "end_reason",
)
# Rows read at a time: the table may be larger than memory.
CHUNK = 1000


def _row(session: DeviceSession) -> dict[str, Any]:
    values = {name: getattr(session, name) for name in FIELDS}
    row = {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in values.items()
    }
    return row | {"user": session.user.get_username(), "live": session.is_live(timezone.now())}


class Command(OperatorCommand):
    help = "List live sessions, the newest first: id, user, device, address, last seen."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", metavar="IDENTIFIER", help="an e-mail address or username")
        parser.add_argument("--all", action="store_true", help="those that are over, too")
        parser.add_argument("--json", action="store_true", help="one JSON array on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        objects = DeviceSession.objects
        sessions = objects.all() if options["all"] else objects.live()
        if options["user"] is not None:
            sessions = sessions.for_user(find_user(options["user"]).pk)
        rows = map(_row, sessions.select_related("user").iterator(CHUNK))
        if options["json"]:
            self.print_json_array(rows)
            return
        for row in rows:
            state = "live" if row["live"] else row["end_reason"] or "expired"
            cells = (row["id"], state, row["user"], row["device"], row["ip_address"] or "-")
            seen = row["last_seen_at"][:19]
            self.stdout.write(printable("  ".join([*map(str, cells), f"seen {seen}Z"])))
