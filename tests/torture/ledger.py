"""One Trainer with a small model, and the ledger of what really happened in its fits.

The ledger is a list of events. Each checkpoint carries the ledger up to its own moment, and a run
that resumes from it goes on writing there: it is the history of the weights.
"""

import json
import random
from copy import deepcopy
from functools import partial

import torch
from torch.utils.data import DataLoader, IterableDataset

from tests.integration.lightning.parts import CosineAnnealingCallback, importlib, pl, trainer

TorchCheckpointIO = importlib.import_module(f"{pl.__name__}.plugins.io").TorchCheckpointIO
WITHIN = ["train_epoch_start", "train_batch_start", "before_optimizer_step", "train_batch_end"]
WITHIN = [f"on_{name}" for name in (*WITHIN, "validation_end", "train_epoch_end")]
HOOKS = ["on_train_start", *WITHIN, "on_train_end", "on_exception"]


class StopHereError(Exception):
    """Ends a fit, as a user's bug does."""


class RecordingSGD(torch.optim.SGD):
    """Record the rates with which each update is really done."""

    note = None

    def step(self, closure=None):
        with torch.enable_grad():
            loss = closure and closure()
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
    """A layer for each param group of each optimizer."""

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

    def training_step(self, batch, batch_idx):
        if self.automatic_optimization:
            return sum(layer.weight.sum() for layer in self.layers)
        optimizers = self.optimizers()
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        for each, every in zip(optimizers, self.case["every"], strict=True):
            if batch_idx % every == 0:
                each.zero_grad()
                self.manual_backward(sum(layer.weight.sum() for layer in self.layers))
                each.step()
        return None

    def validation_step(self, batch, batch_idx):
        pass

    def train_dataloader(self):
        sizes, sized = self.recorder.run["batches"], self.recorder.run["sized"]
        size = sizes[self.trainer.current_epoch % len(sizes)]
        return DataLoader(range(size) if sized else Stream(size), batch_size=None)

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

    def __init__(self, folder):
        self.folder, self.events = folder, []
        for name in HOOKS:
            setattr(self, name, partial(self._hook, name))

    def begin(self, run, plans):
        """Be told what the next fit is like; `plans` go into the ledger, for the oracle."""
        self.run, self.plans, self.seen = run, plans, dict.fromkeys(HOOKS, 0)
        updated = any(event[0] == "update" for event in self.events)
        idle = updated and self.events[-1][0] == "on_train_start"  # then it is still the resume
        if not idle:
            self.fit = "again" if updated else "anew" if self.events else "resumed"
        self.rng = random.Random(self.folder)

    def update(self, trainer, index, rates):
        self.events.append(["update", index, trainer.global_step, rates])

    def on_save_checkpoint(self, trainer, pl_module, checkpoint):
        checkpoint["ledger"] = json.dumps(self.events)

    def on_load_checkpoint(self, trainer, pl_module, checkpoint):
        self.events = json.loads(checkpoint["ledger"])

    def _hook(self, name, trainer, pl_module, *arguments):
        batches = trainer.num_training_batches
        batches = None if batches == float("inf") else batches
        event = [name]
        if name == "on_train_start":
            event += [self.plans, self.run, batches, self.fit]
        elif name == "on_train_batch_start":
            event += [arguments[-1], batches]
        elif name == "on_train_batch_end":
            last = trainer.is_last_batch if batches is None else arguments[-1] + 1 >= batches
            event += [arguments[-1], last]
        self.events.append(event)
        self.seen[name] += 1
        if self.folder and (name == "on_exception" or self.rng.random() < self.run["saves"]):
            trainer.save_checkpoint(f"{self.folder}/{name}-{len(self.events)}")
        stop = self.run["stop"] if self.run["stop"][1:] == [name, self.seen[name]] else [None]
        trainer.should_stop = trainer.should_stop or stop[0] == "should_stop"
        if stop[0] == "raise":
            raise StopHereError


class Session:
    """One Trainer, with the callback under test or, as a reference, without it."""

    def __init__(self, case, run, memory, folder=""):
        self.recorder = Recorder(folder)
        callbacks = [self.recorder]
        if folder:
            callbacks.insert(case["first"], CosineAnnealingCallback(**case["curve"]))
        if folder and run["checkpoint"]:
            options = {"filename": "{epoch}-{step}", "save_top_k": -1, **run["checkpoint"]}
            callbacks.append(pl.callbacks.ModelCheckpoint(folder, **options))
        if isinstance(run["accumulate"], dict):
            table = {int(epoch): factor for epoch, factor in run["accumulate"].items()}
            callbacks.append(pl.callbacks.GradientAccumulationScheduler(table))
        self.trainer = trainer(
            *callbacks,
            plugins=[memory],
            num_sanity_val_steps=0,
            reload_dataloaders_every_n_epochs=int(len(run["batches"]) > 1),
            max_epochs=run["max_epochs"],
            max_steps=run["max_steps"],
        )
        self.model = Model(case, self.recorder)

    def fit(self, run, plans=None, file=None):
        """Train; return the ValueError that refused the run, if any."""
        self.recorder.begin(run, plans)
        self.trainer.fit_loop.max_epochs = run["max_epochs"] or -1
        self.trainer.fit_loop.epoch_loop.max_steps = run["max_steps"]
        self.trainer.limit_train_batches = run["limit"] or 1.0
        if not isinstance(run["accumulate"], dict):
            self.trainer.accumulate_grad_batches = run["accumulate"]
        for name, value in run["validation"].items():
            setattr(self.trainer, name, value)
        try:
            self.trainer.fit(self.model, ckpt_path=file)
        except StopHereError:
            pass
        except ValueError as error:
            return error
        return None
