"""However many import a file at once, each user in it is made once, and nobody fails."""

import json
from pathlib import Path

import psycopg
import pytest

from tests.accounts.importing import BCRYPT, jsonl
from tests.races.racing import run_at_once
from tests.service import Service

pytestmark = pytest.mark.shared

USERS = 1200


def test_imports_of_one_file_share_its_users(shared_service: Service, tmp_path: Path) -> None:
    file = tmp_path / "users.jsonl"
    people = [
        {"email": f"imported{n}@example.com", "password": BCRYPT, "created_at": "2020-01-01"}
        for n in range(USERS)
    ]
    file.write_text(jsonl(*people))
    code = (
        "from django.core.management import call_command\n"
        f"call_command('import_users', {str(file)!r}, '--json')\n"
    )
    summaries = [json.loads(printed) for printed in run_at_once(shared_service, code, times=3)]
    assert sum(summary["imported"] for summary in summaries) == USERS
    assert all(summary["imported"] + summary["exists"] == USERS for summary in summaries)
    assert query(shared_service, "count(*) FROM accounts_user WHERE email_key LIKE %s") == USERS
    # What the trail counts is what was made.
    counted = "sum((details->>'count')::int) FROM security_auditevent WHERE kind = 'users.imported'"
    assert query(shared_service, counted) == USERS


def query(service: Service, select: str) -> int:
    with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
        parameters = ["imported%"] if "%s" in select else None
        found = connection.execute(f"SELECT {select}", parameters).fetchone()
    assert found is not None
    return int(found[0])
