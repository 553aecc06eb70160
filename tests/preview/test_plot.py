"""`CosineAnnealing.plot`: the curve in matplotlib Axes."""

import math

import matplotlib as mpl
import pytest

from cosine_callbacks import CosineAnnealing

mpl.use("Agg")
TEN = CosineAnnealing(lr_initial=0.1, t_max=10)


def line_of(axes):
    (line,) = axes.lines
    return {int(e): rate for e, rate in zip(*line.get_data(), strict=True)}


def test_the_curve_and_a_little_more():
    schedule = CosineAnnealing(lr_initial=0.1, t_max=20, lr_min=0.001)
    axes = schedule.plot()
    assert schedule.plot().figure is not axes.figure
    drawn = line_of(axes)
    assert [*drawn] == [*range(23)]
    for e, rate in drawn.items():
        right = 0.0505 + 0.0495 * math.cos(math.pi * min(e, 20) / 20)
        assert rate == pytest.approx(right, rel=1e-12)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("e", "learning rate")
    assert axes.get_xlim() == (0, 22)
    assert axes.get_ylim()[0] == 0
    assert axes.get_legend() is None


def test_into_given_axes():
    axes = mpl.figure.Figure().subplots(2)
    axes[1].set_xticks([0, 2.5, 7])
    assert TEN.plot(ax=axes[1]) is TEN.plot(ax=axes[1], until=5) is axes[1]
    assert [max(line.get_xdata()) for line in axes[1].lines] == [11, 5]
    assert [*axes[1].get_xticks()] == [0, 2.5, 7]
    assert not axes[0].lines


def test_the_warmup_is_marked():
    axes = CosineAnnealing(lr_initial=0.1, t_max=10, warmup=3).plot()
    (text,) = axes.get_legend().get_texts()
    assert text.get_text() == "warmup"
    (span,) = axes.patches
    assert (span.get_x(), span.get_width()) == (0, 3)


@pytest.mark.parametrize(("cycles", "last"), [(None, 30), (2, 22), (5, 55)])
def test_restarts(cycles, last):
    drawn = line_of(CosineAnnealing(lr_initial=1, t_max=10, cycles=cycles).plot())
    assert max(drawn) == last
    assert [drawn[e] for e in (9, 10, 15)] == pytest.approx([0.0244717, 1, 0.5], rel=1e-5)


def test_a_long_run_is_sampled_with_its_corners():
    cycles = {"t_max": 10**9, "cycles": 3, "warmup": 10**5, "peak_decay": 0.5}
    drawn = line_of(CosineAnnealing(lr_initial=1, **cycles).plot())
    assert len(drawn) < 1000
    corners = {0: 1 / (10**5 + 1), 10**5: 1, 10**9: 0.5, 2 * 10**9: 0.25, 3 * 10**9: 0}
    assert {e: drawn[e] for e in corners} == pytest.approx(corners)
    assert drawn[10**9 - 1] < 1e-17


@pytest.mark.parametrize("until", [2, 22, 180, 240_000])
def test_the_ticks_are_round(until):
    axes = TEN.plot(until=until)
    ticks = [tick for tick in axes.get_xticks() if tick <= until]
    assert len(ticks) > 2
    assert all(tick == int(tick) for tick in ticks)
    assert f"{ticks[1]:e}"[:8] in {"1.000000", "2.000000", "5.000000"}


def test_the_longest_curve_is_drawn():
    axes = CosineAnnealing(lr_initial=0.1, t_max=2**63 - 1).plot()
    assert max(axes.lines[0].get_xdata()) > 2**63 - 1


@pytest.mark.parametrize("until", [0, -1, 2.5, "9"])
def test_until(until):
    error = TypeError if until == "9" else ValueError
    with pytest.raises(error, match=rf"^until must be an? .*, got {until!r}"):
        TEN.plot(until=until)
