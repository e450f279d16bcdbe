"""Parameterised queries on the configured database, for code that brings its own SQL."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

from django.db import connection

# What is in quotes or a comment can't be a placeholder; what is outside must be %s, %(name)s or %%.
LITERAL = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.S)
PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?(.?)", re.S)

Parameters = Sequence[Any] | Mapping[str, Any]
Row = tuple[Any, ...]


class UnsafeQuery(ValueError):
    """The query and its parameters don't fit together; it was not sent."""


def safe_query(
    sql: str, params: Parameters = (), fetch: Literal["one", "all"] | None = None
) -> Row | list[Row] | None:
    """Run one statement with its values passed apart from it.

    Give ids as UUIDs, not as text, of which SQLite keeps no hyphens. `fetch` is "one" for the first
    row or None, "all" for a list of rows, None for a statement whose rows nobody wants. Raises
    UnsafeQuery for a mistake that string formatting makes likely, and Django's database errors,
    never a value in their place.
    """
    if fetch not in ("one", "all", None):
        raise UnsafeQuery(f'fetch must be "one", "all" or None, not {fetch!r}.')
    if isinstance(params, str | bytes) or not isinstance(params, Sequence | Mapping):
        raise UnsafeQuery("params must be a sequence or a mapping: for one value write (value,).")
    _check(sql, params)
    with connection.cursor() as cursor:
        cursor.execute(sql, _adapted(params))
        if fetch == "one":
            row: Row | None = cursor.fetchone()
            return row
        return list(cursor.fetchall()) if fetch == "all" else None


def _adapted(params: Parameters) -> Parameters:
    """With every UUID as a UUIDField writes it: SQLite's driver knows none."""
    if connection.features.has_native_uuid_field:
        return params

    def adapt(value: Any) -> Any:
        return value.hex if isinstance(value, UUID) else value

    if isinstance(params, Mapping):
        return {name: adapt(value) for name, value in params.items()}
    return [adapt(value) for value in params]


def _check(sql: str, params: Parameters) -> None:
    quoted = [text for text in LITERAL.findall(sql) if re.search(r"%(s|\(\w+\)s)", text)]
    if quoted:
        raise UnsafeQuery(f"A placeholder must not be quoted: {quoted[0]}.")
    bare = LITERAL.sub(" ", sql)
    if ";" in bare.rstrip().rstrip(";"):
        raise UnsafeQuery("There must be one statement only.")
    names: list[str] = []
    for name, conversion in PLACEHOLDER.findall(bare):
        if conversion == "%" and not name:
            continue
        if conversion != "s":
            raise UnsafeQuery(f"%{conversion} is no placeholder: write %s, and %% for a percent.")
        names.append(name)
    if isinstance(params, Mapping):
        if missing := sorted(set(names) - set(params)):
            raise UnsafeQuery(f"There is no parameter for {', '.join(missing) or '%s'}.")
    elif any(names):
        raise UnsafeQuery("Named placeholders need a mapping of parameters.")
    elif len(names) != len(params):
        raise UnsafeQuery(f"{len(names)} placeholders, but {len(params)} parameters.")
