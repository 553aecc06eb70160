"""What only the legacy optimizers of tf_keras have: a decay."""

import pytest

from tests.integration.fit.parts import (
    LEGACY,
    Forwarding,
    close,
    compiled,
    fit,
    keras,
    loss_scaled,
    per_step,
    rate_of,
    weight_of,
)


@pytest.mark.skipif(not LEGACY, reason="Keras 3 has no legacy optimizers")
@pytest.mark.parametrize("wrap", [lambda plain: plain, loss_scaled, Forwarding])
def test_a_decay_is_a_second_schedule(wrap):
    model = compiled(wrap(keras.optimizers.legacy.SGD(0.1, decay=0.5)))
    sentence = r"^SGD must have no decay of its own, got decay=0\.5; build it without decay=$"
    with pytest.raises(ValueError, match=sentence):
        fit(model, per_step())
    assert (weight_of(model), rate_of(model.optimizer)) == (0, close(0.1))
