"""What `check` says of a log with one fault, by the closed form of the curve."""

import math

import pytest

from cosine_callbacks._command.check import compare
from cosine_callbacks._command.log import open_log
from cosine_callbacks._command.plan import make_plans
from tests.preview.logs import FORMS, curve, write_log

# Each log is of 100 epochs or steps, and each curve ends at 90.
SHAPES = {
    "plain": {"t_max": 90},
    "warmup": {"t_max": 90, "warmup": 10},
    "hold": {"t_max": 90, "warmup": 6, "hold": 12},
    "restarts": {"t_max": 30, "cycles": 3},
}
EVERYWHERE = tuple(SHAPES)
ONE_CYCLE = EVERYWHERE[:3]


def changed(shape, **changes):
    return lambda e: curve(e, **{**shape, **changes})


def climbing(shape):
    end, span = 90, shape.get("t_max", 90) - shape.get("warmup", 0) - shape.get("hold", 0)

    def rate(e):
        after = 0.001 + 0.0495 * (1 - math.cos(math.pi * (e - end) / span))
        return after if e > end else curve(e, **shape)

    return rate


def at(shape, start, then):
    return lambda e: then(e) if e >= start else curve(e, **shape)


CONSTANT, AFTER_END = "nothing drives the rate, which stays at", "the rate "
TORCH = "CosineAnnealingLR"
# The shapes in which a fault can be, its rates, and what is said of it.
FAULTS = {
    "lr_initial": (
        EVERYWHERE,
        lambda s: changed(s, peak=0.08),
        "lr_initial is 0.08 instead of 0.1",
    ),
    "lr_min": (EVERYWHERE, lambda s: changed(s, floor=0.0042), "lr_min is 0.0042 instead of 0.001"),
    "t_max": (
        EVERYWHERE,
        lambda s: changed(s, t_max=s["t_max"] - 8),
        "t_max is {1} instead of {2}",
    ),
    "longer": (ONE_CYCLE, lambda s: changed(s, t_max=1234), "t_max is 1234 instead of 90"),
    "warmup": (ONE_CYCLE, lambda s: changed(s, warmup=13), "warmup is 13 instead of {3}"),
    "no warmup": (EVERYWHERE[1:3], lambda s: changed(s, warmup=0), "the warmup is missing"),
    "hold": (EVERYWHERE, lambda s: changed(s, hold=7), "hold is 7 instead of {4}"),
    "no hold": (("hold",), lambda s: changed(s, hold=0), "hold is 0 instead of 12"),
    "no restarts": (("restarts",), lambda s: changed(s, cycles=1), "the restarts are missing"),
    "late": (EVERYWHERE, lambda s: lambda e: curve(e - 1, **s), "the run is one {0} late"),
    "early": (EVERYWHERE, lambda s: lambda e: curve(e + 1, **s), "the run is one {0} early"),
    "constant": (EVERYWHERE, lambda _: lambda _: 0.1, f"{CONSTANT} lr_initial"),
    "another": (("plain", "restarts"), lambda _: lambda _: 0.03, f"{CONSTANT} 0.03"),
    "climbing": (EVERYWHERE, climbing, f"{AFTER_END}climbs after the end, as with torch's {TORCH}"),
    "restarting": (
        EVERYWHERE,
        lambda s: changed(s, cycles=9),
        f"{AFTER_END}restarts after the end",
    ),
    "begun anew": (
        *(EVERYWHERE, lambda s: at(s, 41, lambda e: curve(e - 41, **s))),
        "the curve begins anew at {0} 41, as after a lost checkpoint",
    ),
    "halved": (
        *(EVERYWHERE, lambda s: lambda e: curve(e, **s) / 2),
        "all rates are 0.5 times the planned ones",
    ),
    "by hand": (
        *(EVERYWHERE, lambda s: lambda e: 0.0123 if e in {40, 55} else curve(e, **s)),
        "all rates are as planned but those of {0} 40 and {0} 55, as if set by hand",
    ),
    "off": (
        *(EVERYWHERE, lambda s: at(s, 41, lambda e: 0.2 / e)),
        "the rates are as planned before {0} 41, and off from there on",
    ),
    "stopped": (
        *(EVERYWHERE, lambda s: at(s, 71, lambda _: 0.0625)),
        "the rate stays at 0.0625 from {0} 71 on",
    ),
}
NOTHING = "none of the usual faults alone gives these rates; tried: "


