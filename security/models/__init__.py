"""The rows of the ground: the audit trail, the signing keys, the runs of periodic jobs."""

from security.models.audit_event import AuditEvent
from security.models.job_run import JobRun
from security.models.signing_key import SigningKey

__all__ = ["AuditEvent", "JobRun", "SigningKey"]
