"""What the command reads from LightningCLI YAML, and which files it refuses."""

import json
import re
import tracemalloc

import pytest

PATH = "cosine_callbacks.lightning.CosineAnnealingCallback"
MONITOR = "lightning.pytorch.callbacks.LearningRateMonitor"
STEP = "{interval: step}"


@pytest.fixture
def config(tmp_path):
    """Return the path of the file that a test writes."""
    return tmp_path / "config.yaml"


@pytest.fixture
def facts_of(output_of, config):
    """Run `preview --json` with this YAML and flags; return what it says, the parameters too."""

    def read(text, *flags):
        config.write_text(text)
        (facts,) = json.loads(output_of("preview --json --config", config, *flags))
        ends = [row["e"] for row in facts["rows"] if re.match("restart|t_max|end$", row["what"])]
        return facts | facts["parameters"] | {"ends": ends}

    return read


def yaml(init_args="{}", trainer="max_epochs: 10", rest="model: {lr: 0.1}"):
    callback = f"{{class_path: {PATH}, init_args: {init_args}}}"
    return f"trainer:\n  {trainer}\n  callbacks:\n    - {callback}\n{rest}\n"


@pytest.mark.parametrize(
    "callbacks",
    [
        f"callbacks: {{class_path: {PATH}}}",
        "callbacks: {class_path: cosine_callbacks.pytorch_lightning.CosineAnnealingCallback}",
        f"callbacks: [{{class_path: {MONITOR}}}, {{class_path: {PATH}, init_args: {{}}}}]",
        f"callbacks: [{MONITOR}, CosineAnnealingCallback]",
        f"callbacks: {{class_path: {PATH}, init_args: null}}",
        f"callbacks: {PATH}",
        f"callbacks+: [{MONITOR}, {PATH}]",
    ],
)
def test_the_callback_alone_or_in_a_list(facts_of, callbacks):
    made = facts_of(f"trainer: {{max_epochs: 7, {callbacks}}}\nmodel: {{lr: 0.1}}")
    assert (made["length"], made["ends"], made["interval"]) == (7, [7], "epoch")


ADAM = "class_path: torch.optim.Adam"
ADAM_2 = f"{{{ADAM}, init_args: {{lr: 2}}}}"


@pytest.mark.parametrize(
    ("rest", "place", "rate"),
    [
        ("optimizer: {class_path: o.SGD, init_args: {lr: 2e-3}}", "optimizer.init_args.lr", 0.002),
        ("optimizer: {lr: 1}", "optimizer.lr", 1.0),
        ("model: {class_path: my.Net, init_args: {lr: 1e-3}}", "model.init_args.lr", 0.001),
        ("model: {learning_rate: 0.25}", "model.learning_rate", 0.25),
        ("fit: {model: {lr: 0.75}}", "model.lr", 0.75),
        # LightningCLI's optimizer takes precedence over the model's rate.
        ("optimizer: {init_args: {lr: 0.5}}\nmodel: {lr: 0.25}", "optimizer.init_args.lr", 0.5),
        ("optimizer: null\nmodel: {lr: 0.25}", "model.lr", 0.25),
        # The optimizer is an argument of the model.
        (f"model: {{optimizer: {ADAM_2}}}", "model.optimizer.init_args.lr", 2.0),
        (
            f"model: {{class_path: n.N, init_args: {{optimizer: {ADAM_2}}}}}",
            *("model.init_args.optimizer.init_args.lr", 2.0),
        ),
        ("model: {optimizer: {lr: 0.2}}", "model.optimizer.lr", 0.2),
        ("model: {optimizer: adam, lr: 0.2}", "model.lr", 0.2),
        ("model: {optimizer: null, lr: 0.2}", "model.lr", 0.2),
        # Several candidates with the same value.
        (f"model: {{lr: 2.0, optimizer: {ADAM_2}}}", "model.lr", 2.0),
    ],
)
def test_the_optimizers_rate(facts_of, rest, place, rate):
    made = facts_of(yaml(rest=rest))
    assert (made["lr_initial"], made["lr_initial_from"]) == (rate, place)


OWN = "the callback's init_args"


