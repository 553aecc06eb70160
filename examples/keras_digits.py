"""Train a small Keras network on handwritten digits with the schedule as its learning rate.

Run `KERAS_BACKEND=jax python examples/keras_digits.py`, or with torch or tensorflow. If a CSV file
is given as an argument, it writes a log there for `cosine-callbacks check`.
"""

from __future__ import annotations

import sys
from typing import Any

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from cosine_callbacks import CosineAnnealing
from cosine_callbacks.keras import CosineAnnealingSchedule

EPOCHS, BATCH_SIZE = 8, 32
LEAST_ACCURACY = 0.93
# The relative error of a float32 rate; the schedule guarantees 6e-7.
TOLERANCE = 6e-7


class Rates(keras.callbacks.Callback):
    """Record the rate that each update uses."""

    def __init__(self) -> None:
        """Start with an empty list."""
        super().__init__()
        self.used: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Read the rate of the next update from the optimizer."""
        self.used.append(float(self.model.optimizer.learning_rate))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Log the last rate used; Keras does not log the rate of a schedule."""
        if logs is not None:
            logs["learning_rate"] = self.used[-1]


def main() -> int:
    """Train, compare and test; return the exit status."""
    keras.utils.set_random_seed(0)
    images, labels = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        images / 16, labels, test_size=0.2, stratify=labels, random_state=0
    )
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    per_epoch = -(-len(x_train) // BATCH_SIZE)
    parameters: dict[str, Any] = {
        "lr_initial": 0.01,
        "t_max": EPOCHS * per_epoch,
        "lr_min": 1e-5,
        "warmup": 0.1,
    }
    model.compile(
        keras.optimizers.Adam(CosineAnnealingSchedule(**parameters)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    rates = Rates()
    callbacks = [rates, *map(keras.callbacks.CSVLogger, sys.argv[1:])]
    model.fit(x_train, y_train, BATCH_SIZE, EPOCHS, callbacks=callbacks, verbose=2)

    formula = [CosineAnnealing(**parameters)(e) for e in range(EPOCHS * per_epoch)]
    print("\nepoch   rate used   formula     (rates of each epoch's last update)")
    for epoch in range(EPOCHS):
        last = (epoch + 1) * per_epoch - 1
        print(f"{epoch:5}   {rates.used[last]:.3e}   {formula[last]:.3e}")
    off = max(abs(a - b) / b for a, b in zip(rates.used, formula, strict=True))
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(
        f"\n{keras.backend.backend()}: test accuracy {accuracy:.3f}; {len(formula)} updates, each "
        f"rate within {off:.1e} of the formula"
    )
    return int(off > TOLERANCE or accuracy < LEAST_ACCURACY)


if __name__ == "__main__":
    sys.exit(main())