def verdict(path, plan, *, steps_per_epoch=None, column=None):
    """Return whether the log is as planned, and its line without the path."""
    flags = {"peak": "lr_initial", "floor": "lr_min"}
    given = {flags.get(name, name): str(value) for name, value in plan.items()}
    given |= {"lr_initial": [given.get("lr_initial", "0.1")]}
    if steps_per_epoch:
        given["steps_per_epoch"] = str(steps_per_epoch)
    ((planned,),) = make_plans(None, given)
    as_planned, line, _ = compare(planned, open_log(str(path), column))
    assert line.startswith(f"{path}: ")
    return as_planned, line.removeprefix(f"{path}: ")


def planned(kind, shape, **more):
    unit = "epoch" if kind == "keras" else "step"
    return unit, {"t_max": 90, "lr_min": 0.001, "interval": unit, **shape, **more}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(tmp_path, fault, form):
    kind, kept = FORMS[form]
    shapes, made, said = FAULTS[fault]
    for name in shapes:
        shape, folder = SHAPES[name], tmp_path / name
        folder.mkdir()
        log = write_log(folder, kind, map(made(shape), range(100)), kept)
        unit, plan = planned(kind, shape)
        as_planned, line = verdict(log, plan)
        t_max, warmup, hold = (shape.get(each, 0) for each in ("t_max", "warmup", "hold"))
        fault = said.format(unit, t_max - 8, t_max, warmup, hold)
        assert (name, line.partition("; likely cause: ")[2]) == (name, fault)
        assert not as_planned


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SHAPES)
def test_a_right_log_is_not_blamed(tmp_path, name, form):
    kind, kept = FORMS[form]
    log = write_log(tmp_path, kind, map(changed(SHAPES[name]), range(100)), kept)
    _, plan = planned(kind, SHAPES[name])
    as_planned, line = verdict(log, plan)
    assert as_planned
    assert line.endswith(" is as planned; rates compared: 100")


