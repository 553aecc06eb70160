"""docs/troubleshooting.md quotes each message as a run that goes wrong in this way gives it."""

import os
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from markdown_it import MarkdownIt

from cosine_callbacks import CosineAnnealing

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
DRIVERS = os.environ["COSINE_CALLBACKS_DRIVERS"].split()


def quoted():
    """Return the messages of each section by title."""
    sections, title = {}, None
    tokens = MarkdownIt().parse(PAGE.read_text())
    for i, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h2":
            title = tokens[i + 1].content
            sections[title] = []
        elif token.type == "fence":
            sections[title].append(" ".join(token.content.split()))
    return sections


def lightning_run(folder, *callbacks, lr=0.1, scheduler=None, model=None, data=None, **options):
    """Fit a model of one layer in the current folder, an update per epoch."""
    import torch
    from lightning.pytorch import Trainer
    from lightning.pytorch.demos.boring_classes import BoringModel, RandomDataset

    class Model(BoringModel):
        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=lr)
            return optimizer if scheduler is None else ([optimizer], [scheduler(optimizer)])

    ckpt_path = options.pop("ckpt_path", None)
    trainer = Trainer(
        accelerator="cpu",
        callbacks=[*callbacks],
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        **{"max_epochs": 10, **options},
    )
    data = torch.utils.data.DataLoader(RandomDataset(32, 1) if data is None else data)
    trainer.fit(model or Model(), data, ckpt_path=ckpt_path)
    return trainer


def annealing(**arguments):
    from cosine_callbacks.lightning import CosineAnnealingCallback

    return CosineAnnealingCallback(**arguments)


def warmup_of_no_epoch(folder):
    lightning_run(folder, annealing(warmup=0.05))


def step_that_is_never_called(folder):
    import torch
    from lightning.pytorch.demos.boring_classes import BoringModel

    class SAM(torch.optim.SGD):
        @torch.no_grad()
        def second_step(self):
            for parameter in self.param_groups[0]["params"]:
                parameter.sub_(0.1)

    class Model(BoringModel):
        def __init__(self):
            super().__init__()
            self.automatic_optimization = False

        def training_step(self, batch, batch_idx):
            self.optimizers().optimizer.second_step()

        def configure_optimizers(self):
            return SAM(self.parameters(), lr=0.1)

    lightning_run(folder, annealing(interval="step", t_max=10), model=Model())


def data_without_length(folder):
    import torch

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(torch.ones(2, 32))

    lightning_run(folder, annealing(interval="step"), data=Stream())


def two_schedulers(folder):
    from torch.optim.lr_scheduler import CosineAnnealingLR

    lightning_run(folder, annealing(), scheduler=lambda optimizer: CosineAnnealingLR(optimizer, 10))


def resumed_with(folder, before, after, lr=0.1):
    trainer = lightning_run(folder, annealing(**before), max_epochs=4)
    trainer.save_checkpoint(folder / "last.ckpt")
    lightning_run(folder, annealing(**after), lr=lr, ckpt_path=folder / "last.ckpt")


def resumed_with_another_curve(folder):
    resumed_with(folder, {"t_max": 10}, {"t_max": 20})


def resumed_with_another_rate(folder):
    resumed_with(folder, {"t_max": 10}, {"t_max": 10}, lr=0.01)


def wrong_index(folder):
    lightning_run(folder, annealing(optimizers=1))


def floor_above_the_rate(folder):
    lightning_run(folder, annealing(lr_min=0.001), lr=0.0001)


def keras_run(optimizer, *callbacks, data=None, **compiled):
    """Fit a model of one layer, one batch per epoch."""
    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse", **compiled)
    x = keras.ops.zeros((4, 1))
    data = (x, x) if data is None else (data,)
    model.fit(*data, epochs=2, verbose=0, callbacks=[*callbacks])
    return model


def keras_names():
    import keras

    from cosine_callbacks.keras import CosineAnnealingCallback, CosineAnnealingSchedule

    return SimpleNamespace(
        SGD=keras.optimizers.SGD,
        Callback=CosineAnnealingCallback,
        Schedule=CosineAnnealingSchedule,
        LearningRateScheduler=keras.callbacks.LearningRateScheduler,
    )


def rate_of_0(folder):
    names = keras_names()
    keras_run(names.SGD(0.0, name="sgd"), names.Callback())


