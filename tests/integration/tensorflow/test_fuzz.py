"""Whatever the callback is given, it is built or raises a one-line error."""

import inspect

import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from cosine_callbacks.tensorflow import CosineAnnealingCallback
from tests.fuzz import EXAMPLES, assert_refused, values

_, *NAMES = inspect.signature(CosineAnnealingCallback.__init__).parameters


@EXAMPLES
@given(st.dictionaries(st.sampled_from(NAMES), values, max_size=3))
def test_the_constructor(given):
    try:
        callback = CosineAnnealingCallback(**given)
    except (TypeError, ValueError) as error:
        assert_refused(error, NAMES)
    else:
        assert isinstance(callback, tf.keras.callbacks.Callback)
        assert repr(eval(repr(callback))) == repr(callback)  # noqa: S307 - our own repr
