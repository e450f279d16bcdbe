"""Databases of their own for services that the tests start."""

from uuid import uuid4

import psycopg
from psycopg.sql import SQL, Identifier


def create_database(server_url: str, *, copy_of: str = "template1") -> str:
    """The URL of a new database on the server; `copy_of` is the name or URL of another there."""
    name, original = f"service_{uuid4().hex[:12]}", copy_of.rpartition("/")[2]
    query = SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(original))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(query)
    return f"{server_url.rpartition('/')[0]}/{name}"


def drop_database(server_url: str, url: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        name = Identifier(url.rpartition("/")[2])
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(name))
