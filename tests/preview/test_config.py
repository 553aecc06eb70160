"""What the command reads from LightningCLI YAML, and which files it refuses."""

import json
import re
import subprocess
import sys
import tracemalloc

import pytest

PATH = "cosine_callbacks.lightning.CosineAnnealingCallback"
OTHER = "cosine_callbacks.pytorch_lightning.CosineAnnealingCallback"
PREVIEW = "preview", "--config"
MONITOR = "lightning.pytorch.callbacks.LearningRateMonitor"


@pytest.fixture
def preview_json(command, tmp_path):
    """Run `preview --json` with these YAML texts and arguments, and return the parsed output."""

    def read(*texts, arguments=()):
        files = [tmp_path / f"config{i}.yaml" for i in range(len(texts))]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text)
        configs = [text for file in files for text in ("--config", file)]
        status, output, stderr = command("preview", "--json", *configs, *arguments)
        assert (status, stderr) == (0, "")
        made = json.loads(output)
        made["ends"] = [
            row["e"] for row in made["rows"] if re.match("restart|t_max|end$", row["what"])
        ]
        return made

    return read


def yaml(init_args="{}", trainer="max_epochs: 10", rest="model: {lr: 0.1}", path=PATH):
    return f"""\
trainer:
  {trainer}
  callbacks:
    - class_path: {path}
      init_args: {init_args}
{rest}
"""


@pytest.mark.parametrize("path", [PATH, OTHER, "CosineAnnealingCallback"])
def test_the_callback_of_either_package(preview_json, path):
    made = preview_json(yaml("{lr_min: 1e-3}", path=path))
    assert made["parameters"]["lr_min"] == 0.001
    assert (made["parameters"]["lr_initial"], made["interval"], made["length"]) == (
        0.1,
        "epoch",
        10,
    )


@pytest.mark.parametrize(
    "callbacks",
    [
        f"{{class_path: {PATH}}}",
        f"[{{class_path: {MONITOR}}}, {{class_path: {PATH}, init_args: {{}}}}]",
        PATH,
        f"[{MONITOR}, {PATH}]",
        f"{{class_path: {PATH}, init_args: null}}",
    ],
)
def test_the_callback_alone_or_in_a_list(preview_json, callbacks):
    made = preview_json(f"trainer: {{max_epochs: 7, callbacks: {callbacks}}}\nmodel: {{lr: 0.1}}")
    assert (made["length"], made["ends"]) == (7, [7])


ADAM = "class_path: torch.optim.Adam"
# What a config has besides the callback, the key of the rate, and the rate.
RATES = [
    ("optimizer: {class_path: torch.optim.SGD, init_args: {lr: 2e-3}}", "init_args.lr", 0.002),
    ("optimizer: {lr: 1}", "optimizer.lr", 1.0),
    ("model: {class_path: my.Net, init_args: {lr: 1e-3}}", "model.init_args.lr", 0.001),
    ("model: {class_path: n.N, init_args: {learning_rate: .5}}", "init_args.learning_rate", 0.5),
    ("model: {learning_rate: 0.25}", "model.learning_rate", 0.25),
    ("model: {lr: &rate 0.25, other: *rate}", "model.lr", 0.25),
    ("fit: {model: {lr: 0.75}}", "model.lr", 0.75),
    # LightningCLI's optimizer takes precedence over the model's rate.
    ("optimizer: {init_args: {lr: 0.5}}\nmodel: {lr: 0.25}", "optimizer.init_args.lr", 0.5),
    ("optimizer: null\nmodel: {lr: 0.25}", "model.lr", 0.25),
    # The optimizer is an argument of the model.
    (f"model: {{optimizer: {{{ADAM}, init_args: {{lr: 0.2}}}}}}", "optimizer.init_args.lr", 0.2),
    (
        f"model: {{class_path: n.N, init_args: {{optimizer: {{{ADAM}, init_args: {{lr: 2}}}}}}}}",
        "model.init_args.optimizer.init_args.lr",
        2.0,
    ),
    ("model: {optimizer: {lr: 0.2}}", "model.optimizer.lr", 0.2),
    ("model: {optimizer: adam, lr: 0.2}", "model.lr", 0.2),
    ("model: {optimizer: null, lr: 0.2}", "model.lr", 0.2),
    # Several candidates with the same value.
    (f"model: {{lr: 0.20, optimizer: {{{ADAM}, init_args: {{lr: 2e-1}}}}}}", "model.lr", 0.2),
    ("model: {lr: 0.2, learning_rate: 0.2}", "model.lr", 0.2),
]


