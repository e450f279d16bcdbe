"""What the shared cache must forget, noted in the transaction that changed it."""

from django.db import models


class PendingDrop(models.Model):
    """Keys of the shared cache whose values a committed change made untrue.

    The changing process drops them itself; the row is for the case that it dies or can't.
    """

    # Null: everything that is cached.
    keys = models.JSONField(null=True)

    class Meta:
        default_permissions = []

    def __str__(self) -> str:
        return "everything" if self.keys is None else f"{len(self.keys)} keys"
