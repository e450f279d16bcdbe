"""Which line of a file had an e-mail address or username first, in a file of its own on disk."""

import sqlite3
from types import TracebackType

from accounts.models import User


class SeenKeys:
    """Forgotten at the end of the block; memory doesn't grow with what it holds."""

    def __enter__(self) -> "SeenKeys":
        self._rows = sqlite3.connect("", isolation_level=None)
        self._rows.execute("PRAGMA journal_mode = OFF")
        self._rows.execute("PRAGMA synchronous = OFF")
        self._rows.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rows.close()

    def first_line_of(self, user: User, line: int) -> int:
        """The line that had one of the user's keys, or `line`, which has them from now on."""
        keys = [key for key in (user.email_key, user.username_key) if key]
        for key in keys:
            found = self._rows.execute("SELECT line FROM seen WHERE key = ?", [key]).fetchone()
            if found:
                return int(found[0])
        self._rows.executemany("INSERT INTO seen VALUES (?, ?)", [(key, line) for key in keys])
        return line
