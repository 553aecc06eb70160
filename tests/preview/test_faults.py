"""What `check` says of a log with one fault, by the closed form of the curve."""

import math

import pytest

from cosine_callbacks._command.check import compare
from cosine_callbacks._command.log import open_log
from cosine_callbacks._command.plan import make_plans
from tests.preview.logs import FORMS, curve, write_log

# Each log is of 100 epochs or steps, and each curve ends at 90.
SHAPES = {
    "plain": {"t_max": 90, "warmup": 0, "hold": 0},
    "warmup": {"t_max": 90, "warmup": 10, "hold": 0},
    "hold": {"t_max": 90, "warmup": 6, "hold": 12},
    "restarts": {"t_max": 30, "warmup": 0, "hold": 0, "cycles": 3},
}
EVERYWHERE, ONE_CYCLE = [*SHAPES], ["plain", "warmup", "hold"]


def changed(**changes):
    return lambda e, shape: curve(e, **{**shape, **changes})


def climbing(e, shape):
    span = shape["t_max"] - shape["warmup"] - shape["hold"]
    after = 0.001 + 0.0495 * (1 - math.cos(math.pi * (e - 90) / span))
    return after if e > 90 else curve(e, **shape)


def since(start, then):
    return lambda e, shape: then(e, shape) if e >= start else curve(e, **shape)


CONSTANT = "nothing drives the rate, which stays at"
TORCH = "the rate climbs after the end, as with torch's CosineAnnealingLR"
BY_HAND = "all rates are as planned but those of {unit} 40 and {unit} 55, as if set by hand"
# What is said, the shapes that can have the fault, and the rate at a position of a shape.
FAULTS = {
    "": (EVERYWHERE, changed()),
    "lr_initial is 0.08 instead of 0.1": (EVERYWHERE, changed(peak=0.08)),
    "lr_min is 0.0042 instead of 0.001": (EVERYWHERE, changed(floor=0.0042)),
    "lr_min is 0 instead of 0.001": (EVERYWHERE, changed(floor=0)),
    "t_max is 82 instead of 90": (ONE_CYCLE, changed(t_max=82)),
    "t_max is 22 instead of 30": (["restarts"], changed(t_max=22)),
    "t_max is 1234 instead of 90": (ONE_CYCLE, changed(t_max=1234)),
    "warmup is 13 instead of {warmup}": (ONE_CYCLE, changed(warmup=13)),
    "the warmup is missing": (["warmup", "hold"], changed(warmup=0)),
    "hold is 7 instead of {hold}": (EVERYWHERE, changed(hold=7)),
    "hold is 0 instead of 12": (["hold"], changed(hold=0)),
    "the restarts are missing": (["restarts"], changed(cycles=1)),
    "the run is one {unit} late": (EVERYWHERE, lambda e, shape: curve(e - 1, **shape)),
    "the run is one {unit} early": (EVERYWHERE, lambda e, shape: curve(e + 1, **shape)),
    f"{CONSTANT} lr_initial": (EVERYWHERE, lambda *_: 0.1),
    f"{CONSTANT} 0.03": (["plain", "restarts"], lambda *_: 0.03),
    TORCH: (EVERYWHERE, climbing),
    "the rate restarts after the end": (EVERYWHERE, changed(cycles=9)),
    "the curve begins anew at {unit} 41, as after a lost checkpoint": (
        *(EVERYWHERE, since(41, lambda e, shape: curve(e - 41, **shape))),
    ),
    "all rates are 0.5 times the planned ones": (
        *(EVERYWHERE, lambda e, shape: curve(e, **shape) / 2),
    ),
    BY_HAND: (EVERYWHERE, lambda e, shape: 0.0123 if e in {40, 55} else curve(e, **shape)),
    "the rates are as planned before {unit} 41, and off from there on": (
        *(EVERYWHERE, since(41, lambda e, _: 0.2 / e)),
    ),
    "the rate stays at 0.0625 from {unit} 71 on": (EVERYWHERE, since(71, lambda *_: 0.0625)),
}


def verdict(path, plan, *, steps_per_epoch=None):
    """Return whether the log is as planned, and its line without the path."""
    flags = {"lr_initial": "0.1", "lr_min": "0.001", **plan, "steps_per_epoch": steps_per_epoch}
    texts = {name: str(value) for name, value in flags.items() if value is not None}
    ((planned,),) = make_plans(None, texts | {"lr_initial": [texts["lr_initial"]]})
    as_planned, line, _ = compare(planned, open_log(str(path), None))
    assert line.startswith(f"{path}: ")
    return as_planned, line.removeprefix(f"{path}: ")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("said", FAULTS)
