"""How often signing in to an account has failed in a row, kept for as long as it takes."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.crypto import salted_hmac

from accounts.models.user import User

# Rows for identifiers that nobody has: 16 to the power of this.
SLOT_DIGITS = 4


class SignInFailuresQuerySet(models.QuerySet["SignInFailures"]):
    def counting_for(self, user: User | None, identifier_key: str) -> "SignInFailuresQuerySet":
        """The row of a user, or the one that the identifier of nobody has in its slot."""
        return self.filter(**SignInFailures.place_of(user, identifier_key))


class SignInFailures(models.Model):
    """Failures since the last reset; a success takes back those of its own network or device.

    There is a row for each user to whom signing in has ever failed, or who had a reset. What
    nobody is called counts just like it, in one of a fixed number of slots, where a new identifier
    takes the place of the one before: so strangers can't tell the two apart, and can't fill the
    table.
    """

    slot = models.CharField(primary_key=True, max_length=36)
    identifier_digest = models.CharField(max_length=64, blank=True)
    user = models.OneToOneField(
        User,
        null=True,
        on_delete=models.CASCADE,
        related_name="sign_in_failures",
        # A failure may come to be written while its user is being deleted.
        db_constraint=False,
    )
    failures = models.PositiveIntegerField(default=0)
    # Those on devices that the user has signed in on, which strangers don't use up.
    device_failures = models.PositiveIntegerField(default=0)
    last_failed_at = models.DateTimeField(null=True)
    # The end of the last wait, wherever it was to be waited.
    locked_until = models.DateTimeField(null=True)
    # Counters in the cache are named by it, so that a new one leaves them all behind.
    generation = models.PositiveIntegerField(default=0)

    objects: ClassVar[SignInFailuresQuerySet] = SignInFailuresQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        default_permissions = []

    def __str__(self) -> str:
        return f"{self.failures} failed sign-ins"

    @staticmethod
    def place_of(user: User | None, identifier_key: str) -> dict[str, str]:
        """The columns by which the row is found."""
        if user is not None:
            return {"slot": str(user.pk), "identifier_digest": ""}
        digest = digest_of(identifier_key)
        return {"slot": digest[:SLOT_DIGITS], "identifier_digest": digest}

    @staticmethod
    def bounds() -> tuple[int, int]:
        """How many failures strangers, and how many known devices, have until a reset."""
        kept = settings.AUTH_LOCKOUT_RESET_AFTER // 5
        return settings.AUTH_LOCKOUT_RESET_AFTER - kept, kept

    @property
    def in_a_row(self) -> int:
        return self.failures + self.device_failures

    @property
    def needs_reset(self) -> bool:
        """Whether all attempts of strangers, or of known devices, are refused until then."""
        strangers, devices = self.bounds()
        return self.failures >= strangers or self.device_failures >= devices


def digest_of(text: str) -> str:
    """What stands for an identifier where people must not be named."""
    return salted_hmac("accounts.sign_in_failures", text, algorithm="sha256").hexdigest()
