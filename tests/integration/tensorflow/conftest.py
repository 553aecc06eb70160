"""Skip the tests of the Keras that tf.keras is not, Keras 3 or tf_keras."""

from tests.integration.tensorflow.parts import LEGACY

collect_ignore = ["test_keras_3.py" if LEGACY else "test_legacy.py"]
