"""The callback configured in LightningCLI YAML."""

import importlib
import subprocess
import sys

import pytest

from tests.integration.lightning.parts import FRAMEWORK, CosineAnnealingCallback, Model, pl

cli = importlib.import_module(f"{pl.__name__}.cli")
PATH = f"cosine_callbacks.{FRAMEWORK}.CosineAnnealingCallback"
ARGUMENTS = [
    "t_max",
    "lr_min",
    "lr_initial",
    "lr_min_ratio",
    "interval",
    "warmup",
    "hold",
    "warmup_start_ratio",
    "cycles",
    "t_mult",
    "peak_decay",
    "optimizers",
]


class Net(Model):
    """A model that the CLI can build without arguments."""

    def __init__(self):
        super().__init__(batches=12)


def build_cli(tmp_path, *lines, arguments=()):
    """Write a YAML file with these init_args, parse it, and return the CLI."""
    config = tmp_path / "config.yaml"
    config.write_text(
        "\n".join(
            [
                "trainer:",
                "  accelerator: cpu",
                "  logger: false",
                "  enable_checkpointing: false",
                "  enable_progress_bar: false",
                "  enable_model_summary: false",
                "  max_epochs: 1",
                "  callbacks:",
                f"    - class_path: {PATH}",
                *(["      init_args:"] if lines else []),
                *(f"        {line}" for line in lines),
            ]
        )
    )
    return cli.LightningCLI(
        Net,
        run=False,
        args=["--config", str(config), *arguments],
        save_config_callback=None,
        seed_everything_default=False,
    )


def callback_of(made):
    (found,) = (c for c in made.trainer.callbacks if isinstance(c, CosineAnnealingCallback))
    return found


def test_interval_step_from_yaml_alone(tmp_path):
    made = build_cli(tmp_path, "interval: step", "t_max: 8")
    made.trainer.fit(made.model)
    right = [0.1, 0.09619398, 0.08535534, 0.06913417, 0.05, 0.03086583, 0.01464466, 0.00380602]
    assert made.model.rates == pytest.approx([*right, 0, 0, 0, 0], rel=1e-6)


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("t_max: 1", "t_max=1"),
        ("t_max: 1.0", "t_max=1.0"),
        ("t_max: 0.5", "t_max=0.5"),
        ("t_max: 8.0", "t_max=8"),
        ("t_max: 1e3", "t_max=1000"),
        ("t_max: null", ""),
        ("lr_min: 1e-4", "lr_min=0.0001"),
        ("lr_min: 0", ""),
        ("lr_initial: 1", "lr_initial=1.0"),
        ("warmup: 0.0", ""),
        ("warmup: 0.05", "warmup=0.05"),
        ("warmup: 3.0", "warmup=3"),
        ("cycles: 2.0", "cycles=2"),
        ("peak_decay: 0.5", "peak_decay=0.5"),
        ("lr_min_ratio: 0.01", "lr_min_ratio=0.01"),
        ("optimizers: 0", "optimizers=[0]"),
        ("optimizers: [0, 1]", "optimizers=[0, 1]"),
    ],
)
def test_values_as_yaml_reads_them(tmp_path, line, right):
    assert repr(callback_of(build_cli(tmp_path, line))) == f"CosineAnnealingCallback({right})"


@pytest.mark.parametrize(
    ("given", "right"), [("1", "1"), ("1.0", "1.0"), ("8.0", "8"), ("1e3", "1000"), ("0.5", "0.5")]
)
def test_values_from_the_command_line(tmp_path, given, right):
    made = build_cli(tmp_path, arguments=[f"--trainer.callbacks.t_max={given}"])
    assert repr(callback_of(made)) == f"CosineAnnealingCallback(t_max={right})"


BAD = [
    "t_max: 0",
    "t_max: -1",
    "t_max: .nan",
    "t_max: .inf",
    "t_max: true",
    "t_max: ten",
    "t_max: [10]",
    "t_max: 8.5",
    "lr_min: -1",
    "lr_min: .inf",
    "lr_initial: 0",
    "lr_min_ratio: 2",
    "interval: batch",
    "warmup: -3",
    "warmup: 2.5",
    "warmup_start_ratio: 3",
    "cycles: 0",
    "cycles: 1.5",
    "t_mult: 0",
    "peak_decay: 0",
    "optimizers: -1",
    "optimizers: []",
    "optimizers: [1, 1]",
]


@pytest.mark.parametrize("line", [*BAD, "tmax: 10"])
def test_a_bad_yaml_value_gives_one_clean_error(tmp_path, capsys, line):
    with pytest.raises(SystemExit) as end:
        build_cli(tmp_path, line)
    assert end.value.code == 2
    printed = capsys.readouterr().err
    name, _, value = line.partition(": ")
    assert [text for text in printed.splitlines() if text.startswith("error:")] != []
    assert printed.count("\nerror:") == 1
    assert "Traceback" not in printed
    assert name in printed
    assert value.strip("[].") in printed


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("t_max: 0", "t_max must be an int >= 1, got 0"),
        ("lr_min: -1", "lr_min must be >= 0, got -1"),
        ("warmup: 2.5", "warmup must be an int >= 0 or a fraction in [0, 1), got 2.5"),
        ("optimizers: [1, 1]", "optimizers must hold each index once and at least one, got"),
    ],
)
def test_the_error_says_what_to_do(tmp_path, capsys, line, sentence):
    with pytest.raises(SystemExit):
        build_cli(tmp_path, line)
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["lr_min: 0.1", "lr_min_ratio: 0.1"], "give only one of them"),
        # jsonargparse accepts null for any type.
        (["lr_min: null"], "lr_min must be a number, got None"),
    ],
    ids=["two-floors", "null"],
)
def test_errors_that_parsing_cannot_find_come_from_init(tmp_path, capsys, lines, sentence):
    with pytest.raises((ValueError, SystemExit)) as refused:
        build_cli(tmp_path, *lines)
    assert sentence in str(refused.value) + capsys.readouterr().err


def test_help_explains_every_argument(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        build_cli(tmp_path, arguments=[f"--trainer.callbacks.help={PATH}"])
    assert end.value.code == 0
    _, _, printed = capsys.readouterr().out.partition("Help for")
    for name in ARGUMENTS:
        _, _, text = printed.partition(f"--trainer.callbacks.{name} ")
        explained = text.partition("--trainer.callbacks.")[0]
        assert len(explained.replace("(type:", "").split()) > 6, name


def test_print_config_shows_plain_values(tmp_path, capsys):
    with pytest.raises(SystemExit):
        build_cli(tmp_path, "t_max: 1e1", "warmup: 0.2", arguments=["--print_config"])
    printed = capsys.readouterr().out
    assert "t_max: 10\n" in printed
    assert "warmup: 0.2\n" in printed


def test_everything_else_works_without_jsonargparse():
    program = (
        "import sys\n"
        "sys.modules['jsonargparse'] = sys.modules['jsonargparse.typing'] = None\n"
        f"from cosine_callbacks.{FRAMEWORK} import CosineAnnealingCallback\n"
        "print(CosineAnnealingCallback(t_max=10, warmup=0.1))"
    )
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "CosineAnnealingCallback(t_max=10, warmup=0.1)\n"


def test_the_types_survive_being_registered_again():
    module = importlib.import_module("cosine_callbacks._trainer.cli_types")
    importlib.reload(module)
