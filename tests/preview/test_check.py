"""What the command says about logs written here with the textbook cosine."""

import csv
import math
import subprocess
import sys

import pytest

PEAK, FLOOR, EPOCHS, STEPS = 0.1, 0.001, 10, 34
LAST = EPOCHS * STEPS


def cosine(e, t_max, floor=FLOOR, peak=PEAK):
    """Return the rate of the formula without clamping, which rises after t_max."""
    return floor + (peak - floor) / 2 * (1 + math.cos(math.pi * e / t_max))


def clamped_cosine(e, t_max, **given):
    return cosine(min(max(e, 0), t_max), t_max, **given)


def rate_with_warmup(e, t_max, warmup, peak=PEAK):
    if e < warmup:
        return peak * (1 + e) / (warmup + 1)
    return clamped_cosine(e - warmup, t_max - warmup, peak=peak)


@pytest.fixture
def lightning(tmp_path):
    """Write a log like Lightning's, with separate lines for rates and metrics."""

    def write(rate, steps=LAST, every=5, column="lr-Adam"):
        path = tmp_path / "metrics.csv"
        with path.open("w", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(["epoch", "loss", column, f"{column}-momentum", "step"])
            for e in range(every - 1, steps, every):
                lines.writerow(["", "", rate(e), 0.9, e])
                lines.writerow([e // STEPS, "nan", "", "", e])
        return path

    return write


@pytest.fixture
def keras(tmp_path):
    """Write a log like Keras': one line per epoch, with its last rate."""

    def write(rate, epochs=EPOCHS):
        path = tmp_path / "training.csv"
        with path.open("w", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(["epoch", "accuracy", "learning_rate", "loss"])
            lines.writerows([epoch, 0.5, rate(epoch), "nan"] for epoch in range(epochs))
        return path

    return write


COMMON = ["--lr_initial", PEAK, "--lr_min", FLOOR]
BY_STEP = [*COMMON, "--interval", "step", "--t_max", LAST, "--steps_per_epoch", STEPS]
BY_EPOCH = [*COMMON, "--t_max", EPOCHS, "--steps_per_epoch", STEPS]


@pytest.mark.parametrize("printed", [repr, "{:.8g}".format], ids=["repr", "decimals"])
def test_a_run_as_planned(command, lightning, keras, printed):
    by_step, by_epoch = (
        lightning(lambda e: printed(clamped_cosine(e, LAST))),
        keras(lambda e: printed(clamped_cosine(e, 10))),
    )
    right = f"{by_step}: lr-Adam is as planned; rates compared: 68\n"
    assert command("check", by_step, *BY_STEP) == (0, right, "")
    right = f"{by_epoch}: learning_rate is as planned; rates compared: 10\n"
    assert command("check", by_epoch, *BY_EPOCH) == (0, right, "")
    assert command("check", by_epoch, *BY_EPOCH[:-2]) == (0, right, "")


def test_float32_is_as_planned_and_the_next_step_is_not(command, lightning):
    import numpy as np

    path = lightning(lambda e: float(np.float32(clamped_cosine(e, LAST))), every=1)
    assert command("check", path, *BY_STEP)[0] == 0
    path = lightning(lambda e: clamped_cosine(e, LAST) * (1 + 2e-6 * (e == 200)), every=1)
    status, output, _ = command("check", path, *BY_STEP)
    assert status == 1
    assert f"{path}: lr-Adam differs first at step 200: " in output


def test_units_that_differ(command, lightning, keras):
    path = lightning(lambda e: clamped_cosine(e // STEPS, EPOCHS))
    assert command("check", path, *BY_EPOCH)[0] == 0
    path = keras(lambda epoch: clamped_cosine(epoch * STEPS + STEPS - 1, LAST))
    assert command("check", path, *BY_STEP)[0] == 0


@pytest.mark.parametrize(
    ("kind", "log", "curve"), [("lightning", "step", BY_EPOCH), ("keras", "epoch", BY_STEP)]
)
def test_units_that_cannot_be_compared(assert_refused, request, kind, log, curve):
    path = request.getfixturevalue(kind)(lambda _: 0.1)
    unit = "epoch" if log == "step" else "step"
    assert_refused(
        f"steps_per_epoch must tell the {log}s of {path} in {unit}s, got none or an accumulation "
        "that changes; give --steps_per_epoch",
        *("check", path, *curve[:-2]),
    )


TORCH = "the rate climbs after the end, as with torch's CosineAnnealingLR"
# For each faulty run: its rates, its plan, and how the printed line ends.
FAULTS = {
    "one step late": (
        lambda e: clamped_cosine(e - 1, LAST),
        BY_STEP,
        "step 4: 0.09998098 is logged, 0.09996619 planned, 1.48e-05 too high",
        "the run is one step late",
    ),
    "one step early": (
        lambda e: clamped_cosine(e + 1, LAST),
        BY_STEP,
        "step 4: 0.09994718 is logged, 0.09996619 planned, 1.9e-05 too low",
        "the run is one step early",
    ),
    "one epoch late": (
        lambda e: clamped_cosine(e // STEPS - 1, EPOCHS),
        BY_EPOCH,
        "step 34: 0.1 is logged, 0.0975773 planned, 0.00242 too high",
        "the run is one epoch late",
    ),
    "epochs for steps": (
        lambda e: clamped_cosine(e, EPOCHS),
        BY_EPOCH,
        "step 4: 0.06579634 is logged, 0.1 planned, 0.0342 too low",
        "epochs are taken for steps",
    ),
    "epochs for steps, in torch": (
        lambda e: cosine(e, EPOCHS),
        BY_EPOCH,
        "step 4: 0.06579634 is logged, 0.1 planned, 0.0342 too low",
        f"epochs are taken for steps and {TORCH}",
    ),
    "another t_max by epochs": (
        lambda e: clamped_cosine(e // STEPS, 7),
        BY_EPOCH,
        "step 34: 0.09509796 is logged, 0.0975773 planned, 0.00248 too low",
        "t_max is 7 instead of 10",
    ),
    "another t_max by epochs with a warmup": (
        lambda e: rate_with_warmup(e // STEPS, 8, 2),
        [*BY_EPOCH, "--warmup", 2],
        "step 104: 0.09336826 is logged, 0.09623204 planned, 0.00286 too low",
        "t_max is 8 instead of 10",
    ),
    "steps for epochs": (
        lambda e: clamped_cosine(e // STEPS, LAST),
        BY_STEP,
        "step 4: 0.1 is logged, 0.09996619 planned, 3.38e-05 too high",
        "steps are taken for epochs",
    ),
    "climbs after the end": (
        lambda e: cosine(e, 200),
        [*BY_STEP, "--t_max", 200],
        "step 204: 0.001097677 is logged, 0.001 planned, 9.77e-05 too high",
        TORCH,
    ),
    # Without clamping the cosine rises from 150 to 260, and falls again.
    "climbs after the end of a warmup": (
        lambda e: rate_with_warmup(e, 150, 40) if e < 150 else cosine(e - 40, 110),
        [*BY_STEP, "--t_max", 150, "--warmup", 40],
        "step 154: 0.001322654 is logged, 0.001 planned, 0.000323 too high",
        TORCH,
    ),
    "restarts after the end": (
        lambda e: clamped_cosine(e % 200, 200),
        [*BY_STEP, "--t_max", 200],
        "step 204: 0.09990232 is logged, 0.001 planned, 0.0989 too high",
        "the rate restarts after the end",
    ),
    "another t_max": (
        lambda e: clamped_cosine(e, 300),
        BY_STEP,
        "step 4: 0.09995658 is logged, 0.09996619 planned, 9.61e-06 too low",
        "t_max is 300 instead of 340",
    ),
    "a longer t_max": (
        lambda e: clamped_cosine(e, 34_000),
        BY_STEP,
        "step 4: 0.1 is logged, 0.09996619 planned, 3.38e-05 too high",
        "t_max is 34000 instead of 340",
    ),
    "another t_max, in torch": (
        lambda e: cosine(e, 150),
        BY_STEP,
        "step 4: 0.0998264 is logged, 0.09996619 planned, 0.00014 too low",
        f"t_max is 150 instead of 340 and {TORCH}",
    ),
    "another rate": (
        lambda e: clamped_cosine(e, LAST, peak=0.03),
        BY_STEP,
        "step 4: 0.0299901 is logged, 0.09996619 planned, 0.07 too low",
        "lr_initial is 0.03 instead of 0.1",
    ),
    "another rate with a ratio": (
        lambda e: clamped_cosine(e, LAST, peak=0.03, floor=0.006),
        [*BY_STEP[:2], *BY_STEP[4:], "--lr_min_ratio", 0.2],
        "step 4: 0.0299918 is logged, 0.09997268 planned, 0.07 too low",
        "lr_initial is 0.03 instead of 0.1",
    ),
    "no warmup": (
        lambda e: clamped_cosine(e, LAST),
        [*BY_STEP, "--warmup", 40],
        "step 4: 0.09996619 is logged, 0.01219512 planned, 0.0878 too high",
        "the warmup is missing",
    ),
    "nothing": (
        lambda _: PEAK,
        BY_STEP,
        "step 4: 0.1 is logged, 0.09996619 planned, 3.38e-05 too high",
        "nothing drives the rate, which stays at lr_initial",
    ),
    "another t_max with a warmup": (
        lambda e: rate_with_warmup(e, 300, 30),
        [*BY_STEP, "--warmup", 0.1],
        "step 4: 0.01612903 is logged, 0.01428571 planned, 0.00184 too high",
        "t_max is 300 instead of 340",
    ),
    "something else": (
        lambda e: PEAK * 0.99**e,
        BY_STEP,
        "step 4: 0.0960596 is logged, 0.09996619 planned, 0.00391 too low",
        "none of the usual faults gives these rates",
    ),
    "a single rate": (
        lambda e: clamped_cosine(e, LAST) * (0.5 if e == 99 else 1),
        BY_STEP,
        "step 99: 0.04034707 is logged, 0.08069413 planned, 0.0403 too low",
        "none of the usual faults gives these rates",
    ),
    "too little given": (
        lambda e: clamped_cosine(e // STEPS, LAST),
        BY_STEP[:-2],
        "step 4: 0.1 is logged, 0.09996619 planned, 3.38e-05 too high",
        "none of the usual faults gives these rates; with --steps_per_epoch more can be tried",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named(command, lightning, name):
    rate, curve, where, cause = FAULTS[name]
    path = lightning(rate)
    status, output, stderr = command("check", path, *curve)
    assert (status, stderr) == (1, "")
    assert output == f"{path}: lr-Adam differs first at {where}; likely cause: {cause}\n"


@pytest.mark.parametrize(
    ("rate", "cause"),
    [
        (lambda e: clamped_cosine(e, 3600), "t_max is 3600 instead of 4000"),
        # The first difference comes late in a long log, with few entries after it.
        (lambda e: clamped_cosine(e, 4_000) if e <= 4_000 else cosine(e, 4_000), TORCH),
    ],
)
def test_faults_in_a_long_log(command, lightning, rate, cause):
    path = lightning(rate, steps=4_010, every=1)
    status, output, _ = command("check", path, *COMMON, "--t_max", 4_000, "--interval", "step")
    assert status == 1
    assert f"; likely cause: {cause}" in output


@pytest.mark.parametrize(
    ("rate", "cause"),
    [
        (lambda e: clamped_cosine(e - 1, 10), "the run is one epoch late"),
        (lambda e: clamped_cosine(e + 1, 10), "the run is one epoch early"),
        (lambda e: clamped_cosine(e * STEPS + STEPS - 1, EPOCHS), "epochs are taken for steps"),
        (lambda e: clamped_cosine(e, 15), "t_max is 15 instead of 10"),
        (lambda e: clamped_cosine(e, 10, peak=1), "lr_initial is 1 instead of 0.1"),
    ],
)
def test_faults_by_epochs(command, keras, rate, cause):
    path = keras(rate)
    status, output, _ = command("check", path, *BY_EPOCH)
    assert status == 1
    assert output.endswith(f"; likely cause: {cause}\n")


@pytest.mark.parametrize(
    ("rate", "cause"),
    [
        (lambda e: clamped_cosine(e % 4, 4), "the rate restarts after the end"),
        (lambda e: clamped_cosine(e % 5, 5) if e < 10 else FLOOR, "t_max is 5 instead of 4"),
        (
            lambda e: clamped_cosine(e % 4, 4) if e < 4 else cosine(e - 4, 4),
            TORCH,
        ),
    ],
)
def test_faults_with_restarts(command, keras, rate, cause):
    path = keras(rate, 20)
    status, output, _ = command("check", path, *COMMON, "--t_max", 4, "--cycles", 2)
    assert status == 1
    assert output.endswith(f"; likely cause: {cause}\n")


def test_one_entry_is_too_little_to_fit_a_number(command, keras):
    status, output, _ = command("check", keras(lambda _: 0.05, 1), *BY_EPOCH)
    assert status == 1
    assert "; likely cause: none of the usual faults" in output


def test_a_warmup_from_0_that_is_missing(command, keras):
    path = keras(lambda e: clamped_cosine(e, 10))
    curve = [*COMMON, "--t_max", 10, "--warmup", 5, "--warmup_start_ratio", 0]
    status, output, _ = command("check", path, *curve)
    assert status == 1
    assert "; likely cause: the warmup is missing" in output


def test_a_rate_below_the_floor_is_no_other_peak(command, keras):
    path = keras(lambda e: 0.02 - e / 1000)
    curve = ["--lr_initial", 0.1, "--lr_min", 0.05, "--t_max", 10]
    status, output, _ = command("check", path, *curve)
    assert status == 1
    assert "; likely cause: none of the usual faults" in output


def test_a_floor_of_0(command, keras):
    # 6e-18 is a typical rounding error of 1 + cos(pi).
    path = keras(lambda e: clamped_cosine(e, 10, floor=0) or 6e-18, 20)
    assert command("check", path, "--lr_initial", 0.1, "--t_max", 10)[0] == 0
    path = keras(lambda e: clamped_cosine(e, 10, floor=0) or 1e-12, 20)
    assert command("check", path, "--lr_initial", 0.1, "--t_max", 10)[0] == 1


@pytest.mark.parametrize(
    ("header", "arguments", "column"),
    [
        ("step,lr-Adam", [], "lr-Adam"),
        ("step,lr-Adam,lr-Adam-momentum,lr-Adam-weight_decay,lr,learning_rate", [], "lr-Adam"),
        ("step,lr-Adam/pg1,lr-Adam/pg2", ["--column", "lr-Adam/pg1"], "lr-Adam/pg1"),
        ("step,mine", ["--column", "mine"], "mine"),
        ("step,lr", [], "lr"),
        ("epoch,learning_rate,lr", [], "learning_rate"),
        ("epoch,lr", [], "lr"),
        ("epoch,learning_rate_sgd", [], "learning_rate_sgd"),
        (
            "epoch,learning_rate_sgd,learning_rate_adam",
            ["--column", "learning_rate_sgd"],
            "learning_rate_sgd",
        ),
    ],
)
def test_columns(command, tmp_path, header, arguments, column):
    path = tmp_path / "log.csv"
    path.write_text(f"{header}\n0,0.1{',7' * (header.count(',') - 1)}\n")
    unit = header.partition(",")[0]
    curve = "--lr_initial", 0.1, "--t_max", 10, "--interval", unit
    right = f"{path}: {column} is as planned; rates compared: 1\n"
    assert command("check", path, *curve, *arguments) == (0, right, "")


NOT_FINITE = "{} must hold a finite rate at each position below 2**63, got "
NO_RATE = "{} must have one rate lr-* or learning_rate, got "
HINT = (
    "; give the log of a run with Lightning's LearningRateMonitor, with Keras' CSVLogger after our "
    "callback, or with Keras' TensorBoard"
)
SEVERAL_RATES = "{} must have one rate lr-* or learning_rate, got several, "


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", f"{NO_RATE}nothing{HINT}"),
        (
            f"step,lr\n{2**63},0.05\n",
            NOT_FINITE + "'0.05' at '9223372036854775808' in line 2; check the log",
        ),
        ("a,b\n1,2\n", f"{NO_RATE}['a', 'b']{HINT}"),
        (
            "step,lr-A,lr-B\n",
            SEVERAL_RATES + "['lr-A', 'lr-B']; give --column one of them",
        ),
        (
            "epoch,learning_rate_a,learning_rate_b\n",
            SEVERAL_RATES + "['learning_rate_a', 'learning_rate_b']; give --column one of them",
        ),
        ("lr-A\n1\n", "{} must have a column step or epoch, got ['lr-A']; give the log of a run"),
        ("step,lr-A\n", "{} must have rates as lr-A, got none; give the log of a run"),
        ("step,lr-A\n0,\n", "{} must have rates as lr-A, got none; give the log of a run"),
        (
            "step,lr-A\n0,0.1\n1,nan\n",
            NOT_FINITE + "'nan' at '1' in line 3; check the log",
        ),
        (
            "step,lr-A\n0,-inf\n",
            NOT_FINITE + "'-inf' at '0' in line 2; check the log",
        ),
        (
            "epoch,learning_rate\n0,NA\n",
            NOT_FINITE + "'NA' at '0' in line 2; check the log",
        ),
        (
            "epoch,learning_rate\nx,0.1\n",
            NOT_FINITE + "'0.1' at 'x' in line 2; check the log",
        ),
        (
            "step,lr-A\n0,0.1\n1",
            "{} must have 2 cells in each line, got 1 in line 3; check the log",
        ),
        (
            "step,lr-A\n0,0.1\n" + "x" * 200_000,
            "{} must be a CSV file, got field larger than field limit (131072); give a log",
        ),
        ("x" * 1_000_000, "{} must be a CSV file, got a line without end; give a log"),
    ],
)
def test_bad_logs(assert_refused, tmp_path, text, sentence):
    path = tmp_path / "log.csv"
    path.write_text(text)
    unit = "epoch" if text.startswith("epoch") else "step"
    curve = "--lr_initial", 0.1, "--t_max", 3, "--interval", unit
    assert_refused(sentence.format(path), "check", path, *curve)


def test_more_bad_logs(assert_refused, tmp_path):
    path = tmp_path / "log.csv"
    curve = "--lr_initial", 0.1, "--t_max", 3
    assert_refused(f"[Errno 2] No such file or directory: '{path}'", "check", path, *curve)
    path.write_bytes(b"\x89PNG\r\n")
    assert_refused(
        f"{path} must be a CSV file, got 'utf-8' codec can't decode byte 0x89 in position 0: "
        "invalid start byte; give a log",
        *("check", path, *curve),
    )
    path.write_text("epoch,lr\n0,0.1\n")
    assert_refused(
        f"{path} must have one rate loss, got ['epoch', 'lr']; give --column one of them",
        *("check", path, *curve, "--column", "loss"),
    )


def test_a_config_and_a_log(command, lightning):
    path = lightning(lambda e: 0.003 * (e + 1) / 18 if e < 17 else cosine(e - 17, 323, 1e-4, 0.003))
    config = "--config", "examples/lightning/config.yaml", "--steps_per_epoch", STEPS
    right = f"{path}: lr-Adam is as planned; rates compared: 68\n"
    assert command("check", path, *config) == (0, right, "")
    status, output, _ = command("check", path, *config, "--t_max", "0.5")
    assert status == 1
    assert output.endswith("; likely cause: t_max is 340 instead of 170\n")


def test_the_last_update_of_an_epoch_may_be_of_fewer_batches(command, tmp_path, keras):
    config = tmp_path / "config.yaml"
    config.write_text(
        "trainer:\n  max_epochs: 10\n  accumulate_grad_batches: 4\n  callbacks: "
        "[cosine_callbacks.lightning.CosineAnnealingCallback]\nmodel: {lr: 0.1}\n"
    )
    path = keras(lambda epoch: clamped_cosine(9 * epoch + 8, 90))
    curve = ["--config", config, "--steps_per_epoch", 34, "--interval", "step"]
    assert command("check", path, *curve, "--lr_min", FLOOR)[0] == 0


def test_the_first_entry_that_differs_counts_among_many(command, lightning):
    # Without it the log, which ends before the curve, would seem to rise after the end.
    path = lightning(lambda e: clamped_cosine(e, 4000) * (1 + (e == 1003)), steps=4000, every=1)
    status, output, _ = command("check", path, *COMMON, "--t_max", 4000, "--interval", "step")
    assert status == 1
    assert "; likely cause: none of the usual faults" in output


def test_a_few_entries_decide_in_a_long_log(command, lightning):
    # Ten of 4000 entries, late in the log, are not one step late.
    path = lightning(
        lambda e: clamped_cosine(e - 1, 4000) * (1 + (3000 <= e < 3010)), steps=4000, every=1
    )
    status, output, _ = command("check", path, *COMMON, "--t_max", 4000, "--interval", "step")
    assert status == 1
    assert f"{path}: lr-Adam differs first at step 4: " in output
    assert "; likely cause: none of the usual faults" in output


def test_a_t_max_that_only_later_epochs_tell(command, lightning):
    import numpy as np

    path = lightning(lambda e: float(np.float32(clamped_cosine(e // 17, 3000))), 8_500, every=8)
    status, output, _ = command("check", path, *COMMON, "--t_max", 3100, "--steps_per_epoch", 17)
    assert status == 1
    assert output.endswith("; likely cause: t_max is 3000 instead of 3100\n")


CONFIG = """\
trainer:
  max_epochs: 10
  callbacks:
    - class_path: lightning.pytorch.callbacks.GradientAccumulationScheduler
      init_args: {scheduling: {4: 2}}
    - cosine_callbacks.lightning.CosineAnnealingCallback
model: {lr: 0.1}
"""


def test_a_run_that_was_longer_than_its_config(command, assert_refused, tmp_path, keras):
    config, path = tmp_path / "config.yaml", keras(lambda e: clamped_cosine(e % 10, 10), 20)
    config.write_text(CONFIG)
    curve = ["check", path, "--lr_min", FLOOR, "--steps_per_epoch", STEPS, "--config", config]
    status, output, _ = command(*curve)
    assert status == 1
    assert "; likely cause: the rate restarts after the end" in output
    assert_refused(
        f"steps_per_epoch must tell the epochs of {path} in steps, got none or an accumulation "
        "that changes; give --steps_per_epoch",
        *(*curve, "--interval", "step"),
    )


MEASURED = """
import resource, sys
from cosine_callbacks._command.main import main
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
status = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, status)
"""


def test_a_log_of_100_mb_takes_no_memory(tmp_path):
    path, count, beside = tmp_path / "metrics.csv", 250_000, "x" * 400
    with path.open("w") as file:
        file.write("epoch,lr-Adam,note,step\n")
        file.writelines(f",{clamped_cosine(e - 1, count)!r},{beside},{e}\n" for e in range(count))
    assert path.stat().st_size > 100_000_000
    curve = [*COMMON, "--t_max", count, "--interval", "step"]
    program = [sys.executable, "-c", MEASURED, "check", path, *curve]
    done = subprocess.run([*map(str, program)], capture_output=True, text=True, check=True)
    line, end = done.stdout.splitlines()
    grown, status = map(int, end.split())
    assert status == 1
    assert line.endswith("; likely cause: the run is one step late")
    assert grown < 30_000  # in kB on Linux


def test_a_byte_order_mark_and_an_empty_last_line(command, keras):
    path = keras(lambda e: clamped_cosine(e, EPOCHS))
    path.write_text("\ufeff" + path.read_text() + "\n")
    given = "--lr_initial", PEAK, "--lr_min", FLOOR, "--t_max", EPOCHS
    status, output, stderr = command("check", path, *given)
    assert (status, stderr) == (0, "")
    assert output == f"{path}: learning_rate is as planned; rates compared: {EPOCHS}\n"


def test_a_far_step_and_a_warmup_as_a_fraction(command, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(f"step,lr\n0,0.1\n1,0.1\n2,0.09\n{2**63 - 1},0.05\n")
    curve = "--lr_initial", 0.1, "--t_max", 10, "--warmup", 0.1, "--interval", "step"
    status, line, _ = command("check", path, *curve)
    assert status == 1
    assert "none of the usual faults" in line
