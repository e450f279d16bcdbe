"""Cells that a spreadsheet would run are written as text, and read as they were."""

import pytest

from security.csv_cells import defused, undefused


@pytest.mark.parametrize(
    "name",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "\uff1d1",
        "'=1",
        "''@x",
        "  =1",
        "' =1",
        '="a,b"',
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_gets_a_quote_that_reading_takes_away(
    name: str,
) -> None:
    assert defused(name) == f"'{name}"
    assert undefused(defused(name)) == name


@pytest.mark.parametrize("name", ["O'Brien", "'quoted'", "a=b", "", "'", "$2b$"])
def test_any_other_cell_is_left_alone(name: str) -> None:
    assert defused(name) == undefused(name) == name
