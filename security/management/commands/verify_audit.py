"""Proves that the audit trail is what was written."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from security.audit_chain import verify
from security.management.audit_arguments import link, moment
from security.management.operator_command import OperatorCommand
from security.models import AuditEvent


class Command(OperatorCommand):
    help = "Compute the audit trail's chain again; end with 1 and the first broken link, if any."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
        parser.add_argument(
            "--since", type=moment, metavar="TIME", help="trust what was chained before this time"
        )
        parser.add_argument(
            "--anchor",
            type=link,
            metavar="SEQ:DIGEST",
            help="a link from the log (audit.head), which must still be there",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        verdict = verify(since=options["since"], anchor=options["anchor"])
        waiting = AuditEvent.objects.unchained().count()
        if options["json"]:
            self.print_json(verdict.as_dict() | {"unchained": waiting})
        if not verdict.ok:
            raise CommandError(f"The trail is broken at {verdict.broken_at}: {verdict.reason}.")
        if not options["json"]:
            self.stdout.write(
                f"whole: {verdict.events} events, {verdict.erased} of them erased, "
                f"{waiting} not chained yet; head {verdict.seq}:{verdict.head}"
            )
