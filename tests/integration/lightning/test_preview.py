"""The command and real runs: it shows the rates that they use, and checks their logs."""

import csv
import json
import math
from pathlib import Path

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, TensorDataset

from cosine_callbacks._command.main import main
from tests.integration.lightning.parts import FRAMEWORK, CosineAnnealingCallback, Model, fit, pl
from tests.integration.lightning.test_cli import callback_of, cli
from tests.preview.test_config import MERGED

QUIET = {"accelerator": "cpu", "enable_checkpointing": False, "enable_progress_bar": False}


def with_tested_package(text):
    """Return a config with the classes of the Lightning package under test."""
    package = text.replace("cosine_callbacks.lightning", f"cosine_callbacks.{FRAMEWORK}")
    return package.replace("lightning.pytorch.", f"{pl.__name__}.")


class Net(Model):
    """A model that the CLI can build."""

    def __init__(self, lr: float = 0.5):
        super().__init__(lr, optimizer=torch.optim.Adam)


class Digits(pl.LightningDataModule):
    """As many batches of the same size as in the demo."""

    def __init__(self, batch_size: int = 1):
        super().__init__()
        self.batch_size = batch_size

    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.ones(1078, 1)), self.batch_size)


def build_cli(model, data, configs, **defaults):
    return cli.LightningCLI(
        model,
        data,
        run=False,
        args=[text for config in configs for text in ("--config", str(config))],
        trainer_defaults=QUIET | defaults,
        save_config_callback=None,
        seed_everything_default=False,
    )


def test_preview_shows_what_the_demos_run_uses_line_by_line(tmp_path, capsys):
    config = tmp_path / "config.yaml"
    text = Path("examples/lightning/config.yaml").read_text(encoding="utf-8")
    assert text.count("demo_output") == 2
    config.write_text(with_tested_package(text.replace("demo_output", str(tmp_path))))
    run = build_cli(Net, Digits, [config])
    run.trainer.fit(run.model, run.datamodule)

    arguments = ["--config", str(config), "--steps_per_epoch", "34"]
    capsys.readouterr()
    assert main(["preview", "--csv", *arguments]) == 0
    head, *shown = capsys.readouterr().out.splitlines()
    assert head == "step,learning_rate"
    log = Path(run.trainer.log_dir, "metrics.csv")
    with log.open() as file:
        logged = [
            f"{row['step']},{row['lr-Adam']}" for row in csv.DictReader(file) if row["lr-Adam"]
        ]
    # The monitor logs the first step of each epoch twice.
    assert shown == list(dict.fromkeys(logged))
    assert shown == [f"{step},{rate!r}" for step, _, rate in run.model.used]
    assert len(shown) == 340

    assert main(["check", str(log), *arguments]) == 0
    right = f"{log}: lr-Adam is as planned; rates compared: {len(logged)}\n"
    assert capsys.readouterr() == (right, "")


