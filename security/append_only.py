"""The triggers by which the database itself keeps the audit trail as it was written.

An update may do two things: give a link of the chain to an event without one, and empty everything
personal. Django's SQLite rebuilds a table to alter a column and loses its triggers with it: a
migration that does so must end with `install`.
"""

from typing import Any

TABLE = "security_auditevent"
REFUSAL = "Audit events are append-only."
CONTENT = (
    "id",
    "kind",
    "actor_id",
    "subject_id",
    "session_id",
    "request_id",
    "details",
    "created_at",
    "personal_digest",
)
LINK = ("seq", "digest")
PERSONAL = ("ip_address", "user_agent", "personal", "salt")
LINKING = "OLD.seq IS NULL AND NEW.seq IS NOT NULL"
ERASING = "NEW.ip_address IS NULL AND NEW.user_agent = '' AND NEW.personal = '{}' AND NEW.salt = ''"


def install(connection: Any) -> None:
    """Refuse UPDATE (save those two), DELETE and, where there is one, TRUNCATE."""
    _run(connection, _installing(connection.vendor))


def lift(connection: Any) -> None:
    """Take the triggers away, as for tests that empty every table between them."""
    _run(connection, _lifting(connection.vendor))


def _run(connection: Any, statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _allowed(equal: str) -> str:
    def same(columns: tuple[str, ...]) -> str:
        return " AND ".join(f"NEW.{column} {equal} OLD.{column}" for column in columns)

    return f"{same(CONTENT)} AND ({same(LINK)} OR {LINKING}) AND ({same(PERSONAL)} OR {ERASING})"


def _installing(vendor: str) -> list[str]:
    if vendor == "sqlite":
        refuse = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        return [
            f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON {TABLE} "
            f"WHEN NOT ({_allowed('IS')}) {refuse}",
            f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON {TABLE} {refuse}",
        ]
    refuse = "EXECUTE FUNCTION audit_refuse()"
    return [
        "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON {TABLE} FOR EACH ROW "
        f"WHEN (NOT ({_allowed('IS NOT DISTINCT FROM')})) {refuse}",
        f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON {TABLE} FOR EACH ROW {refuse}",
        f"CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON {TABLE} FOR EACH STATEMENT {refuse}",
    ]


def _lifting(vendor: str) -> list[str]:
    if vendor == "sqlite":
        return ["DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete"]
    return ["DROP FUNCTION audit_refuse() CASCADE"]
