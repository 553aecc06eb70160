"""Values for fuzzing arguments, and the check of the error that refuses them."""

import math
import os
from decimal import Decimal
from fractions import Fraction

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

EXAMPLES = settings(
    max_examples=int(os.environ.get("COSINE_CALLBACKS_EXAMPLES", "200")),
    deadline=None,
    derandomize=True,
    database=None,
)
# A valid value of each parameter.
VALID = {
    "lr_initial": 0.1,
    "t_max": 10,
    "lr_min": 0.01,
    "lr_min_ratio": 0.1,
    "warmup": 2,
    "hold": 3,
    "warmup_start_ratio": 0.5,
    "cycles": 2,
    "t_mult": 2,
    "peak_decay": 0.5,
}
# Arguments that are valid, and mostly also together.
SHAPE = {
    "lr_initial": st.floats(0.01, 1),
    "t_max": st.integers(1, 9),
    "lr_min": st.just(0.0) | st.floats(0, 0.01),
    "lr_min_ratio": st.none() | st.floats(0, 1),
    "warmup": st.integers(0, 2),
    "hold": st.integers(0, 2),
    "warmup_start_ratio": st.none() | st.floats(0, 1),
    "cycles": st.none() | st.integers(1, 3),
    "t_mult": st.integers(1, 3),
    "peak_decay": st.floats(0.1, 1),
}


class Symbolic:
    """A scalar of a compiled function, which holds no number yet."""

    shape = ()

    def item(self):
        raise TypeError("no number yet")


class MultilineRepr:
    """An object whose repr has many lines."""

    def __repr__(self):
        return "a\nb\n" * 1000


# fmt: off
NO_NUMBERS = [
    True, np.False_, np.array(True), int, len, Symbolic(), MultilineRepr(),  # noqa: FBT003
    "", "10", "x" * 10**6, "a\nb", b"\n", np.str_("epoch"), np.array("10"),
    [], [1], [0.5] * 10**5, (1,), {}, {"lr_initial": 1}, range(3),
    1j, np.complex128(1), Decimal(1), Fraction(1, 2),
]
SPECIAL = [
    None, *NO_NUMBERS,
    0, 10**18, 2**31, 2**63 - 1, 2**63, 10**400, -(10**400),
    -0.0, 1.0, math.ulp(0.0), 1.7976931348623157e308, math.nan, math.inf, -math.inf,
    np.float32(0.1), np.float16(math.inf), np.longdouble(1), np.int8(-1), np.uint64(2**64 - 1),
    np.array(3), np.array([1.0]), np.zeros((0,)), np.datetime64("2020-01-01"),
]
# fmt: on
values = (
    # By index: Hypothesis prints what it samples from, and some of these cannot be printed.
    st.integers(0, len(SPECIAL) - 1).map(lambda i: SPECIAL[i])
    | st.integers(-2, 20)
    | st.floats(0, 1)
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
)


def assert_refused(error, names):
    """Check that the error is one short line that begins with the name of an argument."""
    assert type(error) in (TypeError, ValueError)
    sentence = str(error)
    assert sentence.startswith(tuple(f"{name} " for name in names)), sentence
    assert len(sentence) < 500
    assert len(sentence.splitlines()) == 1