def test_a_fault_is_named_and_a_right_log_has_none(tmp_path, said, form):
    kind, kept = FORMS[form]
    unit = "epoch" if kind == "keras" else "step"
    shapes, rate = FAULTS[said]
    for name in shapes:
        shape, folder = SHAPES[name], tmp_path / name
        folder.mkdir()
        log = write_log(folder, kind, (rate(e, shape) for e in range(100)), kept)
        as_planned, line = verdict(log, {**shape, "interval": unit})
        fault = line.partition("; likely cause: ")[2]
        assert (name, as_planned, fault) == (name, not said, said.format(unit=unit, **shape))


# Plans of 10 epochs of 10 updates.
BY_STEP = {"t_max": 100, "interval": "step"}
BY_EPOCH = {"t_max": 10}
WARM, RATIO = {**BY_STEP, "warmup": 0.1}, {**BY_STEP, "lr_min": 0, "lr_min_ratio": 0.1}
RAMP = {"t_max": 90, "warmup": 20, "warmup_start_ratio": 0.1}
OTHER_RATIO = "lr_min_ratio is 0.25 instead of 0.1"
STEPS_TAKEN, EPOCHS_TAKEN = "steps are taken for epochs", "epochs are taken for steps"
BEGUN_ANEW = "the curve begins anew at step 40, as after a lost checkpoint"


