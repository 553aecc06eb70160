"""The pictures of docs/why.md draw what torch, Keras, Lightning and we give today."""

import json

import pytest

from tests.peers.make_why import RATES, end, resume, tail

DRAWN = json.loads(RATES.read_text())
# A float32 rate of Keras is a multiple of this, and backends round differently.
ULP = 0.1 * 2**-24


@pytest.mark.filterwarnings("ignore:.*t_max:UserWarning")
@pytest.mark.parametrize("made", [end, tail, resume])
def test_the_rates_drawn_are_those_given(made):
    drawn = DRAWN[made.__name__]
    for side, rates in made().items():
        assert drawn[side] == pytest.approx(rates, rel=1e-6, abs=2 * ULP if made is tail else 1e-15)


def test_the_figures_of_the_page_are_those_drawn():
    page = " ".join(RATES.parents[1].joinpath("why.md").read_text().split())
    assert f"is 0 in the last {DRAWN['tail']['theirs'].count(0.0)} updates" in page
    # 10 epochs of 20 updates, killed after 4; the others take half as many.
    assert len(DRAWN["resume"]["ours"]) == 80 + 60
    assert "planned for 200 updates. It was killed after 80" in page
    assert "so that 60 updates were left" in page
