"""`lightning` and `pytorch_lightning` in one process."""

import lightning.pytorch as first
import pytest
import pytorch_lightning as second
import torch
from torch.utils.data import DataLoader

import cosine_callbacks.lightning
import cosine_callbacks.pytorch_lightning

PACKAGES = {
    "lightning": (first, cosine_callbacks.lightning),
    "pytorch_lightning": (second, cosine_callbacks.pytorch_lightning),
}


def rates_of(package, path, **run):
    """Train with one package, from the checkpoint if there is one; save, and return the rates."""
    pl, adapter = PACKAGES[package]

    class Model(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.rates = []

        def training_step(self, batch, batch_idx):
            return self.weight.sum()

        def on_before_optimizer_step(self, optimizer):
            self.rates.append(optimizer.param_groups[0]["lr"])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

        def train_dataloader(self):
            return DataLoader(torch.ones(10, 1))

    model = Model()
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[adapter.CosineAnnealingCallback(t_max=10, interval="step")],
        **run,
    )
    trainer.fit(model, ckpt_path=path if path.exists() else None)
    trainer.save_checkpoint(path)
    return model.rates


@pytest.mark.parametrize("order", [list(PACKAGES), [*PACKAGES][::-1]], ids="-then-".join)
def test_a_checkpoint_moves_between_the_packages(tmp_path, order):
    path = tmp_path / "run.ckpt"
    before = rates_of(order[0], path, max_steps=4)
    after = rates_of(order[1], path, max_steps=10)
    straight = rates_of(order[0], tmp_path / "straight.ckpt", max_steps=10)
    assert before + after == straight


def test_the_classes_differ_and_share_the_logic():
    one, other = (adapter.CosineAnnealingCallback for _, adapter in PACKAGES.values())
    assert issubclass(one, first.Callback)
    assert issubclass(other, second.Callback)
    assert not issubclass(one, second.Callback)
    assert one().state_key == other().state_key


def test_the_two_callbacks_have_the_same_documentation():
    first, second = (adapter.CosineAnnealingCallback for _, adapter in PACKAGES.values())
    assert first.__doc__.replace("cosine_callbacks.lightning", "") == second.__doc__.replace(
        "cosine_callbacks.pytorch_lightning", ""
    )
