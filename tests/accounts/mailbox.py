"""What people find in their mailboxes, once the worker has been there."""

import re
from dataclasses import dataclass

from django.core import mail

from accounts.services.mail_answers import answer_requests
from accounts.services.mail_delivery import deliver_due


@dataclass(frozen=True)
class Letter:
    to: str
    subject: str
    body: str

    @property
    def link(self) -> str:
        """The address of its link, without the token."""
        return self._find(r"(\S+)#token=")

    @property
    def token(self) -> str:
        return self._find(r"#token=(\S+)")

    @property
    def code(self) -> str:
        return self._find(r"^(\d{6})$")

    def _find(self, pattern: str) -> str:
        found = re.findall(pattern, self.body, re.M)
        assert len(found) == 1, self.body
        return str(found[0])


def letters() -> list[Letter]:
    """What was delivered since the last look."""
    answer_requests()
    deliver_due()
    found = [Letter(m.to[0], str(m.subject), str(m.body)) for m in mail.outbox]
    mail.outbox.clear()
    return found


def letter(about: str = "") -> Letter:
    """The only one with this in its subject."""
    found = [one for one in letters() if about in one.subject]
    assert len(found) == 1, found
    return found[0]


def other_code(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"