@pytest.mark.parametrize(
    ("written", "flags", "right"),
    [
        ("lr_initial: 0.2", "", {"lr_initial": 0.2, "lr_initial_from": OWN}),
        ("lr_initial: 0.2", "--lr_initial 3", {"lr_initial": 3, "lr_initial_from": "--lr_initial"}),
        ("lr_initial: 0.2", "--lr_min 0.1", {"lr_initial": 0.2, "lr_initial_from": OWN}),
        ("lr_initial: 0.2", "--lr_initial null", {"lr_initial_from": "model.lr"}),
        ("lr_initial: null", "", {"lr_initial": 0.1, "lr_initial_from": "model.lr"}),
        ("t_max: 3, warmup: 1", "--t_max 5", {"t_max": 5, "warmup": 1}),
        ("t_max: 3", "--interval step", {"t_max": 3, "interval": "step"}),
        ("t_max: 3", "--t_max null", {"t_max": None, "ends": [10]}),
    ],
)
def test_flags_win_over_the_file(facts_of, written, flags, right):
    assert facts_of(yaml(f"{{{written}}}"), flags).items() >= right.items()


@pytest.mark.parametrize(
    ("written", "right"),
    [
        # Integers are those of the run.
        *((f"t_max: {text}", {"t_max": 8}) for text in ("010", "08", "'8'", "8.0", "+8", "0b1000")),
        ("t_max: 1e3", {"t_max": 1000}),
        ("t_max: 0.5", {"t_max": 0.5}),
        ("t_max: 1.0", {"t_max": 1.0}),
        *((f"t_max: {text}", {"t_max": None}) for text in ("null", "~", "")),
        ("lr_min: 1.5E-4", {"lr_min": 1.5e-4}),
        ("warmup: 0.25", {"warmup": 0.25}),
        ("warmup: 2, warmup_start_ratio: 0", {"warmup": 2, "warmup_start_ratio": 0.0}),
        ("t_max: 2, cycles: null, t_mult: 3, peak_decay: 1", {"cycles": None, "t_mult": 3}),
        ("optimizers: [0]", {"optimizers": None}),
        # Merge keys.
        ("<<: *all, t_max: 4", {"t_max": 4, "warmup": 2}),
        ("t_max: 4, <<: *all", {"t_max": 4, "warmup": 2}),
        ("<<: [*four, *one]", {"t_max": 4, "warmup": 1}),
        ("<<: {<<: *all, t_max: 4}", {"t_max": 4, "warmup": 2}),
    ],
)
def test_values(facts_of, written, right):
    shared = "all: &all {t_max: 3, warmup: 2}\nfour: &four {t_max: 4}\none: &one {warmup: 1}\n"
    assert facts_of(shared + yaml(f"{{{written}}}")).items() >= right.items()


TABLE = "callbacks+: [{{class_path: GradientAccumulationScheduler, init_args: {{scheduling: {}}}}}]"


@pytest.mark.parametrize(
    ("trainer", "init_args", "steps_per_epoch", "length", "ends"),
    [
        ("max_epochs: 10", "{}", None, 10, [10]),
        ("max_epochs: 10", "{t_max: 0.5}", None, 10, [5]),
        ("max_epochs: 10", "{cycles: 4}", None, 10, [3, 5, 8, 10]),  # 2.5 and 7.5 are rounded up
        ("max_epochs: 10", "{interval: step, t_max: 0.25}", 34, 340, [85]),
        # An epoch of 34 batches ends with an update of the last 2.
        ("max_epochs: 10\n  accumulate_grad_batches: 4", STEP, 34, 90, [90]),
        ("max_epochs: 10\n  limit_train_batches: 0.99", STEP, 34, 330, [330]),
        ("max_epochs: 10\n  limit_train_batches: 10", STEP, 34, 100, [100]),
        ("max_epochs: 10\n  limit_train_batches: 50", STEP, 34, 340, [340]),
        ("max_epochs: 10\n  limit_train_batches: 1.0", STEP, 34, 340, [340]),
        ("max_epochs: 10\n  overfit_batches: 0.5", STEP, 34, 170, [170]),
        ("max_epochs: 10\n  overfit_batches: 0.0", STEP, 34, 340, [340]),
        ("max_epochs: 10\n  fast_dev_run: false", STEP, 34, 340, [340]),
        ("max_epochs: 10\n  max_steps: 100", STEP, 34, 100, [100]),
        ("max_epochs: null\n  max_steps: 100", "{}", 34, 3, [3]),
        ("max_steps: 1e3", STEP, None, 1000, [1000]),
        ("max_epochs: -1", "{interval: step, t_max: 7}", None, None, [7]),
        ("max_epochs: 10", "{interval: step, t_max: 7}", 34, 340, [7]),
        (f"max_epochs: 10\n  {TABLE.format('{0: 1, 5: 2}')}", STEP, 34, 255, [255]),
    ],
)
def test_the_planned_length(facts_of, trainer, init_args, steps_per_epoch, length, ends):  # noqa: PLR0913, PLR0917 - a table
    flags = ["--steps_per_epoch", steps_per_epoch] if steps_per_epoch else []
    made = facts_of(yaml(init_args, trainer), *flags)
    assert (made["length"], made["ends"]) == (length, ends)
    used = [row["e"] for row in made["rows"] if "last used" in row["what"]]
    assert used == ([length - 1] if length else [])


