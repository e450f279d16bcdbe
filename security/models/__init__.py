"""The rows of the ground: the audit trail, the signing keys, the runs of periodic jobs,
what the shared cache must forget."""

from security.models.audit_event import AuditEvent
from security.models.job_run import JobRun
from security.models.pending_drop import PendingDrop
from security.models.signing_key import SigningKey

__all__ = ["AuditEvent", "JobRun", "PendingDrop", "SigningKey"]
