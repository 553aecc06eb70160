"""Which epoch each batch belongs to: by hand, and in the hook orders of four Lightnings."""

import json
from math import inf
from pathlib import Path
from types import SimpleNamespace

import pytest

from cosine_callbacks._trainer.epochs import Epochs

RECORDED = sorted(Path(__file__).with_name("hook_orders").glob("lightning_*.json"))


def follow(epochs, events, batches):
    """Return the epoch of each batch, and the state at "save"."""
    used, saved = [], None
    for event in events.split():
        match event:
            case "fit":
                epochs.fit_begins()
            case "epoch" | "within":
                epochs.epoch_begins(within=event == "within")
            case "." | "!":
                epochs.batch_ends(last=event == "!", batches=batches)
            case "end":
                epochs.epoch_ends(epochs.batches, 0)
            case "save":
                saved = epochs.finished, epochs.open, epochs.cut
            case "validated":
                pass
            case _:
                epochs.batch_begins(int(event), batches)
                used.append(str(epochs.current))
    return " ".join(used), saved


# What the last fit uses. Of two rows the first is for Lightning up to 2.4, which trains the batch
# again after which it was saved, or the whole pass where the data have no length.
RIGHT = {
    "straight": ["0 0 0 0 1 1 1 1 2 2 2 2"],
    "mid-epoch": ["1 1 1 1 2 2 2 2", "1 1 1 2 2 2 2"],
    "before a batch": ["1 1 1 2 2 2 2"],
    "last batch": ["1 1 1 1 1 2 2 2 2", "1 1 1 1 2 2 2 2"],
    # From 2.5 on Lightning forgets an epoch, and trains four where three were planned.
    "last batch, twice": ["1 1 2 2 2 2", "2 2 2 2 3 3 3 3"],
    "last batch, max_steps": ["1 1 1 1 1 2 2 2", "1 1 1 1 2 2 2 2"],
    "epoch end": ["1 1 1 1 2 2 2 2"],
    # Lightning trains one batch of the finished epoch again: the rate is that of the next one.
    "epoch end, max_steps": ["1 1 1 1 1 2 2 2"],
    "epoch end, both limits": ["1 1 1 1 1 2 2 2", "1 1 1 1 1"],
    "epoch end, max_steps, twice": ["2 2 2"],
    "epoch end, max_steps, validated": ["1 1 1 1 2 2 2 2"],
    "validation, max_steps": ["1 1 1 1 2 2 2 2"],
    "validation": ["1 1 1 1 2 2 2 2"],
    "cut by max_steps": ["1 1 2 2 2 2 3 3"],
    "stream": ["0 0 0 0 1 1 1 1 2 2 2 2"],
    "stream, mid-epoch": ["1 1 1 1 2 2 2 2"],
    "stream, last batch": ["1 1 1 1 2 2 2 2 3 3 3 3", "1 1 1 1 2 2 2 2"],
    "stream, epoch end, max_steps": ["1 1 1 1 2 2 2 2"],
    # Lightning trains that epoch with one batch, which counts as one trained again.
    "epoch start": ["1 1 1 1 1"],
}


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", RIGHT)
def test_in_recorded_hook_orders(recorded, name):
    state, used = (0, False, False), ""
    batches = inf if name.startswith("stream") else 4
    for events in json.loads(recorded.read_text())[name]:
        used, state = follow(Epochs(*state), events, batches)
    new = recorded.stem >= "lightning_2.5"
    assert used == RIGHT[name][-1 if new else 0]


def test_every_recorded_version_and_run_is_tested():
    assert len(RECORDED) == 4
    assert all(json.loads(path.read_text()).keys() == RIGHT.keys() for path in RECORDED)