@pytest.mark.parametrize(("rest", "place", "rate"), RATES)
def test_the_optimizers_rate(preview_json, rest, place, rate):
    made = preview_json(yaml(rest=rest))
    assert made["parameters"]["lr_initial"] == rate
    source = made["lr_initial_from"]
    assert source == place or (source.endswith(f".{place}") and place.startswith(("init", "opt")))


NO_LR_INITIAL = (
    "lr_initial must be given where no config tells the optimizer's lr, got none; give --lr_initial"
)
SEVERAL_RATES = (
    "lr_initial must be given where a config has several rates, got {}; give --lr_initial"
)


@pytest.mark.parametrize(
    ("rest", "sentence"),
    [
        ("", NO_LR_INITIAL),
        # The model's rate is not that of the optimizer next to it, which has a default.
        ("optimizer: {init_args: {lr: null}}\nmodel: {lr: 0.25}", NO_LR_INITIAL),
        ("optimizer: torch.optim.Adam\nmodel: {lr: 0.25}", NO_LR_INITIAL),
        (f"model: {{optimizer: {{{ADAM}}}, lr: 0.25}}", NO_LR_INITIAL),
        ("model: {optimizer: torch.optim.Adam, lr: 0.25}", NO_LR_INITIAL),
        (
            f"model: {{lr: 0.1, optimizer: {{{ADAM}, init_args: {{lr: 0.2}}}}}}",
            SEVERAL_RATES.format("model.lr=0.1 and model.optimizer.init_args.lr=0.2"),
        ),
        (
            "model: {class_path: n.N, init_args: {lr: 0.1, learning_rate: 1}}",
            SEVERAL_RATES.format("model.init_args.lr=0.1 and model.init_args.learning_rate=1.0"),
        ),
        (
            "model: {lr: auto}",
            "model.lr must be a number, got 'auto' (str)",
        ),
        (
            "optimizer: {init_args: {lr: 0}}",
            "optimizer.init_args.lr must be > 0, got 0",
        ),
    ],
)
def test_a_rate_that_the_file_cannot_tell(assert_refused, command, tmp_path, rest, sentence):
    path = tmp_path / "config.yaml"
    path.write_text(yaml(rest=rest))
    assert_refused(sentence, "preview", "--config", path)
    status, output, _ = command("preview", "--config", path, "--lr_initial", 0.3)
    assert status == 0
    assert output.startswith("lr_initial=0.3 from --lr_initial; 10 epochs\n")


@pytest.mark.parametrize(
    ("written", "arguments", "rate", "place"),
    [
        ("{lr_initial: 0.2}", [], 0.2, "the callback's init_args"),
        ("{lr_initial: 0.2}", ["--lr_initial", 3], 3.0, "--lr_initial"),
        ("{lr_initial: 0.2}", ["--lr_min", 0.1], 0.2, "the callback's init_args"),
        ("{lr_initial: 0.2}", ["--lr_initial", "null"], 0.1, "model.lr"),
        ("{lr_initial: null}", [], 0.1, "model.lr"),
        ("{}", ["--lr_initial", "null"], 0.1, "model.lr"),
    ],
)
def test_the_callbacks_own_rate_comes_first_and_a_flag_before_it(
    preview_json, written, arguments, rate, place
):
    made = preview_json(yaml(written), arguments=arguments)
    assert (made["parameters"]["lr_initial"], made["lr_initial_from"]) == (rate, place)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("t_max: 1", {"t_max": 1}),
        ("t_max: 1e3", {"t_max": 1000}),
        ("t_max: 8.0", {"t_max": 8}),
        ("t_max: '8'", {"t_max": 8}),
        ("t_max: 0.5", {"t_max": 0.5}),
        ("t_max: 1.0", {"t_max": 1.0}),
        ("t_max: null", {"t_max": None}),
        ("t_max: ~", {"t_max": None}),
        ("t_max:", {"t_max": None}),
        ("lr_min: 1e-4", {"lr_min": 1e-4}),
        ("lr_min: 1.5E-4", {"lr_min": 1.5e-4}),
        ("lr_min_ratio: .5", {"lr_min_ratio": 0.5}),
        ("lr_min_ratio: null", {"lr_min_ratio": None}),
        ("warmup: 0.25", {"warmup": 0.25}),
        ("warmup: 3.0", {"warmup": 3}),
        ("warmup: 2, warmup_start_ratio: 0", {"warmup": 2, "warmup_start_ratio": 0.0}),
        ("t_max: 2, cycles: null, t_mult: 3, peak_decay: 1", {"cycles": None, "t_mult": 3}),
        ("optimizers: [0]", {"lr_min": 0.0}),
    ],
)
def test_values(preview_json, written, stored):
    assert preview_json(yaml(f"{{{written}}}"))["parameters"].items() >= stored.items()