def optimizer_that_is_not_applied(folder):
    import keras

    names = keras_names()

    class Gan(keras.Model):
        def call(self, x):
            return x

        def train_step(self, *arguments):
            logs = {"loss": keras.ops.zeros(())}
            return (logs, arguments[0]) if keras.backend.backend() == "jax" else logs

    model = Gan()
    model.compile(names.SGD(0.1, name="sgd"), "mse")
    model.d_optimizer = names.SGD(0.1, name="sgd")
    x = keras.ops.zeros((4, 1))
    model.fit(x, x, epochs=1, verbose=0, callbacks=[names.Callback()])


def generator_data(folder):
    import numpy as np

    def batches():
        while True:
            yield np.zeros((4, 1), "float32"), np.zeros((4, 1), "float32")

    names = keras_names()
    keras_run(names.SGD(0.1, name="sgd"), names.Callback(interval="step"), data=batches())


def wrong_name(folder):
    names = keras_names()
    keras_run(names.SGD(0.1, name="sgd"), names.Callback(optimizers="opt"))


def optimizer_with_a_schedule(folder):
    names = keras_names()
    keras_run(names.SGD(names.Schedule(lr_initial=0.1, t_max=10), name="sgd"), names.Callback())


def another_writer(folder):
    names = keras_names()
    other = names.LearningRateScheduler(lambda _: 0.5)
    keras_run(names.SGD(0.1, name="sgd"), names.Callback(), other)


def trained_model(folder):
    import keras

    names = keras_names()
    model = keras_run(names.SGD(0.1, name="sgd"), names.Callback(lr_min=0.01))
    model.save(folder / "model.keras")
    model = keras.saving.load_model(folder / "model.keras")
    x = keras.ops.zeros((4, 1))
    model.fit(x, x, verbose=0, callbacks=[names.Callback()])


def several_batches_at_once(folder):
    import keras

    if keras.backend.backend() == "torch":
        pytest.skip("Keras runs one batch at a time on torch")
    names = keras_names()
    keras_run(names.SGD(0.1, name="sgd"), names.Callback(interval="step"), steps_per_execution=4)


def another_keyword(folder):
    CosineAnnealing(lr_initial=0.1, T_max=10)


# By title: in which environment each message of the section comes from which run.
CASES = {
    "The optimizer has rate 0": [("keras", rate_of_0)],
    "The warmup is missing": [("lightning", warmup_of_no_epoch)],
    "The rate is constant in Keras": [("keras", optimizer_that_is_not_applied)],
    "The rate is constant in manual optimization": [("lightning", step_that_is_never_called)],
    "t_max must be given": [("lightning", data_without_length), ("keras", generator_data)],
    "Two schedulers on one optimizer": [("lightning", two_schedulers)],
    "The rate jumps after a resume": [("lightning", resumed_with_another_curve)],
    "A new rate has no effect after a resume": [("lightning", resumed_with_another_rate)],
    "The callback drives the wrong optimizer": [("lightning", wrong_index), ("keras", wrong_name)],
    "The floor is above the rate": [("lightning", floor_above_the_rate)],
    "An argument is unknown": [("formula", another_keyword)],
    "The optimizer has a schedule already": [("keras", optimizer_with_a_schedule)],
    "Another callback sets the rate": [("keras", another_writer)],
    "A loaded model starts at a low rate": [("keras", trained_model)],
    "A saved model does not load": [],
    "The schedule ends too early with gradient accumulation": [],
    "Several batches have one rate": [("keras", several_batches_at_once)],
}
RUNS = [
    pytest.param(title, i, run, id=run.__name__)
    for title, runs in CASES.items()
    for i, (driver, run) in enumerate(runs)
    if driver in DRIVERS
]


def test_every_message_has_a_run():
    assert {title: len(messages) for title, messages in quoted().items()} == {
        title: len(runs) for title, runs in CASES.items()
    }


@pytest.mark.parametrize(("title", "i", "run"), RUNS)
def test_the_message_is_that_of_the_run(title, i, run, tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            run(tmp_path)
        except (TypeError, ValueError) as error:
            messages = [str(error)]
        else:
            messages = [str(warning.message) for warning in caught]
    assert quoted()[title][i] in messages