@pytest.mark.parametrize("name", MERGED)
def test_several_configs_are_merged_as_the_cli_does(tmp_path, capsys, name):
    texts, _ = MERGED[name]
    configs = [tmp_path / f"{i}.yaml" for i in range(len(texts))]
    for config, text in zip(configs, texts, strict=True):
        config.write_text(with_tested_package(text))
    run = build_cli(Net, Digits, configs, logger=False)
    arguments = [text for config in configs for text in ("--config", str(config))]
    capsys.readouterr()
    assert main(["preview", "--json", *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    parameters = found["parameters"] | {"lr_initial": None}
    assert repr(callback_of(run)) == repr(CosineAnnealingCallback(**parameters))
    assert (run.trainer.max_epochs, run.model.lr) == (
        found["length"],
        found["parameters"]["lr_initial"],
    )


class NetWithOptimizerArgument(Net):
    """A model whose optimizer is an argument."""

    def __init__(self, optimizer: cli.OptimizerCallable = torch.optim.SGD):
        super().__init__()
        self.made = optimizer

    def configure_optimizers(self):
        return self.made(self.parameters())


ADAM = "{class_path: torch.optim.Adam, init_args: {lr: 0.02}}"


@pytest.mark.parametrize(
    ("model", "rest", "place"),
    [
        (Net, "model: {lr: 0.25}", "model.lr"),
        (Net, f"optimizer: {ADAM}\nmodel: {{lr: 0.25}}", "optimizer.init_args.lr"),
        (NetWithOptimizerArgument, f"model: {{optimizer: {ADAM}}}", "model.optimizer.init_args.lr"),
    ],
)
def test_the_rate_is_that_of_the_optimizer_that_the_cli_builds(
    tmp_path, capsys, model, rest, place
):
    config = tmp_path / "config.yaml"
    ours_alone = f"cosine_callbacks.{FRAMEWORK}.CosineAnnealingCallback"
    config.write_text(f"trainer: {{max_epochs: 2, callbacks: [{ours_alone}]}}\n{rest}\n")
    run = build_cli(model, Digits, [config], logger=False, limit_train_batches=1)
    run.trainer.fit(run.model, run.datamodule)
    capsys.readouterr()
    assert main(["preview", "--json", "--config", str(config)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["lr_initial_from"] == place
    assert [row["rate"] for row in found["rows"][:2]] == run.model.rates


class Scheduled(Model):
    """A model with a torch scheduler that steps at every update."""

    def __init__(self, t_max):
        super().__init__(batches=8)
        self.t_max = t_max

    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        scheduler = CosineAnnealingLR(optimizer, self.t_max)
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


class SetRateAtBatchStart(pl.Callback):
    """Set the rate when the batch begins, after the monitor has logged the previous one."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        rate = 0.05 * (1 + math.cos(math.pi * trainer.global_step / 24))
        trainer.optimizers[0].param_groups[0]["lr"] = rate


TORCH = "the rate climbs after the end, as with torch's CosineAnnealingLR"
BY_STEP = ["--lr_initial", "0.1", "--interval", "step", "--t_max"]
BY_EPOCH = ["--lr_initial", "0.1", "--steps_per_epoch", "8", "--t_max"]
# A run of 3 epochs of 8 steps, its plan, the first step that differs, and the cause.
RUNS = {
    "late": (
        lambda: (Model(batches=8), SetRateAtBatchStart()),
        [*BY_STEP, "24"],
        ("step 1", "the run is one step late"),
    ),
    "epochs for steps": (
        lambda: (Model(batches=8), CosineAnnealingCallback(t_max=3, interval="step")),
        [*BY_EPOCH, "3"],
        ("step 1", "epochs are taken for steps"),
    ),
    "epochs for steps, in torch": (
        lambda: (Scheduled(3),),
        [*BY_EPOCH, "3"],
        ("step 1", f"epochs are taken for steps and {TORCH}"),
    ),
    "climbs": (lambda: (Scheduled(10),), [*BY_STEP, "10"], ("step 11", TORCH)),
    "t_max": (
        lambda: (Model(batches=8), CosineAnnealingCallback(interval="step")),
        [*BY_STEP, "20"],
        ("step 1", "t_max is 24 instead of 20"),
    ),
    "rate": (
        lambda: (Model(0.03, batches=8), CosineAnnealingCallback(interval="step")),
        [*BY_STEP, "24"],
        ("step 0", "lr_initial is 0.03 instead of 0.1"),
    ),
    "none": (
        lambda: (Model(batches=8),),
        [*BY_STEP, "24"],
        ("step 1", "nothing drives the rate, which stays at lr_initial"),
    ),
}


def train_with_log(tmp_path, model, *callbacks, **options):
    """Train with a CSV log of every rate, the monitor first, and return the log."""
    monitor = pl.callbacks.LearningRateMonitor("step", **options)
    logger = pl.loggers.CSVLogger(tmp_path)
    fit(model, monitor, *callbacks, logger=logger, max_epochs=3, log_every_n_steps=1)
    return Path(logger.log_dir, "metrics.csv")


@pytest.mark.parametrize("name", RUNS)
def test_the_fault_of_a_real_run_is_named(tmp_path, capsys, name):
    parts, curve, (place, cause) = RUNS[name]
    log = train_with_log(tmp_path, *parts())
    capsys.readouterr()
    assert main(["check", str(log), *curve]) == 1
    output = capsys.readouterr().out
    assert output.startswith(f"{log}: lr-SGD differs first at {place}: ")
    assert output.endswith(f"; likely cause: {cause}\n")


def test_groups_and_momentum(tmp_path, capsys):
    class TwoGroups(Model):
        def configure_optimizers(self):
            self.other = torch.nn.Parameter(torch.zeros(1))
            groups = [{"params": [self.weight]}, {"params": [self.other], "lr": 0.01}]
            return torch.optim.SGD(groups, lr=0.1, momentum=0.9)

    ours = CosineAnnealingCallback(t_max=3, lr_min_ratio=0.1)
    log = train_with_log(tmp_path, TwoGroups(batches=8), ours, log_momentum=True)
    curve = ["--t_max", "3", "--lr_min_ratio", "0.1", "--steps_per_epoch", "8", "--lr_initial"]
    capsys.readouterr()
    assert main(["check", str(log), *curve, "0.01"]) == 2
    names = "['lr-SGD/pg1', 'lr-SGD/pg2']; give --column one of them"
    assert capsys.readouterr().err.endswith(f", got several, {names}\n")
    assert main(["check", str(log), *curve, "0.1", "--column", "lr-SGD/pg1"]) == 0
    assert main(["check", str(log), *curve, "0.01", "--column", "lr-SGD/pg2"]) == 0
    assert main(["check", str(log), *curve, "0.1", "--column", "lr-SGD/pg2"]) == 1
    capsys.readouterr()