@pytest.mark.parametrize(
    ("trainer", "init_args", "steps_per_epoch", "right"),
    [
        ("max_epochs: 10", "{}", None, (10, [10])),
        ("max_epochs: 10", "{t_max: 0.5}", None, (10, [5])),
        ("max_epochs: 10", "{t_max: 4}", None, (10, [4])),
        ("max_epochs: 10", "{cycles: 4}", None, (10, [3, 5, 8, 10])),  # 2.5 and 7.5 are rounded up
        ("max_epochs: 10", "{interval: step}", 34, (340, [340])),
        ("max_epochs: 10", "{interval: step, t_max: 0.25}", 34, (340, [85])),
        # An epoch of 34 batches ends with an update of the last 2.
        ("max_epochs: 10\n  accumulate_grad_batches: 4", "{interval: step}", 34, (90, [90])),
        ("max_epochs: 10\n  limit_train_batches: 0.5", "{interval: step}", 34, (170, [170])),
        ("max_epochs: 10\n  limit_train_batches: 0.99", "{interval: step}", 34, (330, [330])),
        ("max_epochs: 10\n  limit_train_batches: 10", "{interval: step}", 34, (100, [100])),
        ("max_epochs: 10\n  limit_train_batches: 50", "{interval: step}", 34, (340, [340])),
        ("max_epochs: 10\n  limit_train_batches: 1.0", "{interval: step}", 34, (340, [340])),
        ("max_epochs: 10\n  overfit_batches: 10", "{interval: step}", 34, (100, [100])),
        ("max_epochs: 10\n  overfit_batches: 0.5", "{interval: step}", 34, (170, [170])),
        ("max_epochs: 10\n  overfit_batches: 0.0", "{interval: step}", 34, (340, [340])),
        ("max_epochs: 10\n  fast_dev_run: false", "{interval: step}", 34, (340, [340])),
        ("max_epochs: 10\n  max_steps: 100", "{interval: step}", 34, (100, [100])),
        ("max_epochs: 10\n  max_steps: 100", "{}", 34, (3, [3])),
        ("max_epochs: null\n  max_steps: 100", "{}", 34, (3, [3])),
        ("max_steps: 1e3", "{interval: step}", None, (1000, [1000])),
        ("max_epochs: -1\n  max_steps: 5", "{interval: step}", None, (5, [5])),
        ("max_epochs: -1", "{interval: step, t_max: 7}", None, (None, [7])),
        ("max_epochs: 10", "{interval: step, t_max: 7}", None, (None, [7])),
        ("max_epochs: 10", "{interval: step, t_max: 7}", 34, (340, [7])),
        ("max_epochs: null", "{t_max: 7}", None, (None, [7])),
    ],
)
def test_the_planned_length(preview_json, trainer, init_args, steps_per_epoch, right):
    arguments = ["--steps_per_epoch", steps_per_epoch] if steps_per_epoch else []
    made = preview_json(yaml(init_args, trainer), arguments=arguments)
    length, ends = right
    assert (made["length"], made["ends"]) == (length, ends)
    used = [row["e"] for row in made["rows"] if "last used" in row["what"]]
    assert used == ([length - 1] if length else [])


