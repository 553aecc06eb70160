"""Whatever the callback or its saved state holds, it works or raises a one-line error."""

import copy
import math
from contextlib import suppress

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cosine_callbacks._trainer import checkpoint
from tests.fuzz import EXAMPLES, SHAPE, SPECIAL, assert_refused, values

from .parts import CosineAnnealingCallback, Model, per_update, trainer

ARGUMENTS = {
    **SHAPE,
    "t_max": st.none() | st.integers(1, 9) | st.just(0.5),
    "interval": st.sampled_from(["epoch", "step"]),
    "optimizers": st.none() | st.just(0) | st.just([0, 1]),
}


@EXAMPLES
@given(st.data())
def test_the_constructor(data):
    names = data.draw(st.sets(st.sampled_from([*ARGUMENTS]), max_size=5))
    invalid = data.draw(st.sets(st.sampled_from([*ARGUMENTS]), max_size=2))
    given = {name: data.draw(values if name in invalid else ARGUMENTS[name]) for name in names}
    try:
        callback = CosineAnnealingCallback(**given)
    except (TypeError, ValueError) as error:
        assert_refused(error, ARGUMENTS)
    else:
        assert repr(eval(repr(callback))) == repr(callback)  # noqa: S307 - it is our own


@pytest.fixture(scope="module")
def state():
    """The state of a run, as saved in a checkpoint."""
    callback = per_update(warmup=2, cycles=2, t_mult=2, peak_decay=0.5)
    trainer(callback, max_epochs=2).fit(Model(batches=9))
    return callback.state_dict()


def paths_in(value, path=()):
    """Yield the path to each value of the state."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in inner:
        yield (*path, key)
        if isinstance(part, dict | list):
            yield from paths_in(part, (*path, key))


TENSORS = [torch.tensor(1), torch.tensor(0.1), torch.zeros(3), torch.tensor(1.0, device="meta")]
parts = values | st.sampled_from(range(len(TENSORS))).map(lambda i: TENSORS[i])


@EXAMPLES
@given(data=st.data())
def test_the_saved_state(state, data):
    damaged = copy.deepcopy(state)
    for _ in range(data.draw(st.integers(1, 2))):
        *path, last = data.draw(st.sampled_from([*paths_in(state)]))
        part, removed = data.draw(parts), data.draw(st.booleans())
        # The first change may have removed the place of the second.
        with suppress(LookupError, TypeError):
            inner = damaged
            for key in path:
                inner = inner[key]
            if removed:
                del inner[last]
            else:
                inner[last] = part
    try:
        damaged = checkpoint.read_state(damaged)
    except ValueError as error:
        assert_refused(error, ["the checkpoint's state"])
        return
    cycles = checkpoint._saved_cycles(state)
    sentence = checkpoint.change_warning(damaged, state, cycles, {0: {"epoch": 5, "step": 5}})
    assert "nan" not in sentence
    assert "inf" not in sentence
    for each in damaged["optimizers"]:
        assert all(0 <= rate < math.inf for rate in (*each["bases"], *each["floors"]))
        assert 0 <= each["count"] < 2**63


def test_a_state_that_is_something_else(state):
    for wrong in [*SPECIAL, *TENSORS, torch.zeros(0)]:
        with pytest.raises(ValueError, match=r"^the checkpoint's state") as refused:
            checkpoint.read_state(wrong)
        assert_refused(refused.value, ["the checkpoint's state"])
        damaged = {**state, "optimizers": wrong}
        if isinstance(wrong, list) and not wrong:
            assert checkpoint.read_state(damaged) == damaged
        else:
            with pytest.raises(ValueError, match="one that it saved"):
                checkpoint.read_state(damaged)