@pytest.mark.parametrize(
    ("length", "init_args", "listed"),
    [
        (9, "{cycles: null, t_max: 4}", [4, 8]),
        # The run ends with the cycle.
        (8, "{cycles: null, t_max: 4}", [4]),
        (99, "{cycles: 3, t_max: 4}", [4, 8]),
        (33, "{cycles: null, t_max: 4}", [*range(4, 33, 4)]),
        (37, "{cycles: null, t_max: 4}", [*range(4, 37, 4)]),
        (10**12, "{cycles: null, t_max: 1}", [*range(1, 1001)]),
        (10**12, "{cycles: 5000}", [10**12 // 5000 * i for i in range(1, 1001)]),
        (-1, "{cycles: 12, t_max: 4}", [*range(4, 48, 4)]),
    ],
)
def test_the_restarts_are_those_of_the_run(output_of, config, length, init_args, listed):
    config.write_text(yaml(init_args, f"max_epochs: {length}"))
    output = output_of("preview --config", config)
    found = re.findall(r"^ *(\d+) .*\brestart \d+(, \.\.\.)?", output, re.MULTILINE)
    assert [int(e) for e, _ in found] == listed[:8]
    assert bool(found[-1][1]) == (len(listed) > 8)
    (facts,) = json.loads(output_of("preview --json --config", config))
    rows = [row for row in facts["rows"] if "restart" in row["what"]]
    assert [row["e"] for row in rows] == listed
    assert rows[-1]["what"].endswith(", ...") == (length == 10**12)


TWO = f"""\
trainer:
  max_epochs: 10
  accumulate_grad_batches: 4
  callbacks:
    - {{class_path: {PATH}, init_args: {{optimizers: [0], t_max: 4}}}}
    - {{class_path: {PATH}, init_args: {{optimizers: 1, warmup: 0.25, hold: 0.04}}}}
model: {{lr: 0.1}}
"""


def test_several_callbacks_and_several_peaks(output_of, config, tmp_path):
    config.write_text(TWO)
    assert [line for line in output_of("preview --config", config).splitlines() if "=" in line] == [
        "optimizers=[0]: lr_initial=0.1 from model.lr, t_max=4; 10 epochs",
        "optimizers=1: lr_initial=0.1 from model.lr, warmup=0.25 (2 epochs), hold=0.04 (0",
    ]
    output = output_of("preview --optimizers 0 --lr_initial 0.5 --config", config)
    assert output.startswith("optimizers=[0]: lr_initial=0.5 from --lr_initial, t_max=4; 10 epochs")
    assert "optimizers=1" not in output
    peaks = "preview --lr_initial 0.5 --lr_initial 2 --lr_min_ratio 0.5 --config"
    lines = output_of(peaks, config, "--csv").splitlines()
    assert lines[0] == f"epoch{',learning_rate' * 4}"
    assert lines[3].split(",")[:3] == ["2", "0.375", "1.5"]
    facts = json.loads(output_of(peaks, config, "--json"))
    found = [(each["optimizers"], each["parameters"]["lr_initial"]) for each in facts]
    assert found == [([0], 0.5), ([0], 2.0), (1, 0.5), (1, 2.0)]
    output = output_of(peaks, config, "--save", tmp_path / "curves.svg")
    assert "lr_initial=0.5 and 2.0 from --lr_initial, " in output
    assert re.search(r"^ +0 +0\.5 +2 +start$", output, re.MULTILINE)
    assert (tmp_path / "curves.svg").read_text().count(">learning rate<") == 2


def test_one_of_several_is_chosen(output_of, assert_refused, config, tmp_path):
    log = tmp_path / "log.csv"
    config.write_text(TWO)
    log.write_text("step,lr\n8,0.1\n")  # the last of 9 updates, of which each takes 4 batches
    one = "check must have one curve, got 2; give one --lr_initial, and choose a callback by --opt"
    assert_refused(one, "check", log, "--config", config)
    assert output_of("check --optimizers [0] --steps_per_epoch 34", log, "--config", config)
    none = "optimizers must be a callback's, got 7; give [0] or 1"
    assert_refused(none, "preview --optimizers 7 --config", config)
    config.write_text(TWO.replace("t_max: 4", "t_max: 4, interval: step"))
    units = "csv must have one unit, got epochs and steps; choose by --optimizers"
    assert_refused(units, "preview --csv --config", config)


CURE = "give the run's config, or the config.yaml that LightningCLI saves in its log folder"
NO_CALLBACK = f"{{}} must have our callback in trainer.callbacks, got none; {CURE}"
RATES = "lr_initial must be given where the config has no single rate of the optimizer, got "
NO_RATE = f"{RATES}none; give --lr_initial"
TWO_RATES = f"{RATES}model.lr=0.1 and model.optimizer.init_args.lr=2.0; give --lr_initial"
NO_LENGTH = "t_max must be an int where the run's length is unknown, got None; give --t_max, or "
NO_PARAMETER = (
    "init_args must hold parameters of the callback, got 'tmax'; give lr_initial, t_max, "
)
BESIDE = (
    "lr_scheduler must not be given with our callback, which drives the optimizer, got 'StepLR'"
)
NO_UNITS = "cycles must each get at least one unit of the planned 0, got 1 with t_mult=1; give"
FAST = "trainer.fast_dev_run must be false, got true; preview the run you mean"
NONE_LEFT = "trainer.limit_train_batches times steps_per_epoch must be an int >= 1, got 0"
NOT_YAML = "{} must be a config in YAML, got "
MAPPING = f"{{}} must map names to values, got {{}}; {CURE}"
COPIES = f"a: &a {{{', '.join(f'name_{i}: 1' for i in range(300))}}}\nb: [{'{<<: *a}, ' * 99}]"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", NO_CALLBACK),
        ("trainer: {callbacks: null}", NO_CALLBACK),
        ("a: &a {b: *a, <<: *a}", NO_CALLBACK),
        ("hello", MAPPING.format("{}", "'hello'")),
        ("a: [1\nb: }", f"{NOT_YAML}while parsing a flow sequence "),
        ("a: \x07", f"{NOT_YAML}unacceptable character #x0007"),
        ("a: 1\n---\nb: 1", f"{NOT_YAML}expected a single document in the stream "),
        ("a: {<<: [{}, x]}", f"{NOT_YAML}while constructing a mapping "),
        ("\x89PNG\r\n", f"{NOT_YAML}'utf-8' codec can't decode byte 0x89 in position 0: "),
        ("a: " + "[" * 2000, f"{NOT_YAML}maximum recursion depth exceeded"),
        ("a: " + "x" * 200_000, f"{NOT_YAML}more than 200000 characters; {CURE}"),
        (COPIES, f"{NOT_YAML}more than 20000 entries, merged ones included; {CURE}"),
        ("trainer: trainer.yaml", MAPPING.format("trainer", "'trainer.yaml'")),
        (yaml("{tmax: 3}"), NO_PARAMETER),
        (yaml("[3]"), MAPPING.format("init_args", "[3]")),
        (yaml("{t_max: true}"), "t_max must be a number, got True (bool)"),
        (yaml("{interval: null}"), "interval must be 'epoch' or 'step', got None"),
        (yaml("{optimizers: [0, 0]}"), "optimizers must hold each index once and at least one"),
        (yaml(rest=""), NO_RATE),
        # The model's rate is not that of the optimizer next to it, which has a default.
        (yaml(rest="optimizer: {init_args: {lr: null}}\nmodel: {lr: 0.25}"), NO_RATE),
        (yaml(rest="optimizer: torch.optim.Adam\nmodel: {lr: 0.25}"), NO_RATE),
        (yaml(rest=f"model: {{optimizer: {{{ADAM}}}, lr: 0.25}}"), NO_RATE),
        (yaml(rest="model: {optimizer: torch.optim.Adam, lr: 0.25}"), NO_RATE),
        (yaml(rest=f"model: {{lr: 0.1, optimizer: {ADAM_2}}}"), TWO_RATES),
        (yaml(rest="model: {lr: auto}"), "model.lr must be a number, got 'auto' (str)"),
        (yaml(trainer="max_epochs: many"), "trainer.max_epochs must be a number, got 'many'"),
        (yaml(trainer="accelerator: cpu"), NO_LENGTH),
        (yaml(STEP), NO_LENGTH),
        (yaml(trainer="max_epochs: 10\n  max_steps: 9"), NO_LENGTH),
        (yaml(trainer="max_epochs: 0"), NO_UNITS),
        (yaml(trainer="fast_dev_run: true"), FAST),
        (yaml() + "fit: yes\n", MAPPING.format("fit", "True")),
        (yaml() + "lr_scheduler: StepLR\n", BESIDE),
        (yaml(trainer=TABLE.format("[1]")), MAPPING.format("scheduling", "[1]")),
        (yaml(trainer=TABLE.format("{-1: 4}")), "scheduling must be an int >= 0, got -1"),
    ],
    ids=lambda text: text.replace(PATH, "ours")[-140:],
)
def test_bad_files(assert_refused, config, tmp_path, text, sentence):
    config.write_text(text, encoding="latin-1")
    arguments = "preview --config", config, "--save", tmp_path / "curve.svg"
    assert_refused(sentence.format(config), *arguments)


