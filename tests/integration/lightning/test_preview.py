"""The command and real runs: it shows the rates that they use, and checks their logs."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, TensorDataset

from cosine_callbacks._command.main import main
from tests.integration.lightning.parts import FRAMEWORK, CosineAnnealingCallback, Model, fit, pl
from tests.integration.lightning.test_cli import cli
from tests.integration.lightning.test_groups import Groups


class Net(Model):
    """A model that tells its rate and a floor."""

    def __init__(self, lr: float = 0.5, lr_min: float = 0.0):
        super().__init__(lr, optimizer=torch.optim.Adam)


class NetWithOptimizer(Model):
    """A model whose optimizer is an argument."""

    def __init__(self, optimizer: cli.OptimizerCallable = torch.optim.SGD):
        super().__init__()
        self.made = optimizer

    def configure_optimizers(self):
        return self.made(self.parameters())


class Digits(pl.LightningDataModule):
    """As many batches of the same size as in the demo."""

    def __init__(self, batch_size: int = 1):
        super().__init__()
        self.batch_size = batch_size

    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.ones(1078, 1)), self.batch_size)


class Linked(cli.LightningCLI):
    """A CLI with an argument that links to the data."""

    def add_arguments_to_parser(self, parser):
        parser.add_argument("--size", type=int, default=2)
        parser.link_arguments("size", "data.batch_size")


OURS = f"cosine_callbacks.{FRAMEWORK}.CosineAnnealingCallback"
ARGUMENTS = f"{{class_path: {OURS}, init_args: {{warmup: 1, hold: 0.2, lr_min: 1e-3, t_max: 04}}}}"
OTHER = f"[{{class_path: {OURS}, init_args: {{lr_min: '${{model.lr_min}}'}}}}]"
MODEL = "model: {lr: 0.25, lr_min: 0.125}"
CLASS = f"model: {{class_path: {__name__}.Net, init_args: {{lr: 0.25}}}}"
ADAM = "{class_path: torch.optim.Adam, init_args: {lr: 0.02}}"
# A run's callbacks and the rest of its config, its CLI, and how that reads YAML.
CONFIGS = {
    "short names": ("CosineAnnealingCallback", MODEL, cli.LightningCLI, {}),
    "a list": (f"[LearningRateMonitor, {ARGUMENTS}]", MODEL, cli.LightningCLI, {}),
    "a class": (f"[{OURS}]", CLASS, cli.LightningCLI, {"subclass_mode_model": True}),
    "a link": (f"[{OURS}]", MODEL, Linked, {}),
    "values of others": (
        *(OTHER, MODEL, cli.LightningCLI),
        {"parser_kwargs": {"parser_mode": "omegaconf"}},
    ),
    "an optimizer": (f"[{OURS}]", f"optimizer: {ADAM}\n{MODEL}", cli.LightningCLI, {}),
    "its argument": (f"[{OURS}]", f"model: {{optimizer: {ADAM}}}", cli.LightningCLI, {}),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_configs_that_a_run_has_and_saves(tmp_path, capsys, name):
    callbacks, rest, made, options = CONFIGS[name]
    given = tmp_path / "given.yaml"
    logger = f"{{class_path: CSVLogger, init_args: {{save_dir: {tmp_path}}}}}"
    trainer = f"trainer: {{max_epochs: 7, logger: {logger}, callbacks: {callbacks}}}"
    given.write_text(f"{trainer}\n{rest}\n")
    quiet = {"accelerator": "cpu", "enable_checkpointing": False, "enable_progress_bar": False}
    run = made(
        {"a class": None, "its argument": NetWithOptimizer}.get(name, Net),
        Digits,
        run=False,
        args=["--config", str(given)],
        trainer_defaults=quiet | {"limit_train_batches": 1},
        seed_everything_default=False,
        **options,
    )
    run.trainer.fit(run.model, run.datamodule)
    saved = Path(run.trainer.log_dir, "config.yaml")
    for config in [saved] if name == "values of others" else [given, saved]:
        capsys.readouterr()
        assert main(["preview", "--csv", "--config", str(config)]) == 0
        lines = capsys.readouterr().out.splitlines()[1:]
        assert [float(line.partition(",")[2]) for line in lines] == run.model.rates


TORCH = "the rate climbs after the end, as with torch's CosineAnnealingLR"
OF_EPOCHS = ["--steps_per_epoch", "8", "--t_max"]
BY_STEP = ["--interval", "step", "--t_max"]


@pytest.mark.parametrize(
    ("t_max", "callback", "plan", "said"),
    [
        (None, {"t_max": 3}, [*OF_EPOCHS, "3"], "is as planned; rates compared: "),
        (None, {"t_max": 3, "interval": "step"}, [*OF_EPOCHS, "3"], "epochs are taken for steps"),
        (3, None, [*OF_EPOCHS, "3"], f"epochs are taken for steps, and {TORCH}"),
        (10, None, [*BY_STEP, "10"], TORCH),
        (None, {"interval": "step"}, [*BY_STEP, "20"], "t_max is 24 instead of 20"),
        (None, None, [*BY_STEP, "24"], "nothing drives the rate, which stays at lr_initial"),
    ],
)
def test_the_log_of_a_real_run(tmp_path, capsys, t_max, callback, plan, said):  # noqa: PLR0913, PLR0917 - a table
    monitor = pl.callbacks.LearningRateMonitor("step", log_momentum=True)
    ours = [] if callback is None else [CosineAnnealingCallback(**callback)]
    logger = pl.loggers.CSVLogger(tmp_path)
    scheduler = None if t_max is None else partial(CosineAnnealingLR, T_max=t_max)
    model = Groups(0.1, 0.01, batches=8, momentum=0.9, scheduler=scheduler)
    fit(model, monitor, *ours, logger=logger, max_epochs=3, log_every_n_steps=1)
    log = str(Path(logger.log_dir, "metrics.csv"))
    capsys.readouterr()
    assert main(["check", log, *plan, "--lr_initial", "0.1"]) == 2
    names = "['lr-SGD/pg1', 'lr-SGD/pg2']; give --column lr-SGD/pg1 or --column lr-SGD/pg2"
    assert capsys.readouterr().err.endswith(f", got {names}\n")
    for column, peak in [("lr-SGD/pg1", "0.1"), ("lr-SGD/pg2", "0.01")]:
        right = main(["check", log, *plan, "--lr_initial", peak, "--column", column]) == 0
        line = capsys.readouterr().out
        assert right == ("as planned;" in said)
        assert said in line if right else line.endswith(f"; likely cause: {said}\n")
