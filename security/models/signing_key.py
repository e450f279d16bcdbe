"""The key pairs that sign tokens."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class State(models.TextChoices):
    """next is published before it signs; retiring verifies what it signed; retired does neither."""

    NEXT = "next"
    CURRENT = "current"
    RETIRING = "retiring"
    RETIRED = "retired"


class SigningKeyQuerySet(models.QuerySet["SigningKey"]):
    def published(self) -> "SigningKeyQuerySet":
        """The keys that stand in the JWKS and verify tokens."""
        return self.exclude(state=State.RETIRED).exclude(
            state=State.RETIRING, verifies_until__lte=timezone.now()
        )

    def past_retiring(self) -> "SigningKeyQuerySet":
        return self.filter(state=State.RETIRING, verifies_until__lte=timezone.now())


class SigningKey(models.Model):
    """A key pair; the private half is sealed and leaves this table only to sign."""

    State = State

    kid = models.CharField(max_length=64, primary_key=True)
    algorithm = models.CharField(max_length=16)
    public_jwk = models.JSONField()
    sealed_private_key = models.TextField(blank=True)
    state = models.CharField(max_length=16, choices=State.choices)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    activated_at = models.DateTimeField(null=True)
    verifies_until = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager["SigningKey"]] = SigningKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        default_permissions = ["view"]
        permissions = [("rotate_signingkey", "Can rotate and revoke signing keys")]
        constraints = [
            # The database decides every race for "the" key.
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state="current"), name="one_current_key"
            ),
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state="next"), name="one_next_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.algorithm} {self.kid[:8]} ({self.state})"