# Plans of 10 epochs of 10 updates. The log's kind, the plan, the rates, and the end of the line.
BY_STEP = {"t_max": 100, "interval": "step", "lr_min": 0.001}
BY_EPOCH = {"t_max": 10, "lr_min": 0.001}
TAKEN = "steps are taken for epochs"
RATIO = {"t_max": 100, "interval": "step", "lr_min_ratio": 0.1}
EPOCHS_TAKEN = "epochs are taken for steps"
MIXED = [
    ("lightning", BY_EPOCH, lambda e: curve(e, 10), EPOCHS_TAKEN),
    ("lightning", BY_STEP, lambda e: curve(e // 10, 100), TAKEN),
    ("keras", BY_EPOCH, lambda e: curve(10 * e + 9, 10), EPOCHS_TAKEN),
    ("keras", BY_STEP, lambda e: curve(e, 100), TAKEN),
    ("lightning", BY_EPOCH, lambda e: curve(e // 10 - 1, 10), "the run is one epoch late"),
    ("keras", BY_STEP, lambda e: curve(10 * e + 9, 80), "t_max is 80 instead of 100"),
    (
        *("keras", BY_STEP, lambda e: curve(10 * (e - 4 * (e > 3)) + 9, 100)),
        "the curve begins anew at step 40, as after a lost checkpoint",
    ),
    (
        *("lightning", {**BY_STEP, "warmup": 0.1}, lambda e: curve(e, 80, warmup=8)),
        "t_max is 80 instead of 100",
    ),
    (
        *("lightning", RATIO, lambda e: curve(e, 100, floor=0.025)),
        "lr_min_ratio is 0.25 instead of 0.1",
    ),
]


@pytest.mark.parametrize(("kind", "plan", "rate", "said"), MIXED)
def test_units_and_fractions(tmp_path, kind, plan, rate, said):
    log = write_log(tmp_path, kind, map(rate, range(10 if kind == "keras" else 100)))
    as_planned, line = verdict(log, plan, steps_per_epoch=10)
    assert (as_planned, line.partition("; likely cause: ")[2]) == (False, said)


def test_units_that_differ_are_compared(tmp_path):
    log = write_log(tmp_path, "lightning", (curve(e // 10, 10) for e in range(100)))
    assert verdict(log, BY_EPOCH, steps_per_epoch=10)[0]
    with pytest.raises(ValueError, match=r"^steps_per_epoch must tell the steps of .* in epochs, "):
        verdict(log, BY_EPOCH)
    log = write_log(tmp_path, "keras", (curve(10 * e + 9, 100) for e in range(10)))
    assert verdict(log, BY_STEP, steps_per_epoch=10)[0]


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
    assert NOTHING in verdict(write_log(tmp_path, "keras", rates), {"t_max": 10})[1]


def test_a_few_rows_decide_in_a_long_log(tmp_path):
    plan = {**BY_STEP, "t_max": 4000}
    late = [curve(e - 1, 4000) for e in range(4000)]
    log = write_log(tmp_path, "lightning", late)
    assert verdict(log, plan)[1].endswith("; likely cause: the run is one step late")
    late[3001] *= 2  # maybe no row of the sample
    assert NOTHING in verdict(write_log(tmp_path, "lightning", late), plan)[1]


E_RATE = "epoch_learning_rate"
SLOW = {"t_max": 24, "lr_min": 0.001, "interval": "step"}
AFTER = "is as planned after each epoch, where Keras asks a schedule; rates compared: 6"


@pytest.mark.parametrize(
    ("tag", "plan", "rate", "said"),
    [
        (E_RATE, {**BY_EPOCH, "t_max": 4}, lambda e: curve(e + 1, 4), AFTER),
        (f"{E_RATE}_adam", SLOW, lambda e: curve(4 * e + 4, 24), AFTER),
        # Any other log holds the rates that were used.
        ("lr-SGD", SLOW, lambda e: curve(e + 1, 24), "at step 0: {}the run is one step early"),
        # Neither all rates before the epoch nor all after it.
        (E_RATE, SLOW, lambda e: curve(4 * e + 2, 24), "at epoch 0: {}the run is one step late"),
        (
            E_RATE,
            SLOW,
            lambda e: curve(4 * e + 5, 24),
            "after epoch 0: {}the run is one step early",
        ),
        # The reading that a fault explains.
        (E_RATE, SLOW, lambda e: curve(4 * e + 3, 20), "at epoch 0: {}t_max is 20 instead of 24"),
        (
            E_RATE,
            SLOW,
            lambda e: curve(4 * e + 4, 20),
            "after epoch 0: {}t_max is 20 instead of 24",
        ),
        (E_RATE, SLOW, lambda e: curve(e + 1, 24), f"after epoch 0: {{}}{TAKEN}"),
    ],
)
def test_keras_asks_a_schedule_after_the_epoch(tmp_path, tag, plan, rate, said):
    log = write_log(tmp_path, "tensorboard", map(rate, range(6)), name=tag)
    _, line = verdict(log, plan, steps_per_epoch=4)
    place, _, fault = said.partition("{}")
    assert line.startswith(f"{tag} {'differs first ' * bool(fault)}{place}")
    assert line.endswith(f"likely cause: {fault}" if fault else AFTER)
