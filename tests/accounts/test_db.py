"""safe_query: values stay apart from the SQL, and mistakes are named before anything is sent."""

from typing import Any

import pytest
from django.db import DatabaseError

from accounts.db import UnsafeQuery, safe_query
from accounts.models import User

BY_NAME = "SELECT username FROM accounts_user WHERE username = %s"


def test_a_value_is_a_value_whatever_is_in_it(alice: User) -> None:
    assert safe_query(BY_NAME, ("alice",), fetch="one") == ("alice",)
    assert safe_query(BY_NAME, ("' OR '1'='1",), fetch="one") is None
    assert safe_query(BY_NAME, ("alice",), fetch="all") == [("alice",)]


def test_named_parameters_and_literal_percents(alice: User) -> None:
    sql = "SELECT username FROM accounts_user WHERE username LIKE %(start)s AND '100%%' <> ''"
    assert safe_query(sql, {"start": "ali%"}, fetch="one") == ("alice",)


def test_an_id_finds_its_row_on_every_database(alice: User, bob: User) -> None:
    sql = "SELECT username FROM accounts_user WHERE id = %s"
    assert safe_query(sql, (alice.pk,), fetch="all") == [("alice",)]
    named = sql.replace("%s", "%(id)s")
    assert safe_query(named, {"id": bob.pk}, fetch="one") == ("bob",)


def test_a_statement_without_rows_gives_none(alice: User) -> None:
    sql = "UPDATE accounts_user SET first_name = %s WHERE username = %s"
    assert safe_query(sql, ("Ali", "alice")) is None
    assert User.objects.get().first_name == "Ali"


@pytest.mark.parametrize(
    ("sql", "params", "said"),
    [
        (BY_NAME, "alice", "must be a sequence"),
        (BY_NAME, (), "1 placeholders, but 0 parameters"),
        (BY_NAME, ("a", "b"), "1 placeholders, but 2 parameters"),
        (BY_NAME.replace("%s", "'%s'"), ("alice",), "must not be quoted"),
        (BY_NAME.replace("%s", "'alice'"), ("alice",), "0 placeholders, but 1 parameters"),
        (BY_NAME.replace("%s", "%d"), (1,), "%d is no placeholder"),
        (BY_NAME.replace("%s", "%(name)s"), ("alice",), "need a mapping"),
        (BY_NAME.replace("%s", "%(name)s"), {"nome": "alice"}, "no parameter for name"),
        (f"{BY_NAME}; DELETE FROM accounts_user", ("x",), "one statement only"),
        ("SELECT 5 % 3", (), "is no placeholder"),
    ],
)
def test_a_formatting_mistake_is_named_and_nothing_is_sent(
    db: None, django_assert_num_queries: Any, sql: str, params: Any, said: str
) -> None:
    with django_assert_num_queries(0), pytest.raises(UnsafeQuery, match=said):
        safe_query(sql, params)


def test_a_database_error_is_raised_not_returned(db: None) -> None:
    with pytest.raises(DatabaseError):
        safe_query("SELECT nothing FROM nowhere", fetch="one")
