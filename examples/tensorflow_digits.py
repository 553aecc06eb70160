"""Train a small network on handwritten digits with the callback in `model.fit`, per epoch.

Run `python examples/tensorflow_digits.py`, with TF_USE_LEGACY_KERAS=1 for legacy tf_keras. If a CSV
file is given as an argument, it writes a log there for `cosine-callbacks check`.
"""

from __future__ import annotations

import sys

import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from cosine_callbacks import cosine_annealing
from cosine_callbacks.tensorflow import CosineAnnealingCallback

EPOCHS, LR_INITIAL, LR_MIN = 10, 0.003, 1e-5
LEAST_ACCURACY = 0.93
# The optimizer keeps its rate in float32.
TOLERANCE = 6e-7


def main() -> int:
    """Train, compare and test; return the exit status."""
    tf.keras.utils.set_random_seed(0)
    images, labels = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        images.reshape(-1, 8, 8, 1) / 16, labels, test_size=0.2, stratify=labels, random_state=0
    )
    model = tf.keras.Sequential(
        [
            tf.keras.Input((8, 8, 1)),
            tf.keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            tf.keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            tf.keras.layers.MaxPooling2D(),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(10),
        ]
    )
    model.compile(
        tf.keras.optimizers.Adam(LR_INITIAL),
        tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    rates: list[float] = []
    noting = tf.keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: rates.append(float(model.optimizer.learning_rate))
    )
    annealing = CosineAnnealingCallback(lr_min=LR_MIN)
    callbacks = [annealing, noting, *map(tf.keras.callbacks.CSVLogger, sys.argv[1:])]
    history = model.fit(x_train, y_train, epochs=EPOCHS, callbacks=callbacks, verbose=2)

    accuracies = history.history["accuracy"]
    formula = [
        cosine_annealing(epoch, lr_initial=LR_INITIAL, lr_min=LR_MIN, t_max=EPOCHS)
        for epoch in range(EPOCHS)
    ]
    print("\nepoch   rate used   formula     training accuracy")
    for epoch in range(EPOCHS):
        rate, right = rates[epoch], formula[epoch]
        print(f"{epoch:5}   {rate:.3e}   {right:.3e}   {accuracies[epoch]:17.3f}")
    off = max(abs(a - b) / b for a, b in zip(rates, formula, strict=True))
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"\ntest accuracy {accuracy:.3f}; each rate within {off:.1e} of the formula")
    return int(off > TOLERANCE or accuracy < LEAST_ACCURACY)


if __name__ == "__main__":
    sys.exit(main())
