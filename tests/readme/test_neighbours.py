"""Each row of docs/neighbours.md names an existing test."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| .* \| `(\w+)` \|$", (ROOT / "docs" / "neighbours.md").read_text(), re.MULTILINE
)
TESTS = "\n".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))


def test_each_row_names_its_test():
    assert len(ROWS) > 20
    assert [name for name in ROWS if f"\ndef {name}(" not in TESTS] == []