@pytest.mark.parametrize(
    ("kind", "plan", "rate", "said"),
    [
        ("lightning", BY_EPOCH, lambda e: curve(e // 10, 10), ""),
        ("keras", BY_STEP, lambda e: curve(10 * e + 9, 100), ""),
        ("lightning", BY_EPOCH, lambda e: curve(e, 10), EPOCHS_TAKEN),
        ("lightning", BY_STEP, lambda e: curve(e // 10, 100), STEPS_TAKEN),
        ("keras", BY_EPOCH, lambda e: curve(10 * e + 9, 10), EPOCHS_TAKEN),
        ("keras", BY_STEP, lambda e: curve(e, 100), STEPS_TAKEN),
        ("lightning", BY_EPOCH, lambda e: curve(e // 10 - 1, 10), "the run is one epoch late"),
        ("keras", BY_STEP, lambda e: curve(10 * e + 9, 80), "t_max is 80 instead of 100"),
        ("keras", BY_STEP, lambda e: curve(10 * (e - 4 * (e > 3)) + 9, 100), BEGUN_ANEW),
        ("lightning", WARM, lambda e: curve(e, 80, warmup=8), "t_max is 80 instead of 100"),
        ("lightning", RATIO, lambda e: curve(e, 100, floor=0.025), OTHER_RATIO),
        # All rows lie in the warmup.
        ("keras", RAMP, lambda e: 0.01 + 0.09 * e / 30, "warmup is 30 instead of 20"),
        ("lightning", {**BY_STEP, "warmup": 1e-308}, lambda _: 0.3, f"{CONSTANT} 0.3"),
    ],
)
def test_units_and_fractions(tmp_path, kind, plan, rate, said):
    log = write_log(tmp_path, kind, map(rate, range(10 if kind == "keras" else 100)))
    as_planned, line = verdict(log, plan, steps_per_epoch=10)
    assert (as_planned, line.partition("; likely cause: ")[2]) == (not said, said)


def test_other_units_need_the_steps_per_epoch(tmp_path):
    log = write_log(tmp_path, "lightning", [0.1])
    sentence = r"must count epochs, got steps and no steps_per_epoch; give --steps_per_epoch$"
    with pytest.raises(ValueError, match=sentence):
        verdict(log, BY_EPOCH)


NOTHING = "none of the usual faults alone gives these rates; tried: "


@pytest.mark.parametrize(
    ("kind", "plan", "rate", "hint"),
    [
        ("lightning", BY_STEP, lambda e: curve(e // 10, 100), True),
        ("lightning", BY_STEP, lambda e: 0.1 * 0.99**e, False),
        # The floor shows in no row of a warmup.
        ("lightning", {**BY_STEP, "warmup": 60}, lambda e: 0.1 * 0.99**e, False),
        ("keras", BY_EPOCH, lambda e: curve(10 * e + 9, 10) + e / 100, True),
        ("keras", BY_EPOCH, lambda e: 0.1 * 0.9 ** (e * e), False),
    ],
)
def test_where_nothing_fits_it_says_what_was_tried(tmp_path, kind, plan, rate, hint):
    log = write_log(tmp_path, kind, [*map(rate, range(30)), 0.07, 0.001, 0.0011])
    _, line = verdict(log, plan)
    assert NOTHING in line
    assert line.endswith("; with --steps_per_epoch more can be tried") == hint
    assert "with --steps" not in verdict(log, plan, steps_per_epoch=7)[1]


def test_the_line_names_the_first_difference(tmp_path):
    log = write_log(tmp_path, "lightning", (curve(e, 90, warmup=10) for e in range(100)))
    assert verdict(log, {**BY_STEP, "t_max": 90})[1] == (
        "lr-Adam differs first at step 0: 0.009090909 is logged, 0.1 planned, 0.0909 too low; "
        "likely cause: warmup is 10 instead of 0"
    )


def test_the_tolerance(tmp_path):
    plan = {**BY_STEP, "lr_min": 0}
    rates = [curve(e, 100, floor=0) or 6e-18 for e in range(110)]  # 6e-18: 1 + cos(pi) is not 0
    assert verdict(write_log(tmp_path, "lightning", rates), plan)[0]
    for off in (1 + 2e-6, 1 - 2e-6):
        log = write_log(tmp_path, "lightning", [*rates[:50], rates[50] * off, *rates[51:]])
        assert verdict(log, plan)[1].startswith("lr-Adam differs first at step 50: ")
    assert not verdict(write_log(tmp_path, "lightning", [*rates, 1e-12]), plan)[0]


@pytest.mark.parametrize("rates", [[0.05], [0.1, 0.05]])
def test_one_row_is_too_little_to_fit_a_number(tmp_path, rates):
    assert NOTHING in verdict(write_log(tmp_path, "keras", rates), {"t_max": 10, "lr_min": 0})[1]


def test_a_few_rows_decide_in_a_long_log(tmp_path):
    plan = {**BY_STEP, "t_max": 4000}
    late = [curve(e - 1, 4000) for e in range(4000)]
    log = write_log(tmp_path, "lightning", late)
    assert verdict(log, plan)[1].endswith("; likely cause: the run is one step late")
    late[3001] *= 2  # maybe no row of the sample
    assert NOTHING in verdict(write_log(tmp_path, "lightning", late), plan)[1]


E_RATE = "epoch_learning_rate"
SLOW = {"t_max": 24, "interval": "step"}
AFTER = "is as planned after each epoch, where Keras asks a schedule; rates compared: 6"
AT_0, AFTER_0 = "differs first at epoch 0: ", "differs first after epoch 0: "
EARLY = "the run is one step early"


@pytest.mark.parametrize(
    ("tag", "plan", "rate", "begin", "end"),
    [
        (E_RATE, {"t_max": 4}, lambda e: curve(e + 1, 4), AFTER, ""),
        (f"{E_RATE}_adam", SLOW, lambda e: curve(4 * e + 4, 24), AFTER, ""),
        # Any other log holds the rates that were used.
        ("lr-SGD", SLOW, lambda e: curve(e + 1, 24), "differs first at step 0: ", EARLY),
        # Neither all rates before the epoch nor all after it.
        (E_RATE, SLOW, lambda e: curve(4 * e + 2, 24), AT_0, "the run is one step late"),
        (E_RATE, SLOW, lambda e: curve(4 * e + 5, 24), AFTER_0, EARLY),
        # The reading that a fault explains.
        (E_RATE, SLOW, lambda e: curve(4 * e + 3, 20), AT_0, "t_max is 20 instead of 24"),
        (E_RATE, SLOW, lambda e: curve(4 * e + 4, 20), AFTER_0, "t_max is 20 instead of 24"),
        (E_RATE, SLOW, lambda e: curve(e + 1, 24), AFTER_0, STEPS_TAKEN),
    ],
)
def test_keras_asks_a_schedule_after_the_epoch(tmp_path, tag, plan, rate, begin, end):  # noqa: PLR0913, PLR0917 - a table
    log = write_log(tmp_path, "tensorboard", map(rate, range(6)), name=tag)
    _, line = verdict(log, plan, steps_per_epoch=4)
    assert line.startswith(f"{tag} {begin}")
    assert line.endswith(end)