def test_a_changing_accumulation(preview_json):
    scheduler = "lightning.pytorch.callbacks.GradientAccumulationScheduler"
    text = f"""\
trainer:
  max_epochs: 10
  callbacks:
    - class_path: {scheduler}
      init_args: {{scheduling: {{0: 1, 5: 2}}}}
    - class_path: {PATH}
      init_args: {{interval: step}}
"""
    made = preview_json(text, arguments=["--steps_per_epoch", 34, "--lr_initial", 1])
    assert made["length"] == 5 * 34 + 5 * 17


NO_CALLBACK = (
    "trainer.callbacks must hold one CosineAnnealingCallback of cosine_callbacks, got 0 in {}; "
    "give the run's config"
)
NO_STEPS_PER_EPOCH = (
    "steps_per_epoch must be given where the run's length depends on it, got none; give "
    "--steps_per_epoch, or an int as --t_max"
)
UNKNOWN_ARGUMENT = (
    "init_args must hold parameters of the callback, got 'tmax'; give lr_initial, t_max, lr_min, "
    "lr_min_ratio, warmup, hold, warmup_start_ratio, cycles, t_mult, peak_decay, interval or "
    "optimizers"
)
NO_LENGTH = (
    "t_max must be an int where no config tells trainer.max_epochs or max_steps, got None; give "
    "an int as --t_max, or a config with one of the two"
)
NO_MAPPING = "{{}} must have a mapping behind <<, got something else in line {}; give one"
NO_UNITS = (
    "cycles must each get at least one unit of the planned 0, got 1 with t_mult=1; give fewer "
    "cycles or t_max="
)

# Merged like LightningCLI does; the Lightning tests compare the two.
MERGED = {
    "later wins": ((yaml("{t_max: 3}"), "trainer: {max_epochs: 4}"), (3, 0, 4)),
    "same class": ((yaml("{t_max: 3, warmup: 1}"), yaml("{t_max: 5}")), (5, 1, 10)),
    "null removes a value": ((yaml("{t_max: 3, warmup: 1}"), yaml("{t_max: null}")), (None, 1, 10)),
    "longer list": (
        (yaml("{t_max: 3, warmup: 1}"), f"trainer: {{callbacks: [{PATH}, {MONITOR}]}}"),
        (None, 0, 10),
    ),
    "another class in its place": (
        (
            yaml("{logging_interval: step}", "max_epochs: 3", path=MONITOR),
            f"trainer: {{callbacks: [{{class_path: {PATH}, init_args: {{t_max: 2}}}}]}}",
        ),
        (2, 0, 3),
    ),
    "class as a text": (
        (yaml("{t_max: 3, warmup: 1}"), f"trainer: {{callbacks: [{PATH}]}}"),
        (3, 1, 10),
    ),
    "one after a list": (
        (
            yaml("{t_max: 3, warmup: 1}"),
            f"trainer: {{callbacks: {{class_path: {PATH}, init_args: {{t_max: 9}}}}}}",
        ),
        (9, 0, 10),
    ),
    "list after one": (
        (
            f"trainer: {{callbacks: {{class_path: {PATH}, init_args: {{t_max: 9}}}}}}",
            yaml("{warmup: 1}"),
        ),
        (9, 1, 10),
    ),
    "merge key": (
        (yaml("{<<: {t_max: 3, warmup: 1}, t_max: 2}"),),
        (2, 1, 10),
    ),
    "aliases": (
        (
            (
                f"trainer: {{callbacks: [{{class_path: {MONITOR}, init_args: &a {{}}}}, "
                f"{{class_path: {PATH}, init_args: *a}}], max_epochs: 5}}\nmodel: {{lr: 1}}"
            ),
        ),
        (None, 0, 5),
    ),
    "appended": (
        (
            f"trainer: {{max_epochs: 3, callbacks: [{MONITOR}]}}\nmodel: {{lr: 1}}",
            f"trainer: {{callbacks+: {{class_path: {PATH}, init_args: {{t_max: 2}}}}}}",
        ),
        (2, 0, 3),
    ),
    "appended to nothing": (
        (f"trainer: {{max_epochs: 3, callbacks+: [{PATH}]}}\nmodel: {{lr: 1}}",),
        (None, 0, 3),
    ),
}


