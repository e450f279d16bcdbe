"""Reading files of users: one bad line costs itself alone, and memory stays flat."""

import csv
import json
from collections import deque
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from django.core.management.base import CommandError

from accounts.services.import_rows import Row
from security.csv_cells import undefused

# What a row may have: bytes in a line, and lines in a quoted cell of CSV.
LONGEST_LINE = 64 * 1024
MOST_LINES = 50

# A line's number, and its text or what is wrong with it.
Line = tuple[int, str, str]


def read_rows(file: BinaryIO, form: str) -> Iterator[Row]:
    """The rows of a file, `csv` with a head or `jsonl`. Raises CommandError for a bad head."""
    lines = _lines(file)
    return _csv_rows(lines) if form == "csv" else map(_json_row, _not_blank(lines))


def _lines(file: BinaryIO) -> Iterator[Line]:
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            while line and not line.endswith(b"\n"):
                line = file.readline(LONGEST_LINE)
            yield number, "", f"The line has more than {LONGEST_LINE} bytes."
        elif b"\0" in line:
            yield number, "", "The line has a NUL byte."
        else:
            yield _decoded(number, line)


def _decoded(number: int, line: bytes) -> Line:
    try:
        return number, line.decode("utf-8-sig" if number == 1 else "utf-8"), ""
    except UnicodeDecodeError:
        return number, "", "The line is not UTF-8."


def _not_blank(lines: Iterable[Line]) -> Iterator[Line]:
    return (line for line in lines if line[1].strip() or line[2])


def _json_row(line: Line) -> Row:
    number, text, problem = line
    if problem:
        return Row(number, {}, problem)
    try:
        cells = json.loads(text)
    except (ValueError, RecursionError):
        return Row(number, {}, "The line is not JSON.")
    if not isinstance(cells, dict):
        return Row(number, {}, "The line is not a JSON object.")
    return Row(number, cells)


def _csv_rows(lines: Iterator[Line]) -> Iterator[Row]:
    lines = _not_blank(lines)
    head = _head(lines)
    # Lines that were read to end a quoted cell that never ended: they are rows of their own.
    again: deque[Line] = deque()
    while line := again.popleft() if again else next(lines, None):
        number, text, problem = line
        cells, followers = ([], []) if problem else _record(text, lines, again)
        if cells is None:
            problem = "The line is not CSV."
        elif not problem and len(cells) != len(head):
            problem = f"The row has {len(cells)} cells, the head has {len(head)}."
        if problem:
            again.extendleft(reversed(followers))
            yield Row(number, {}, problem)
        else:
            yield Row(number, dict(zip(head, map(undefused, cells or []), strict=True)))


def _head(lines: Iterator[Line]) -> list[str]:
    _, text, problem = next(lines, (0, "", "The file is empty."))
    head = _cells(text)
    if problem or not head:
        raise CommandError(f"The first line must name the columns. {problem}".strip())
    head = [name.strip() for name in head]
    if len(set(head)) < len(head):
        raise CommandError("The first line names a column twice.")
    return head


def _record(
    text: str, lines: Iterator[Line], again: deque[Line]
) -> tuple[list[str] | None, list[Line]]:
    """The cells that begin in this line, or None; and the lines that were read for them."""
    followers: list[Line] = []
    while (cells := _cells(text)) is None and text.count('"') % 2:
        follower = again.popleft() if again else next(lines, None)
        if follower is None:
            break
        followers.append(follower)
        text += follower[1]
        if follower[2] or len(followers) >= MOST_LINES or len(text) > LONGEST_LINE:
            break
    return cells, followers


def _cells(text: str) -> list[str] | None:
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None
