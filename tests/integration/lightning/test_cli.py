"""The callback configured in LightningCLI YAML."""

import importlib
import inspect
import sys

import pytest
import yaml

from tests.curve import cosine

from .parts import FRAMEWORK, CosineAnnealingCallback, Model, pl

cli = importlib.import_module(f"{pl.__name__}.cli")
PATH = f"cosine_callbacks.{FRAMEWORK}.CosineAnnealingCallback"
CONFIG = f"""
trainer:
  accelerator: cpu
  logger: false
  enable_checkpointing: false
  enable_progress_bar: false
  enable_model_summary: false
  max_epochs: 1
  callbacks:
    - class_path: {PATH}
      init_args:
"""


class Net(Model):
    """A model that the CLI can build without arguments."""

    def __init__(self):
        super().__init__(batches=12)


@pytest.fixture
def build(tmp_path):
    """Write a YAML file with these init_args, parse it, and return the CLI."""

    def make(*lines, arguments=()):
        config = tmp_path / "config.yaml"
        init_args = [f"        {line}\n" for line in lines] or ["        {}"]
        config.write_text(CONFIG + "".join(init_args))
        return cli.LightningCLI(
            Net,
            run=False,
            args=["--config", str(config), *arguments],
            save_config_callback=None,
            seed_everything_default=False,
        )

    return make


def callback_of(made):
    (found,) = (c for c in made.trainer.callbacks if isinstance(c, CosineAnnealingCallback))
    return found


def test_interval_step_from_yaml_alone(build):
    made = build("interval: step", "t_max: 8")
    made.trainer.fit(made.model)
    right = [cosine(e, 8) for e in range(12)]
    assert made.model.rates == pytest.approx(right, rel=1e-12, abs=1e-17)


@pytest.mark.parametrize("by", ["yaml", "command line"])
@pytest.mark.parametrize(
    ("given", "right"),
    [
        ({"t_max": "1"}, "t_max=1"),
        ({"t_max": "1.0", "lr_min": "1e-4"}, "t_max=1.0, lr_min=0.0001"),
        ({"t_max": "0.5", "lr_min": "0", "warmup": "0.05"}, "t_max=0.5, warmup=0.05"),
        ({"t_max": "8.0", "lr_initial": "1", "warmup": "3.0"}, "lr_initial=1.0, t_max=8, warmup=3"),
        ({"t_max": "1e3", "warmup": "0.0", "optimizers": "0"}, "t_max=1000, optimizers=[0]"),
        ({"t_max": "null", "cycles": "2.0", "peak_decay": "0.5"}, "cycles=2, peak_decay=0.5"),
        ({"lr_min_ratio": "0.01", "optimizers": "[0, 1]"}, "lr_min_ratio=0.01, optimizers=[0, 1]"),
    ],
    ids=str,
)
def test_values_are_as_yaml_reads_them(build, by, given, right):
    if by == "yaml":
        made = build(*(f"{name}: {value}" for name, value in given.items()))
    else:
        arguments = [f"--trainer.callbacks.{name}={value}" for name, value in given.items()]
        made = build(arguments=arguments)
    assert repr(callback_of(made)) == f"CosineAnnealingCallback({right})"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("t_max: 0", "t_max must be an int >= 1, got 0"),
        ("t_max: .nan", "nan"),
        ("t_max: true", "true"),
        ("t_max: 8.5", "8.5"),
        ("lr_min: -1", "lr_min must be >= 0, got -1"),
        ("lr_initial: 0", "lr_initial must be > 0, got 0"),
        ("lr_min_ratio: 2", "lr_min_ratio must be in [0, 1], got 2"),
        ("interval: batch", "batch"),
        ("warmup: 2.5", "warmup must be an int >= 0 or a fraction in [0, 1), got 2.5"),
        ("warmup_start_ratio: 3", "warmup_start_ratio must be in [0, 1], got 3"),
        ("cycles: 1.5", "cycles must be an int >= 1, got 1.5"),
        ("t_mult: 0", "t_mult must be an int >= 1, got 0"),
        ("peak_decay: 0", "peak_decay must be in (0, 1], got 0"),
        ("optimizers: -1", "optimizers must be an int >= 0, got -1"),
        ("optimizers: [1, 1]", "optimizers must hold each index once and at least one, got"),
        ("tmax: 10", "10"),
    ],
)
def test_a_bad_yaml_value_gives_one_clean_error(build, capsys, line, sentence):
    with pytest.raises(SystemExit) as end:
        build(line)
    assert end.value.code == 2
    printed = capsys.readouterr().err
    assert printed.count("\nerror:") == 1
    assert "Traceback" not in printed
    assert line.partition(":")[0] in printed
    assert sentence in printed
    # The constructor refuses the same, also where no CLI has looked at it.
    named = "got an unexpected" if "tmax" in line else f"^{line.partition(':')[0]} must "
    with pytest.raises((TypeError, ValueError), match=named) as refused:
        CosineAnnealingCallback(**yaml.safe_load(line))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["lr_min: 0.1", "lr_min_ratio: 0.1"], "give only one of them"),
        # jsonargparse accepts null for any type.
        (["lr_min: null"], "lr_min must be a number, got None"),
    ],
    ids=["two-floors", "null"],
)
def test_errors_that_parsing_cannot_find_come_from_init(build, capsys, lines, sentence):
    with pytest.raises((ValueError, SystemExit)) as refused:
        build(*lines)
    assert sentence in str(refused.value) + capsys.readouterr().err


def test_help_explains_every_argument(build, capsys):
    with pytest.raises(SystemExit) as end:
        build(arguments=[f"--trainer.callbacks.help={PATH}"])
    assert end.value.code == 0
    _, _, printed = capsys.readouterr().out.partition("Help for")
    for name in inspect.signature(CosineAnnealingCallback).parameters:
        _, _, text = printed.partition(f"--trainer.callbacks.{name} ")
        explained = text.partition("--trainer.callbacks.")[0]
        assert len(explained.replace("(type:", "").split()) > 6, name


def test_print_config_shows_plain_values(build, capsys):
    with pytest.raises(SystemExit):
        build("t_max: 1e1", "warmup: 0.2", arguments=["--print_config"])
    printed = capsys.readouterr().out
    assert "t_max: 10\n" in printed
    assert "warmup: 0.2\n" in printed


def test_everything_else_works_without_jsonargparse(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "cosine_callbacks"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("jsonargparse", "jsonargparse.typing"):
        monkeypatch.setitem(sys.modules, name, None)
    fresh = importlib.import_module(f"cosine_callbacks.{FRAMEWORK}").CosineAnnealingCallback
    assert fresh is not CosineAnnealingCallback
    assert repr(fresh(t_max=10)) == "CosineAnnealingCallback(t_max=10)"


def test_the_types_survive_being_registered_again():
    importlib.reload(importlib.import_module("cosine_callbacks._trainer.cli_types"))