@pytest.mark.parametrize("name", MERGED)
def test_several_files(preview_json, name):
    texts, right = MERGED[name]
    made = preview_json(*texts)
    stored = made["parameters"]
    assert (stored["t_max"], stored["warmup"], made["length"]) == right


def test_the_rate_survives_another_optimizer(preview_json):
    optimizer = (
        "optimizer: {class_path: torch.optim.Adam, init_args: {lr: 0.02, betas: [0.8, 0.9]}}"
    )
    other = "optimizer: {class_path: torch.optim.SGD, init_args: {momentum: 0.9}}"
    assert preview_json(yaml(rest=optimizer), other)["parameters"]["lr_initial"] == 0.02
    assert (
        preview_json(yaml(rest=optimizer), "optimizer: torch.optim.SGD")["parameters"]["lr_initial"]
        == 0.02
    )


def test_flags_win_over_the_file(preview_json):
    made = preview_json(
        yaml("{t_max: 3, warmup: 1}"), arguments=["--t_max", 5, "--interval", "step"]
    )
    stored = made["parameters"]
    assert (stored["t_max"], stored["warmup"], made["interval"]) == (5, 1, "step")
    assert preview_json(yaml("{t_max: 3}"), arguments=["--t_max", "null"])["ends"] == [10]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "{} must be a mapping with a trainer, got nothing; give a config"),
        ("# a comment\n", "{} must be a mapping with a trainer, got nothing; give a config"),
        ("hello", "{} must be a mapping with a trainer, got text or a list; give a config"),
        ("- 1", "{} must be a mapping with a trainer, got text or a list; give a config"),
        (
            "a: [1\nb: }",
            "{} must be YAML, got expected ',' or ']', but got ':' in line 2; give a config",
        ),
        ("a: \x07", "{} must be YAML, got ReaderError; give a config"),
        (
            "? [a]\n: 1",
            "{} must have texts as keys, got a list or mapping in line 1; give a config",
        ),
        (
            "a: 1\n---\nb: 1",
            "{} must be YAML, got but found another document in line 2; give a config",
        ),
        ("a: " + "[" * 10**4, "{} must be a config, got more than 50 levels; give one"),
        ("a: " + "[" * 50, "{} must be a config, got more than 50 levels; give one"),
        (
            "a: " + "[" * 49 + "]" * 49 + "\nb",
            "{} must be YAML, got could not find expected ':' in line 2; give a config",
        ),
        ("a: " + "x" * 10**6, "{} must be a config, got more than 1000000 characters; give one"),
        ("a: *b", "{} must be YAML, got found undefined alias 'b' in line 1; give a config"),
        ("a: &a {b: *a}", "{} must be a config, got more than 50 levels; give one"),
        ("a: &a {<<: *a}", "{} must be a config, got more than 50 levels; give one"),
        ("a: &a {b: 1}\nc: {<<: [*a, x]}", NO_MAPPING.format(2)),
        ("a: {\n<<: x}", NO_MAPPING.format(2)),
        ("a: {<<: [[]]}", NO_MAPPING.format(1)),
        (
            "trainer: {callbacks: null}",
            NO_CALLBACK,
        ),
        (
            "model: {lr: 1}",
            NO_CALLBACK,
        ),
        (
            f"trainer: {{callbacks: [{PATH}, {PATH}]}}",
            NO_CALLBACK.replace("got 0", "got 2"),
        ),
        (
            yaml("{tmax: 3}"),
            UNKNOWN_ARGUMENT,
        ),
        (yaml("{t_max: true}"), "t_max must be a number, got 'true' (str)"),
        (yaml("{warmup: [1]}"), "warmup must be a number, got ['1'] (list)"),
        (
            yaml("{interval: null}"),
            "interval must be 'epoch' or 'step', got None",
        ),
        (
            yaml(trainer="max_epochs: many"),
            "trainer.max_epochs must be a number, got 'many' (str)",
        ),
        (
            yaml(rest=""),
            NO_LR_INITIAL,
        ),
        (
            yaml(trainer="accelerator: cpu"),
            NO_LENGTH,
        ),
        (
            yaml("{interval: step}"),
            NO_STEPS_PER_EPOCH,
        ),
        (
            yaml(trainer="max_epochs: 10\n  max_steps: 9"),
            NO_STEPS_PER_EPOCH,
        ),
        (
            yaml(trainer="max_epochs: 0"),
            NO_UNITS,
        ),
    ],
)
def test_bad_files(assert_refused, tmp_path, text, sentence):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert_refused(
        sentence.format(path), "preview", "--config", path, "--save", tmp_path / "curve.svg"
    )


