"""Whatever the callback is given: an object, or one sentence."""

import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from cosine_callbacks.tensorflow import CosineAnnealingCallback
from tests.odd import EXAMPLES, refused, values

NAMES = [
    "t_max",
    "lr_min",
    "lr_initial",
    "lr_min_ratio",
    "interval",
    "warmup",
    "warmup_start_ratio",
    "cycles",
    "t_mult",
    "peak_decay",
]


@EXAMPLES
@given(st.dictionaries(st.sampled_from(NAMES), values, max_size=3))
def test_the_constructor(given):
    try:
        callback = CosineAnnealingCallback(**given)
    except (TypeError, ValueError) as error:
        refused(error, NAMES)
    else:
        assert isinstance(callback, tf.keras.callbacks.Callback)
