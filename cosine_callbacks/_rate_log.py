"""The rates that a run logged, read one by one: a log may be longer than the memory."""

from __future__ import annotations

import csv
import math
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from cosine_callbacks._optional import required
from cosine_callbacks._parameters import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import TextIOWrapper

LONGEST = 1_000_000
# In CSV files of Keras, in its TensorBoard events, and in logs of tf_keras or of one's own.
SINGLE = "learning_rate", "epoch_learning_rate", "lr"
BESIDE = "-momentum", "-weight_decay"


class Log(NamedTuple):
    """The name of the rate, what its positions count, and (position, rate) of each entry."""

    name: str
    unit: str
    entries: Iterator[tuple[int, float]]


def read(path: str, name: str | None) -> Log:
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
    rates = monitored or single or [n for n in names if n.startswith("learning_rate_")]
    if wanted is not None:
        rates = [n for n in names if n == wanted]
    if len(rates) == 1:
        return rates[0]
    found = f"several, {show(rates)}; give --column one of them"
    if not rates:
        found = f"{show(names) if names else 'nothing'}; give the log of a run"
    raise ValueError(f"{path} must have one rate {wanted or 'lr-* or learning_rate'}, got {found}")


def _entry(path: str, place: str, at: Any, rate: Any) -> tuple[int, float]:
    try:
        entry = int(at), float(rate)
    except ValueError:
        entry = 0, math.nan
    if not math.isfinite(entry[1]):
        raise ValueError(
            f"{path} must hold a finite rate at each position, got {show(rate)} at {show(at)} in "
            f"{place}; check the log"
        )
    return entry


def _cells(path: str) -> Iterator[list[str]]:
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        try:
            yield from csv.reader(_lines(path, file))
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path} must be a CSV file, got {error}; give a log") from error


def _lines(path: str, file: TextIOWrapper) -> Iterator[str]:
    for line in iter(partial(file.readline, LONGEST), ""):
        if len(line) == LONGEST:
            raise ValueError(f"{path} must be a CSV file, got a line without end; give a log")
        yield line


def _table(path: str, wanted: str | None) -> Log:
    rows = _cells(path)
    header = next(rows, [])
    name = _pick(path, header, wanted)
    unit = "step" if "step" in header else "epoch"  # Keras counts epochs alone
    if unit not in header:
        raise ValueError(
            f"{path} must have a column step or epoch, got {show(header)}; give the log of a run"
        )
    at, rate = header.index(unit), header.index(name)

    def entries() -> Iterator[tuple[int, float]]:
        for line, row in enumerate(rows, 2):
            if not row:
                continue  # an empty line is no entry
            if len(row) != len(header):
                raise ValueError(
                    f"{path} must have {len(header)} cells in each line, got {len(row)} in line "
                    f"{line}; check the log"
                )
            if row[rate]:  # Lightning has a line for each metric, with the cells of others empty
                yield _entry(path, f"line {line}", row[at], row[rate])

    return Log(name, unit, entries())


def _events(path: str, wanted: str | None) -> Log:
    # TensorBoard imports TensorFlow where it finds one, which takes seconds and talks of hardware,
    # unless this module says that it is built without.
    if "tensorflow" not in sys.modules:
        sys.modules.setdefault("tensorboard.compat.notf", ModuleType("notf"))
    with required("tensorboard", "tensorboard"):
        from tensorboard.backend.event_processing.event_file_loader import (  # noqa: PLC0415 - extra
            EventFileLoader,
        )
        from tensorboard.util.tensor_util import make_ndarray  # noqa: PLC0415 - likewise
    folder = Path(path)
    files = sorted(folder.glob("*tfevents*")) if folder.is_dir() else [folder]

    def values() -> Iterator[tuple[int, Any]]:
        for file in files:
            file.open("rb").close()  # the loader has no words for a file that is missing
            for event in EventFileLoader(str(file)).Load():
                for value in event.summary.value:
                    yield event.step, value

    name = _pick(path, {value.tag for _, value in values()}, wanted)
    unit = "epoch" if name.startswith("epoch_") else "step"  # as Keras names what it counts so
    entries = (
        _entry(path, "an event", step, make_ndarray(value.tensor).item())
        for step, value in values()
        if value.tag == name
    )
    return Log(name, unit, entries)