def test_more_bad_files(assert_refused, tmp_path):
    path = tmp_path / "config.yaml"
    save = "--save", tmp_path / "curve.svg"
    assert_refused(
        f"[Errno 2] No such file or directory: '{path}'", "preview", "--config", path, *save
    )
    assert_refused(
        f"[Errno 21] Is a directory: '{tmp_path}'", "preview", "--config", tmp_path, *save
    )
    path.write_bytes(b"\x89PNG\r\n")
    assert_refused(
        f"{path} must be YAML, got UnicodeDecodeError; give a config",
        *("preview", "--config", path, *save),
    )
    path.write_text(yaml(trainer="max_epochs: 3\n  limit_train_batches: 0.01"))
    assert_refused(
        "trainer.limit_train_batches times steps_per_epoch must be an int >= 1, got 0",
        *("preview", "--config", path, "--steps_per_epoch", 34, *save),
    )


ALIASED = f"""\
trainer:
  max_epochs: &length 8
  callbacks:
    - &monitor {{class_path: {MONITOR}, init_args: &nothing {{}}}}
    - *monitor
    - class_path: {PATH}
      init_args: {{t_max: *length, warmup: 2}}
model: {{lr: 0.1, more: &more [1, 2], again: [*more, *more], none: *nothing}}
"""


def test_aliases_of_lists_and_mappings(preview_json):
    made = preview_json(ALIASED)
    stored = made["parameters"]
    assert (stored["t_max"], stored["warmup"], made["length"]) == (8, 2, 8)


@pytest.mark.parametrize(
    "merged",
    [
        "{<<: *all, t_max: 4}",
        "{t_max: 4, <<: *all}",
        "{<<: [*four, *all]}",
        "{<<: {t_max: 4}, <<: *all, t_max: 4}",
        "{<<: {<<: *all, t_max: 4}}",
    ],
)
def test_merge_keys(preview_json, merged):
    shared = "all: &all {t_max: 3, warmup: 2}\nfour: &four {t_max: 4}\n"
    stored = preview_json(shared + yaml(merged))["parameters"]
    assert (stored["t_max"], stored["warmup"]) == (4, 2)


def nested_aliases(first, levels, times):
    """Return YAML in which each level refers to the one before so many times."""
    made = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * times)}]" for i in range(1, levels)]
    return "\n".join([f"l0: &l0 {first}", *made, yaml()])


MANY = "20000 values, aliases written out"


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        (nested_aliases("[lol]", 12, 9), MANY),
        (nested_aliases("lol", 12, 9), MANY),
        (nested_aliases("{a: 1}", 3, 300), MANY),
        (nested_aliases("[]", 3, 300), MANY),
        (nested_aliases(f"[{'1, ' * 200}]", 3, 100), MANY),
        (nested_aliases("{a: 1}", 3, 300).replace("[", "{<<: [").replace("]", "]}"), MANY),
        (f"a: [{'1,' * 300_000}]", MANY),
        (nested_aliases("[lol]", 60, 1), "50 levels"),
    ],
    ids=[
        "billion laughs",
        "texts",
        "two levels",
        "empty lists",
        "long lists",
        "merged",
        "no alias",
        "deep",
    ],
)
def test_a_yaml_bomb_is_refused_before_it_expands(assert_refused, tmp_path, text, limit):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    tracemalloc.start()
    try:
        assert_refused(f"{path} must be a config, got more than {limit}; give one", *PREVIEW, path)
        # Expanded, it would exhaust the memory.
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


