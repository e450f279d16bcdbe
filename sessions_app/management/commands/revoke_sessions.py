"""Ends sessions."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from security.client_info import parse_address
from security.management.operator_command import OperatorCommand
from sessions_app.management.people import find_user
from sessions_app.models.device_session import DeviceSession, DeviceSessionQuerySet, EndReason
from sessions_app.services.sessions import end_in_slices

LONGEST_AGE_DAYS = 36_500


class Command(OperatorCommand):
    help = (
        "End live sessions: their tokens are refused within a second. Conditions given together "
        "must all hold; at least one is needed. Ends with 0 also when nothing matched."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", metavar="IDENTIFIER", help="an e-mail address or username")
        parser.add_argument("--older-than", metavar="DAYS", help="opened longer ago than this")
        parser.add_argument(
            "--ip", metavar="ADDRESS", help="last refreshed, or else opened, from here"
        )
        parser.add_argument("--all", action="store_true", help="everybody's; takes no condition")
        parser.add_argument("--dry-run", action="store_true", help="only count them")
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        sessions = self._chosen(options)
        total = sessions.count()
        ended = 0
        if not options["dry_run"]:
            ended = end_in_slices(
                sessions,
                reason=EndReason.ENDED_BY_STAFF,
                actor=None,
                client=self.client(),
                on_slice=lambda done: self.progress(done, max(done, total)),
            )
        if options["json"]:
            self.print_json({"matched": total, "revoked": ended, "dry_run": options["dry_run"]})
        elif options["dry_run"]:
            self.stdout.write(f"would revoke {total}")
        else:
            self.stdout.write(f"revoked {ended}")

    def _chosen(self, options: dict[str, Any]) -> DeviceSessionQuerySet:
        conditions: dict[str, Callable[[DeviceSessionQuerySet, str], DeviceSessionQuerySet]] = {
            "user": lambda found, given: found.for_user(find_user(given).pk),
            "older_than": lambda found, given: found.filter(
                created_at__lt=timezone.now() - timedelta(days=_days(given))
            ),
            "ip": lambda found, given: found.filter(ip_address=_address(given)),
        }
        given = [name for name in conditions if options[name] is not None]
        if bool(given) == options["all"]:
            raise CommandError("Give --user, --older-than or --ip, or --all alone.")
        sessions = DeviceSession.objects.live()
        for name in given:
            sessions = conditions[name](sessions, options[name])
        return sessions


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > LONGEST_AGE_DAYS:
        raise CommandError(f"--older-than takes a whole number of days, not {text!r}.")
    return int(text)


def _address(text: str) -> str:
    address = parse_address(text)
    if address is None:
        raise CommandError(f"--ip takes an IPv4 or IPv6 address, not {text!r}.")
    return str(address)
