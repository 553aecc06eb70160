"""Both adapters on TensorFlow, and the errors for mixing Keras 3 and tf_keras."""

import keras
import pytest
import tf_keras

import cosine_callbacks.keras
import cosine_callbacks.tensorflow
from tests.integration.fit.parts import DATA, LEGACY, close, compiled, keras_3, train

ADAPTERS = cosine_callbacks.keras, cosine_callbacks.tensorflow
OURS, OTHER = (tf_keras, keras) if LEGACY else (keras, tf_keras)


@keras_3
def test_both_callbacks_share_the_peak_of_an_optimizer():
    model = compiled(keras.optimizers.SGD(0.1))
    for adapter in ADAPTERS:
        ours = adapter.CosineAnnealingCallback(t_max=10, interval="step")
        assert train(model, ours) == (close(0.55), close([0.0024471741852423214]))


def test_both_callbacks_document_the_same_arguments():
    pages = [adapter.CosineAnnealingCallback.__doc__ for adapter in ADAPTERS]
    first, second = (page.partition("    Args:")[2].partition("    Examples:")[0] for page in pages)
    assert first == second != ""


def linear(package, optimizer):
    model = package.Sequential([package.Input((1,)), package.layers.Dense(1)])
    model.compile(optimizer, "mse")
    return model


def test_the_callback_belongs_to_the_keras_of_tensorflow():
    callback = cosine_callbacks.tensorflow.CosineAnnealingCallback
    assert issubclass(callback, OURS.callbacks.Callback)
    assert not issubclass(callback, OTHER.callbacks.Callback)


@pytest.mark.parametrize("adapter", ["keras", "tensorflow"])
def test_a_callback_of_the_other_keras_is_refused(adapter):
    module = getattr(cosine_callbacks, adapter)
    model = linear(OTHER if adapter == "tensorflow" else tf_keras, "sgd")
    sentence = (
        "^the callback and the model must come from one Keras, got the callback of "
        rf"cosine_callbacks\.{adapter} with a model of .*set TF_USE_LEGACY_KERAS=1 and import "
        r"cosine_callbacks\.tensorflow, for Keras 3 import cosine_callbacks\.keras$"
    )
    with pytest.raises(TypeError, match=sentence):
        model.fit(DATA, DATA, callbacks=[module.CosineAnnealingCallback()], verbose=0)


def test_the_keras_3_schedule_in_a_tf_keras_optimizer_is_refused():
    schedule = cosine_callbacks.keras.CosineAnnealingSchedule(lr_initial=0.1, t_max=10)
    named = r"cosine_callbacks\.tensorflow with interval='step'"
    with pytest.raises(TypeError, match=named):
        tf_keras.optimizers.SGD(schedule)
    model = linear(tf_keras, tf_keras.optimizers.legacy.SGD(schedule))
    with pytest.raises(TypeError, match=named):
        model.fit(DATA, DATA, verbose=0)
