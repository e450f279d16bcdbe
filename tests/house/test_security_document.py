"""docs/security.md says which test shows what: each is there, and nothing is left out."""

import ast
import re
from functools import lru_cache

from tests.service import ROOT

TEXT = (ROOT / "docs" / "security.md").read_text()
ROW = re.compile(r"\| (S2-\d+) \| ([^|]+) \| ([^|]+) \|")
TEST = re.compile(r"`([^`]+)`")
NUMBERS = [f"S2-{number}" for number in range(57, 99)]


@lru_cache
def names_in(path: str) -> frozenset[str]:
    """The names of the tests of a file, those of a class behind the class's."""
    found: set[str] = set()
    for node in ast.parse((ROOT / path).read_text()).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        before = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        functions = [one.name for one in inside if isinstance(one, ast.FunctionDef)]
        found |= {before + name for name in functions if name.startswith("test_")}
    return frozenset(found)


def rows() -> dict[str, list[str]]:
    return {number: TEST.findall(tests) for number, _, tests in ROW.findall(TEXT)}


def test_every_number_has_one_row_in_order() -> None:
    lines = [line for line in TEXT.splitlines() if line.startswith("| S2-")]
    assert all(ROW.fullmatch(line) for line in lines)
    assert [line.split(" ")[1] for line in lines] == NUMBERS


def test_every_row_names_a_test_that_exists() -> None:
    for number, tests in rows().items():
        assert tests, number
        for test in tests:
            path, _, name = test.partition("::")
            assert name in names_in(path), f"{number}: there is no {test}"


def test_a_name_that_is_no_tests_is_found() -> None:
    names = names_in("tests/accounts/test_lockout.py")
    assert "TestTheWait::test_it_has_a_longest" in names
    assert not {"test_it_has_a_longest", "TestTheWait::test_no_such", "attempt"} & names
