"""docs/troubleshooting.md quotes each message as a run that goes wrong in this way gives it."""

import os
import warnings
from functools import partial
from pathlib import Path

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


if "lightning" in DRIVERS:
    import torch
    from lightning.pytorch import Trainer
    from lightning.pytorch.demos.boring_classes import BoringModel, RandomDataset
    from torch.optim.lr_scheduler import CosineAnnealingLR

    from cosine_callbacks import lightning as ours

    class Model(BoringModel):
        def __init__(self, lr=0.1, schedulers=()):
            super().__init__()
            self.lr, self.schedulers = lr, schedulers

        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=self.lr)
            return [optimizer], [scheduler(optimizer, 10) for scheduler in self.schedulers]

    class SAM(torch.optim.SGD):
        @torch.no_grad()
        def second_step(self):
            for parameter in self.param_groups[0]["params"]:
                parameter.sub_(0.1)

    class Manual(BoringModel):
        automatic_optimization = False

        def training_step(self, batch, batch_idx):
            self.optimizers().optimizer.second_step()

        def configure_optimizers(self):
            return SAM(self.parameters(), lr=0.1)

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(torch.ones(2, 32))


def lightning_run(folder, model=None, data=None, epochs=10, ckpt_path=None, **arguments):
    """Fit a model of one layer in Lightning, an update per epoch."""
    trainer = Trainer(
        accelerator="cpu",
        callbacks=[ours.CosineAnnealingCallback(**arguments)],
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        max_epochs=epochs,
    )
    data = torch.utils.data.DataLoader(data or RandomDataset(32, 1))
    trainer.fit(model or Model(), data, ckpt_path=ckpt_path)
    return trainer


def resume(folder, model=None, t_max=10):
    lightning_run(folder, epochs=4, t_max=10).save_checkpoint(folder / "last.ckpt")
    lightning_run(folder, model, ckpt_path=folder / "last.ckpt", t_max=t_max)


if "keras" in DRIVERS:
    import keras

    from cosine_callbacks.keras import CosineAnnealingCallback, CosineAnnealingSchedule
    from tests.integration.fit.parts import BACKEND, DATA, Idle, batches, compiled, fit


def keras_run(folder, rate=0.1, *others, compiling=None, data=None, **arguments):
    """Fit a model of one weight in Keras; its optimizer has the name that the page quotes."""
    model = compiled(keras.optimizers.SGD(rate, name="sgd"), **compiling or {})
    data = DATA if data is None else data
    fit(model, CosineAnnealingCallback(**arguments), *others, data=data, epochs=2)
    return model


def optimizer_that_is_not_applied(folder):
    model = compiled(keras.optimizers.SGD(0.1, name="sgd"), kind=Idle)
    model.d_optimizer = keras.optimizers.SGD(0.1)
    fit(model, CosineAnnealingCallback())


def another_writer(folder):
    keras_run(folder, 0.1, keras.callbacks.LearningRateScheduler(lambda _: 0.5))


def load_a_trained_model(folder):
    keras_run(folder, lr_min=0.01).save(folder / "model.keras")
    fit(keras.saving.load_model(folder / "model.keras"), CosineAnnealingCallback())


def several_batches_at_once(folder):
    if BACKEND == "torch":
        pytest.skip("Keras runs one batch at a time on torch")
    keras_run(folder, compiling={"steps_per_execution": 4}, interval="step")


# By title: in which environment each message of the section comes from which run.
CASES = {
    "The optimizer has rate 0": [("keras", partial(keras_run, rate=0.0))],
    "The warmup is missing": [("lightning", partial(lightning_run, warmup=0.05))],
    "The rate is constant in Keras": [("keras", optimizer_that_is_not_applied)],
    "The rate is constant in manual optimization": [
        ("lightning", lambda folder: lightning_run(folder, Manual(), interval="step", t_max=10))
    ],
    "t_max must be given": [
        ("lightning", lambda folder: lightning_run(folder, data=Stream(), interval="step")),
        ("keras", lambda folder: keras_run(folder, data=batches(4), interval="step")),
    ],
    "Two schedulers on one optimizer": [
        ("lightning", lambda folder: lightning_run(folder, Model(schedulers=[CosineAnnealingLR])))
    ],
    "The rate jumps after a resume": [("lightning", partial(resume, t_max=20))],
    "A new rate has no effect after a resume": [
        ("lightning", lambda folder: resume(folder, Model(0.01)))
    ],
    "The callback drives the wrong optimizer": [
        ("lightning", partial(lightning_run, optimizers=1)),
        ("keras", partial(keras_run, optimizers="opt")),
    ],
    "The floor is above the rate": [
        ("lightning", lambda folder: lightning_run(folder, Model(0.0001), lr_min=0.001))
    ],
    "An argument is unknown": [("formula", lambda _: CosineAnnealing(lr_initial=0.1, T_max=10))],
    "The optimizer has a schedule already": [
        ("keras", lambda folder: keras_run(folder, CosineAnnealingSchedule(lr_initial=1, t_max=9)))
    ],
    "Another callback sets the rate": [("keras", another_writer)],
    "A loaded model starts at a low rate": [("keras", load_a_trained_model)],
    # The first message is Keras' own: tests/integration/keras/test_saved.py.
    "A saved model does not load": [],
    "The schedule ends too early with gradient accumulation": [],
    "Several batches have one rate": [("keras", several_batches_at_once)],
}
RUNS = [
    pytest.param(title, i, run, id=f"{title}, {driver}")
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
