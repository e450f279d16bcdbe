"""Cells that a spreadsheet would run: marked when written, restored when read."""

import re

# What OWASP's page on CSV injection names, in both widths and after spaces, which some spreadsheets
# drop; with the quotes that stand before it, so that one more of them is always ours.
_FORMULA = re.compile("'*(\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")


def defused(cell: str) -> str:
    """The cell as text to every spreadsheet: with a quote in front where it needs one."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def undefused(cell: str) -> str:
    """What `defused` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
