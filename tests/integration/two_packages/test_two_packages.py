"""`lightning` and `pytorch_lightning` in one process."""

import lightning.pytorch as first
import pytest
import pytorch_lightning as second
import torch
from torch.utils.data import DataLoader

import cosine_callbacks.lightning
import cosine_callbacks.pytorch_lightning
from tests.curve import cosines

PACKAGES = {
    "lightning": (first, cosine_callbacks.lightning.CosineAnnealingCallback),
    "pytorch_lightning": (second, cosine_callbacks.pytorch_lightning.CosineAnnealingCallback),
}


def rates_of(package, path, **run):
    """Train with one package, from the checkpoint if there is one; save, and return the rates."""
    pl, callback = PACKAGES[package]
    rates = []

    class Model(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

        def training_step(self, batch, batch_idx):
            rates.append(self.optimizers().param_groups[0]["lr"])
            return self.weight.sum()

    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[callback(t_max=10, interval="step")],
        **run,
    )
    resumed = path if path.exists() else None
    trainer.fit(Model(), DataLoader(torch.ones(10, 1)), ckpt_path=resumed)
    trainer.save_checkpoint(path)
    return rates


@pytest.mark.parametrize("order", [list(PACKAGES), [*PACKAGES][::-1]], ids="-then-".join)
def test_a_checkpoint_moves_between_the_packages(tmp_path, order):
    before = rates_of(order[0], tmp_path / "run.ckpt", max_steps=4)
    after = rates_of(order[1], tmp_path / "run.ckpt", max_steps=10)
    assert before + after == cosines(range(10), 10)


def test_the_classes_differ_and_share_the_logic_and_the_documentation():
    one, other = (callback for _, callback in PACKAGES.values())
    assert issubclass(one, first.Callback)
    assert issubclass(other, second.Callback)
    assert not issubclass(one, second.Callback)
    assert one().state_key == other().state_key
    assert one.__doc__ == other.__doc__.replace(".pytorch_lightning", ".lightning")
