"""How long a run is planned to be: what is done, and what is left."""

from math import inf

import pytest

from cosine_callbacks._trainer.run_length import Done, run_length

ONE = {0: 1}


# Interval, batches, both limits, accumulation; epochs, updates and batches done; the length.
@pytest.mark.parametrize(
    "row",
    [
        # A new run.
        ("step", 10, 4, inf, ONE, (0, 0, 0), 40),
        ("step", 10, 4, inf, {0: 4}, (0, 0, 0), 12),
        ("step", 10, 4, 15, ONE, (0, 0, 0), 15),
        ("step", 10, 4, 99, ONE, (0, 0, 0), 40),
        ("step", 10, 3, inf, {0: 1, 1: 5}, (0, 0, 0), 14),
        ("step", 10, 9, 13, {0: 1, 1: 5, 7: 2}, (0, 0, 0), 13),
        ("epoch", 10, 4, inf, ONE, (0, 0, 0), 4),
        ("epoch", 10, 4, 15, ONE, (0, 0, 0), 2),
        ("epoch", 10, inf, 31, ONE, (0, 0, 0), 4),
        ("epoch", 10, 9, 13, {0: 1, 1: 5}, (0, 0, 0), 3),
        ("step", 1, 1, inf, {0: 8}, (0, 0, 0), 1),
        # Nothing known, or no end.
        ("step", 10, inf, inf, ONE, (0, 0, 0), None),
        ("epoch", 10, inf, inf, ONE, (0, 0, 0), None),
        ("step", inf, 4, inf, ONE, (0, 0, 0), None),
        ("step", inf, 4, 15, ONE, (0, 0, 0), None),
        ("epoch", inf, 4, 15, ONE, (0, 0, 0), None),
        # Nothing known of an epoch, and not needed.
        ("step", inf, inf, 15, ONE, (0, 0, 0), 15),
        ("epoch", inf, 4, inf, ONE, (0, 0, 0), 4),
        # Two epochs of 10 updates are done, two are left under other settings.
        ("step", 10, 4, inf, ONE, (2, 20, 0), 40),
        ("step", 5, 4, inf, ONE, (2, 20, 0), 30),
        ("step", 10, 4, inf, {0: 2}, (2, 20, 0), 30),
        ("step", 10, 4, inf, {0: 4}, (2, 20, 0), 26),
        ("step", 8, 4, inf, ONE, (2, 20, 0), 36),
        ("step", 20, 4, inf, ONE, (2, 20, 0), 60),
        ("step", 5, 4, 27, ONE, (2, 20, 0), 27),
        ("step", 10, 6, inf, {0: 1, 3: 5}, (2, 20, 0), 36),
        ("step", 10, 4, inf, ONE, (4, 40, 0), 40),
        ("step", 10, 2, inf, ONE, (4, 40, 0), 40),
        ("epoch", 5, 4, inf, ONE, (2, 20, 0), 4),
        ("epoch", 5, inf, 40, ONE, (2, 20, 0), 6),
        ("epoch", 5, 5, 40, ONE, (2, 20, 0), 5),
        ("epoch", 10, 9, 40, {0: 1, 3: 5}, (2, 20, 0), 8),
        # In mid-epoch: 4 batches of epoch 1 are done.
        ("step", 10, 3, inf, ONE, (1, 14, 4), 30),
        ("step", 10, 3, inf, {0: 5}, (1, 14, 4), 18),
        ("step", 10, 3, inf, {0: 4}, (1, 14, 4), 19),
        ("step", 7, 3, inf, ONE, (1, 14, 4), 24),
        # Lightning trains one more batch of an epoch that has fewer by now.
        ("step", 4, 3, inf, ONE, (1, 14, 4), 19),
        ("step", 2, 3, inf, ONE, (1, 14, 4), 17),
        ("step", 10, 3, 22, ONE, (1, 14, 4), 22),
        ("epoch", 10, inf, 20, ONE, (1, 14, 4), 2),
        ("epoch", 10, inf, 21, ONE, (1, 14, 4), 3),
    ],
)
def test_what_is_done_and_what_is_left(row):
    *settings, done, right = row
    assert run_length(*settings, Done(*done)) == right