# Written out, the last would be 9**7 texts.
LEVELS = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]\n" for i in range(1, 8)]


@pytest.mark.parametrize(
    "text",
    [
        *(yaml(f"{{{name}: *l7}}") for name in ("t_max", "optimizers", "<<")),
        *(yaml(trainer=f"callbacks+: {written}") for written in ("*l7", "{class_path: *l7}")),
        *(yaml(rest=f"model: {{{name}: *l7}}") for name in ("lr", "optimizer", "init_args")),
    ],
)
def test_aliases_take_no_memory(command, config, text):
    config.write_text(f"l0: &l0 [text]\n{''.join(LEVELS)}{text}")
    tracemalloc.start()
    status, _, stderr = command("preview --json --lr_initial 1 --config", config)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000_000  # some for imports; the texts would need ten times as much
    assert (status, stderr.count("\n")) in {(0, 0), (2, 1)}


def test_a_flag_tells_the_rate_that_the_file_does_not(output_of, config):
    config.write_text(yaml(rest="model: {lr: auto}"))
    output = output_of("preview --lr_initial 0.3 --config", config)
    assert output.startswith("lr_initial=0.3 from --lr_initial; 10 epochs\n")


def test_other_refusals(assert_refused, config, tmp_path):
    absent = f"[Errno 2] No such file or directory: '{config}'"
    assert_refused(absent, "preview --config", config)
    assert_refused(f"[Errno 21] Is a directory: '{tmp_path}'", "preview --config", tmp_path)
    config.write_text(yaml(trainer="max_epochs: 3\n  limit_train_batches: 0.01"))
    assert_refused(NONE_LEFT, "preview --steps_per_epoch 34 --config", config)
    one = "config must be one file, got 2; give the config.yaml that LightningCLI saves in its log"
    assert_refused(one, "preview --config a.yaml --config b.yaml")


def test_their_code_does_not_run(facts_of, assert_refused, config, tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    text = yaml(rest="model: {class_path: theirs.Net, init_args: {lr: 0.1}}")
    assert facts_of(text)["lr_initial"] == 0.1
    config.write_text(f"{text}a: !!python/object/apply:os.mkdir ['built']")
    assert_refused(NOT_YAML.format(config), "preview --config", config)
