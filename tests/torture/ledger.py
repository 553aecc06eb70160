"""One fit of a small model, and the ledger of what really happened in it.

The ledger is a list of events. Each checkpoint carries the ledger up to its own moment, and a run
that resumes from it goes on writing there: it is the history of the weights.
"""

import json
import random
from copy import deepcopy
from functools import partial

import torch
from torch.utils.data import DataLoader, IterableDataset

from tests.integration.lightning.parts import CosineAnnealingCallback, importlib, pl

TorchCheckpointIO = importlib.import_module(f"{pl.__name__}.plugins.io").TorchCheckpointIO

HOOKS = (
    "on_train_start",
    "on_train_epoch_start",
    "on_train_batch_start",
    "on_before_optimizer_step",
    "on_train_batch_end",
    "on_validation_end",
    "on_train_epoch_end",
    "on_train_end",
    "on_exception",
)


class StopHereError(Exception):
    """Ends a fit, as a user's bug does."""


class RecordingSGD(torch.optim.SGD):
    """Record the rates with which each update is really done."""

    note = None

    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.note([float(group["lr"]) for group in self.param_groups])
        super().step()
        return loss


class Stream(IterableDataset):
    """Data without a length."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(range(self.batches))


class Model(pl.LightningModule):
    """A weight for each param group of each optimizer."""

    def __init__(self, case, recorder):
        super().__init__()
        self.case, self.recorder = case, recorder
        self.automatic_optimization = case["every"] is None
        count = sum(map(len, case["bases"]))
        self.layers = torch.nn.ModuleList(torch.nn.Linear(1, 1) for _ in range(count))

    def configure_optimizers(self):
        layers, made = iter(self.layers), []
        for index, rates in enumerate(self.case["bases"]):
            groups = [{"params": next(layers).parameters(), "lr": rate} for rate in rates]
            made.append(RecordingSGD(groups, lr=0.5))
            made[-1].note = partial(self.recorder.update, self.trainer, index)
        return made

    def on_train_batch_start(self, batch, batch_idx):
        return -1 if self.recorder.skip else None

    def training_step(self, batch, batch_idx):
        def loss():
            return sum(layer.weight.sum() for layer in self.layers)

        if self.automatic_optimization:
            return loss()
        optimizers = self.optimizers()
        for index, every in enumerate(self.case["every"]):
            if batch_idx % every == 0:
                one = optimizers[index] if isinstance(optimizers, list) else optimizers
                one.zero_grad()
                self.manual_backward(loss())
                one.step()
        return None

    def validation_step(self, batch, batch_idx):
        pass

    def train_dataloader(self):
        run = self.recorder.run
        sizes = run["batches"]
        size = sizes[self.trainer.current_epoch % len(sizes)]
        return DataLoader(range(size) if run["sized"] else Stream(size), batch_size=None)

    def val_dataloader(self):
        return DataLoader([0], batch_size=None)


class Memory(TorchCheckpointIO):
    """All checkpoints of a case by their paths: files would take half of the time."""

    def __init__(self):
        self.saved = {}

    def save_checkpoint(self, checkpoint, path, storage_options=None):
        self.saved[str(path)] = deepcopy(checkpoint)

    def load_checkpoint(self, path, map_location=None, weights_only=None):
        return deepcopy(self.saved[path])

    def remove_checkpoint(self, path):
        pass


class Recorder(pl.Callback):
    """Write the ledger, save a checkpoint now and then, and end the fit where its run says so."""

    def __init__(self, folder, run):
        self.folder, self.run = folder, run
        self.events, self.skip = [], False
        for name in HOOKS:
            setattr(self, name, partial(self._hook, name))

    def begin(self, run, plans):
        """Be told what the next fit is like; `plans` go into the ledger, for the oracle."""
        self.run, self.plans, self.seen = run, plans, dict.fromkeys(HOOKS, 0)
        self.fit = "again" if self.events else "resumed"
        self.rng = random.Random(self.folder)

    def update(self, trainer, index, rates):
        self.events.append(["update", index, trainer.global_step, rates])

    def on_save_checkpoint(self, trainer, pl_module, checkpoint):
        checkpoint["ledger"] = json.dumps(self.events)

    def on_load_checkpoint(self, trainer, pl_module, checkpoint):
        self.events = json.loads(checkpoint["ledger"])

    def _hook(self, name, trainer, pl_module, *arguments):
        sized = trainer.num_training_batches != float("inf")
        batches = trainer.num_training_batches if sized else None
        event = [name]
        if name == "on_train_start":
            event = [name, self.plans, self.run, batches, self.fit]
        elif name == "on_train_batch_start":
            event = [name, arguments[-1], batches]
        elif name == "on_train_batch_end":
            index = arguments[-1]
            event = [name, index, index + 1 >= batches if sized else trainer.is_last_batch]
        self.events.append(event)
        self.seen[name] += 1
        if self.folder and (name == "on_exception" or self.rng.random() < self.run["saves"]):
            trainer.save_checkpoint(f"{self.folder}/{name}-{len(self.events)}")
        self._stop(name, trainer)

    def _stop(self, name, trainer):
        kind, hook, number = self.run["stop"] or (None, None, 0)
        now = name == hook and self.seen[name] == number
        self.skip = now and kind == "skip"
        if now and kind == "raise":
            raise StopHereError
        if now and kind == "should_stop":
            trainer.should_stop = True


class Session:
    """One Trainer, with the callback under test or, as a reference, without it."""

    def __init__(self, case, run, memory, folder="", *, ours=False):
        self.recorder = Recorder(folder, run)
        callbacks = [self.recorder]
        if ours:
            callbacks.insert(case["first"], CosineAnnealingCallback(**case["curve"]))
        if folder and run["checkpoint"]:
            made = pl.callbacks.ModelCheckpoint(
                folder, "{epoch}-{step}", save_top_k=-1, **run["checkpoint"]
            )
            callbacks.append(made)
        accumulate = run["accumulate"]
        if isinstance(accumulate, dict):
            scheduling = {int(epoch): factor for epoch, factor in accumulate.items()}
            callbacks.append(pl.callbacks.GradientAccumulationScheduler(scheduling))
            accumulate = 1
        self.trainer = pl.Trainer(
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_checkpointing=bool(folder and run["checkpoint"]),
            enable_progress_bar=False,
            enable_model_summary=False,
            plugins=[memory],
            num_sanity_val_steps=0,
            callbacks=callbacks,
            accumulate_grad_batches=accumulate,
            reload_dataloaders_every_n_epochs=int(len(run["batches"]) > 1),
            max_epochs=run["max_epochs"],
            max_steps=run["max_steps"],
        )
        self.model = Model(case, self.recorder)

    def fit(self, run, plans=None, file=None):
        """Train; return the ValueError that refused the run, if any."""
        self.recorder.begin(run, plans)
        trainer = self.trainer
        if run["max_epochs"] is not None:
            trainer.fit_loop.max_epochs = run["max_epochs"]
        trainer.fit_loop.epoch_loop.max_steps = run["max_steps"]
        trainer.limit_train_batches = 1.0 if run["limit"] is None else run["limit"]
        if not isinstance(run["accumulate"], dict):
            trainer.accumulate_grad_batches = run["accumulate"]
        trainer.limit_val_batches, trainer.val_check_interval, trainer.check_val_every_n_epoch = (
            run["validation"]
        )
        try:
            self.trainer.fit(self.model, ckpt_path=file)
        except StopHereError:
            pass
        except ValueError as error:
            return error
        return None
