"""The reference rates of tests/parity are those that its script makes."""

import json

from tests.parity.make_table import TABLE, table


def test_the_table_is_what_the_script_makes():
    assert json.loads(TABLE.read_text()) == table()