def test_a_config_may_be_large(preview_json):
    assert (
        preview_json(nested_aliases("[lol]", 3, 95))["length"] == 10
    )  # 95 * 95 * 2 values and a few


def test_user_code_is_neither_imported_nor_run(preview_json, tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    tag = "!!python/object/apply:os.mkdir ['built']"
    rest = f"model: {{class_path: theirs.Net, init_args: {{lr: 0.1}}}}\ntheirs: {tag}"
    monkeypatch.chdir(tmp_path)
    assert preview_json(yaml(rest=rest))["parameters"]["lr_initial"] == 0.1
    assert "theirs" not in sys.modules
    assert not (tmp_path / "built").exists()


def test_the_demos_config(command):
    config = "--config", "examples/lightning/config.yaml"
    status, output, _ = command("preview", *config, "--steps_per_epoch", 34)
    assert status == 0
    title = "lr_initial=0.003 from model.lr, lr_min=0.0001, warmup=0.05 (17 steps); 340 steps\n"
    assert output.startswith(title)
    assert output.splitlines()[-8].split() == ["0", "50", "100", "150", "200", "250", "300"]
    # 17 updates of warmup, 1/18 of the peak in the first; then 0.0029 * (1 + cos) / 2 + 0.0001.
    assert [line.split() for line in output.splitlines()[-6:]] == [
        ["0", "0.000166667", "start"],
        ["17", "0.003", "end", "of", "warmup"],
        ["178", "0.00155705", "middle"],
        ["339", "0.000100069", "last", "used"],
        ["340", "0.0001", "t_max"],
        ["341", "0.0001", "after"],
    ]


ACCUMULATING = """\
trainer:
  max_epochs: 10
  callbacks:
    - class_path: lightning.pytorch.callbacks.GradientAccumulationScheduler
      init_args: {}
    - class_path: cosine_callbacks.lightning.CosineAnnealingCallback
model:
  lr: 0.1
"""


TWO_SCHEDULERS = (
    "lr_scheduler must not stand beside our callback, which drives the optimizer, got 'StepLR'; "
    "remove one of the two"
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            yaml("[3]"),
            "init_args must map the callback's arguments to values, got ['3']; give name: value",
        ),
        (
            yaml(trainer="fast_dev_run: true"),
            "trainer.fast_dev_run must be false, got 'true'; preview the run that is meant",
        ),
        (
            ACCUMULATING.format("[1]"),
            "scheduling must map epochs to a number of batches, got None; give epoch: batches",
        ),
        (
            ACCUMULATING.format("{scheduling: [1]}"),
            "scheduling must map epochs to a number of batches, got ['1']; give epoch: batches",
        ),
        (
            ACCUMULATING.format("{scheduling: {-1: 4}}"),
            "scheduling must be an int >= 0, got -1",
        ),
        (yaml() + "lr_scheduler: StepLR\n", TWO_SCHEDULERS),
    ],
    ids=["arguments", "a run of its own", "a list", "a table in a list", "an epoch", "a scheduler"],
)
def test_other_bad_files(assert_refused, tmp_path, text, sentence):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert_refused(sentence, "preview", "--config", path)


PLANNED = """
import sys
from cosine_callbacks._command.plan import make_plan
print(make_plan([], {"lr_initial": "1", "t_max": "8.0"}).rate(4))
print({"jsonargparse", "cosine_callbacks._trainer.cli_types"} & {*sys.modules})
"""


def test_a_plan_registers_no_types():
    done = subprocess.run(
        [sys.executable, "-c", PLANNED], capture_output=True, text=True, check=True
    )
    rate, imported = done.stdout.splitlines()
    assert (float(rate), imported) == (pytest.approx(0.5), "set()")


def test_a_subcommand_that_is_no_mapping(preview_json):
    assert preview_json(yaml() + "fit: yes\n")["length"] == 10
