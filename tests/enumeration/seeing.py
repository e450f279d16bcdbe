"""People of every kind, and all that a caller and a database see of a request about them."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from accounts.hashers import Argon2idHasher
from accounts.imported_hashers import TruncatingBcryptHasher
from accounts.models import User
from tests.accounts.test_budgets import counted_sql
from tests.client import Client

# Each kind of account, and none at all.
WHO = ("known", "unverified", "inactive", "foreign", "unusable", "service", "unknown")
# bcrypt with the least work; of nothing that anybody types.
BCRYPT = "bcrypt$$2b$04$" + "abcdefghijklmnopqrstuO" + "abcdefghijklmnopqrstuvwxyz0123O"
# What differs between two answers to the same caller.
OF_ITS_OWN = {"X-Request-ID"}
VARYING = re.compile(r'(?<=t=)\d+|"request_id":"[^"]+"|(?<=in )\d+ seconds')


def make_people(make_user: Callable[..., User]) -> None:
    """Somebody of each kind."""
    for name in WHO:
        if name == "unknown":
            continue
        user = make_user(name, is_active=name != "inactive")
        if name != "unverified":
            user.email_verified_at = user.created_at
        if name == "foreign":
            user.password = BCRYPT
        if name in {"unusable", "service"}:
            user.set_unusable_password()
        if name == "service":
            user.email = None
        user.save()


@contextmanager
def counted_hashes() -> Iterator[list[str]]:
    """Which hashers work in the block, and at what they do."""
    work: list[str] = []
    with (
        mock.patch.multiple(
            Argon2idHasher,
            encode=_counting(work, "argon2", Argon2idHasher.encode),
            verify=_counting(work, "argon2", Argon2idHasher.verify),
        ),
        mock.patch.object(
            TruncatingBcryptHasher,
            "encode",
            _counting(work, "bcrypt", TruncatingBcryptHasher.encode),
        ),
    ):
        yield work


def seen(path: str, body: dict[str, Any], client: Client | None = None, **more: Any) -> Any:
    """All of one request that tells something."""
    client = client or Client()
    with counted_sql() as statements, counted_hashes() as hashes:
        answer = client.post(path, body, **more)
    return {
        "status": answer.status_code,
        "body": VARYING.sub("", answer.content.decode()),
        "headers": {
            name: VARYING.sub("", value)
            for name, value in answer.headers.items()
            if name not in OF_ITS_OWN
        },
        "cookies": {name: dict(cookie) for name, cookie in answer.cookies.items()},
        "statements": sorted(sql.split(" ")[0] for sql in statements),
        "hashes": hashes,
    }


def _counting(work: list[str], name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def counting(*args: Any, **options: Any) -> Any:
        work.append(name)
        return method(*args, **options)

    return counting
