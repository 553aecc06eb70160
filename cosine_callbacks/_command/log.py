"""The rates that a run logged. A log may be longer than the memory: only its numbers are kept."""

from __future__ import annotations

import csv
import math
import sys
from array import array
from functools import partial
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from cosine_callbacks._schedule.extras import required
from cosine_callbacks._schedule.validation import MAX_POSITION, short_repr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from io import TextIOWrapper

MAX_CHARACTERS = 1_000_000
# The names in Keras' CSV files, in its TensorBoard events, and in logs of tf_keras.
OF_KERAS = "epoch_learning_rate"
SINGLE = "learning_rate", OF_KERAS, "lr"
# The same, followed by the name of one of several optimizers.
SEVERAL = "learning_rate_", f"{OF_KERAS}_"
BESIDE = "-momentum", "-weight_decay"
CURE = (
    "give the log of a run with Lightning's LearningRateMonitor, with Keras' CSVLogger after our "
    "callback, or with Keras' TensorBoard"
)


class Log(NamedTuple):
    """The name of the rate, what its positions count, and a reader of (position, rate) pairs.

    `schedule` says whether these may be a schedule's rates as Keras' TensorBoard callback logs
    them: it asks the schedule after an epoch's last update, for the rate of the next one.
    """

    name: str
    unit: str
    entries: Callable[[], Iterator[tuple[int, float]]]
    schedule: bool = False


def open_log(path: str, name: str | None) -> Log:
    """Open a CSV file of Lightning or Keras, or a TensorBoard event file or a folder of such.

    Args:
        path: The file or folder.
        name: The column or tag to read; None where there is only one.

    Raises:
        ModuleNotFoundError: It is for TensorBoard, which is not installed.
        OSError: It cannot be read.
        ValueError: It has no rates, or several and no name is given. While it is read: an entry
            is not a number, or not finite.
    """
    if Path(path).is_dir() or "tfevents" in Path(path).name:
        return _events(path, name)
    return _table(path, name)


def _pick(path: str, names: Iterable[str], wanted: str | None) -> str:
    """Return the name of the rate among all names."""
    names = sorted(names)
    # LearningRateMonitor logs the momentum of lr-SGD as lr-SGD-momentum.
    monitored = [n for n in names if n.startswith("lr-") and not n.endswith(BESIDE)]
    single = [n for n in SINGLE if n in names][:1]
    rates = monitored or single or [n for n in names if n.startswith(SEVERAL)]
    if wanted is not None:
        rates = [n for n in names if n == wanted]
    if len(rates) == 1:
        return rates[0]
    found = f"several, {short_repr(rates)}; give --column one of them"
    if not rates:
        cure = "give --column one of them" if wanted and names else CURE
        found = f"{short_repr(names) if names else 'nothing'}; {cure}"
    raise ValueError(f"{path} must have one rate {wanted or 'lr-* or learning_rate'}, got {found}")


def _entry(path: str, place: str, at: Any, rate: Any) -> tuple[int, float]:
    try:
        entry = int(at), float(rate)
    except ValueError:
        entry = 0, math.nan
    if not math.isfinite(entry[1]) or entry[0] > MAX_POSITION:
        raise ValueError(
            f"{path} must hold a finite rate at each position below 2**63, got {short_repr(rate)} "
            f"at {short_repr(at)} in {place}; check the log"
        )
    return entry


def _cells(path: str) -> Iterator[list[str]]:
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        try:
            yield from csv.reader(_lines(path, file))
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path} must be a CSV file, got {error}; give a log") from error


def _lines(path: str, file: TextIOWrapper) -> Iterator[str]:
    for line in iter(partial(file.readline, MAX_CHARACTERS), ""):
        if len(line) == MAX_CHARACTERS:
            raise ValueError(f"{path} must be a CSV file, got a line without end; give a log")
        yield line


def _table(path: str, wanted: str | None) -> Log:
    header = next(_cells(path), [])
    name = _pick(path, header, wanted)
    unit = "step" if "step" in header else "epoch"  # Keras has no column of steps
    if unit not in header:
        raise ValueError(
            f"{path} must have a column step or epoch, got {short_repr(header)}; give the log of "
            "a run"
        )
    at, rate = header.index(unit), header.index(name)

    def entries() -> Iterator[tuple[int, float]]:
        for line, row in enumerate(islice(_cells(path), 1, None), 2):
            if not row:
                continue  # an empty line is no entry
            if len(row) != len(header):
                raise ValueError(
                    f"{path} must have {len(header)} cells in each line, got {len(row)} in line "
                    f"{line}; check the log"
                )
            if row[rate]:  # Lightning leaves it empty in the lines of other metrics
                yield _entry(path, f"line {line}", row[at], row[rate])

    return Log(name, unit, entries)


def _number(value: Any, make_ndarray: Callable[[Any], Any]) -> Any:
    """Return a number as torch and Keras write it, None for a picture, a text and the like."""
    if value.HasField("simple_value"):
        return value.simple_value
    if not value.HasField("tensor") or value.tensor.tensor_shape.dim:
        return None
    only = make_ndarray(value.tensor).item()
    return None if isinstance(only, bytes) else only


def _events(path: str, wanted: str | None) -> Log:
    # Unless this module exists, TensorBoard imports TensorFlow if it can, which takes seconds and
    # prints messages about the hardware.
    if "tensorflow" not in sys.modules:
        sys.modules.setdefault("tensorboard.compat.notf", ModuleType("notf"))
    with required("tensorboard", "tensorboard"):
        from tensorboard.backend.event_processing.event_file_loader import (  # noqa: PLC0415 - extra
            LegacyEventFileLoader,
        )
        from tensorboard.util.tensor_util import make_ndarray  # noqa: PLC0415 - likewise
    folder = Path(path)
    # One slow pass collects the steps and numbers of every tag. TensorBoard's newer loader is six
    # times slower: it converts all kinds of values to one form.
    found: dict[str, tuple[array[int], array[float]]] = {}
    for file in sorted(folder.glob("*tfevents*")) if folder.is_dir() else [folder]:
        file.open("rb").close()  # the loader does not report a missing file
        for event in LegacyEventFileLoader(str(file)).Load():
            for value in event.summary.value:
                if (number := _number(value, make_ndarray)) is not None:
                    steps, numbers = found.setdefault(value.tag, (array("q"), array("d")))
                    steps.append(event.step)
                    numbers.append(number)
    name = _pick(path, found, wanted)

    def entries() -> Iterator[tuple[int, float]]:
        for step, rate in zip(*found[name], strict=True):
            yield _entry(path, "an event", step, rate)

    of_keras = name.startswith("epoch_")  # the prefix says what is counted
    return Log(name, "epoch" if of_keras else "step", entries, name.startswith(OF_KERAS))