@pytest.mark.parametrize(
    ("events", "right"),
    [
        ("fit epoch 0 . 1 . 2 ! end epoch 0", "0 0 0 1"),
        # A cut pass counts once the next begins ...
        ("fit epoch 0 . end epoch 0 . 1", "0 1 1"),
        # ... also one without any batch ...
        ("fit epoch end epoch 0", "1"),
        # ... and not where a resume goes on with it.
        ("fit epoch 0 . end fit 1 . 2 ! end epoch 0", "0 0 0 1"),
        ("fit epoch 0 . end fit within 1 . 2 ! end epoch 0", "0 0 0 1"),
        # Lightning begins a pass without `on_train_epoch_start`.
        ("fit epoch 0 . 1 . 2 ! fit 0 . 1 . 2 ! end epoch 0", "0 0 0 1 1 1 2"),
        # One batch of a finished pass again is no pass, all of them are one.
        ("fit epoch 0 . 1 . 2 ! end fit 3 ! end epoch 0 . 1 . 2 ! end epoch 0", "0 0 0 1 1 1 1 2"),
        ("fit epoch 0 . 1 . 2 ! end fit 3 . 4 . 5 ! end epoch 0", "0 0 0 1 1 1 2"),
        # A second fit on one Trainer.
        ("fit epoch 0 . 1 . 2 ! end fit epoch 0 . 1 . 2 ! end fit epoch 0", "0 0 0 1 1 1 2"),
    ],
)
def test_by_hand(events, right):
    assert follow(Epochs(), events, 3)[0] == right


def test_where_the_write_ahead_of_a_cut_epoch_stands():
    epochs = Epochs()
    follow(epochs, "fit epoch 0 . end", 3)
    assert (epochs.current, epochs.finished, epochs.open, epochs.cut) == (1, 0, True, True)
    epochs.fit_begins()
    assert epochs.current == 0


def progress(ready, started, processed, completed=0):
    return SimpleNamespace(ready=ready, started=started, processed=processed, completed=completed)


OURS = {"epochs": 5, "open": False, "cut": False, "batches": 4, "ends": 2}


@pytest.mark.parametrize(
    ("saved", "epochs", "batches", "is_last", "right"),
    # Of epochs and batches: ready, started and processed.
    [
        ({}, (0, 0, 0), (0, 0, 0), False, (0, False, False)),
        ({}, (2, 2, 1), (1, 1, 1), False, (1, True, False)),  # in mid-epoch
        ({}, (2, 2, 1), (4, 4, 3), True, (1, True, False)),  # before the last batch is done
        ({}, (2, 2, 1), (4, 4, 4), True, (2, False, False)),  # after it
        ({}, (2, 2, 2), (4, 4, 4), True, (2, False, False)),  # epoch end
        ({}, (2, 2, 2), (2, 2, 2), False, (1, True, True)),  # epoch end of a cut epoch
        ({}, (3, 2, 3), (4, 4, 4), True, (2, False, False)),  # `processed` is one ahead
        ({"epochs": 3}, (2, 2, 2), (4, 4, 4), True, (3, False, False)),
        ({"epochs": 3, "open": None}, (2, 2, 2), (4, 4, 4), True, (3, False, False)),
        (OURS | {"open": True, "cut": True}, (2, 2, 2), (4, 4, 4), True, (5, True, True)),
        # Saved by a callback that is listed before ours: the end of a batch was not seen ...
        (OURS | {"batches": 3}, (2, 2, 1), (1, 1, 1), False, (5, True, False)),
        (OURS | {"batches": 3, "open": True}, (2, 2, 1), (2, 2, 2), False, (5, True, False)),
        (OURS | {"batches": 3, "open": True}, (2, 2, 1), (4, 4, 4), True, (6, False, False)),
        (OURS | {"batches": 3}, (2, 2, 2), (5, 5, 5), True, (5, False, False)),  # one again
        # ... though not that of a batch that was skipped ...
        (OURS | {"batches": 3, "open": True}, (2, 2, 1), (2, 1, 2), True, (5, True, False)),
        # Lightning forgets an epoch: this one looks like one that has ended.
        (OURS | {"open": True}, (2, 2, 2), (2, 2, 2), False, (5, True, False)),
        # ... or that of a cut epoch.
        (OURS | {"open": True, "ends": 1}, (2, 2, 2), (2, 2, 2), False, (5, True, True)),
    ],
)
def test_a_checkpoint_without_our_count(saved, epochs, batches, is_last, right):
    total = progress(4, 4, 4)
    batch = SimpleNamespace(current=progress(*batches), total=total, is_last_batch=is_last)
    epoch = SimpleNamespace(total=progress(*epochs), current=progress(0, 0, 0))
    epoch_loop = SimpleNamespace(batch_progress=batch)
    loop = SimpleNamespace(epoch_progress=epoch, epoch_loop=epoch_loop, max_batches=4)
    resumed = Epochs.resumed(saved, loop)
    assert (resumed.finished, resumed.open, resumed.cut) == right
    assert (resumed.batches, resumed.ends) == (4, epochs[2])
