"""The rates that a run logged, read once: a log may be a stream, or longer than the memory."""

import csv
import math
import re
import shlex
from array import array
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from cosine_callbacks._schedule.extras import required
from cosine_callbacks._schedule.validation import short_repr

MAX_CHARACTERS = 1_000_000
# The names in Keras' CSV files, in its TensorBoard events, and in logs of tf_keras.
SINGLE = "learning_rate", "epoch_learning_rate", "lr"
# The same, followed by the name of one of several optimizers.
SEVERAL = "learning_rate_", "epoch_learning_rate_"
BESIDE = "-momentum", "-weight_decay"
SIMILAR = re.compile(r"(?<![a-z])(lr|learning_?rate)(?![a-z])", re.IGNORECASE)
CURE = (
    "give the log of a run with Lightning's LearningRateMonitor, with Keras' CSVLogger after our "
    "callback, or with Keras' TensorBoard"
)


class Log:
    """The rates by the name, what their positions count, and both in the order of the log."""

    def __init__(self, path: str, name: str, unit: str) -> None:
        """Begin without rates."""
        self.path, self.name, self.unit = path, name, unit
        self.positions, self.rates = array("q"), array("d")

    def extend(self, rows: Iterable[tuple[Any, Any]]) -> None:
        """Add positions and their rates; either may be a text."""
        # One loop without calls of ours: a log may have millions of rows.
        for at, rate in rows:
            try:
                position, number = int(at), float(rate)
                if position < 0 or not math.isfinite(number):
                    raise ValueError  # noqa: TRY301 - the sentence below
                self.positions.append(position)
                self.rates.append(number)
            except (OverflowError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{self.path} must hold a finite rate at each position from 0 to 2**63 - 1, "
                    f"got {short_repr(rate)} at {short_repr(at)}; check the log"
                ) from error


def open_log(path: str, wanted: str | None) -> Log:
    """Read a CSV file, an event file or a folder of such; `wanted` is the only rate if None."""
    of_events = Path(path).is_dir() or "tfevents" in Path(path).name
    log = _read_events(path, wanted) if of_events else _read_csv(path, wanted)
    if not log.rates:
        raise ValueError(f"{path} must have rates as {log.name}, got none; give the log of a run")
    return log


def _is_rate(name: str) -> bool:
    # LearningRateMonitor logs the momentum of lr-SGD as lr-SGD-momentum.
    monitored = name.startswith("lr-") and not name.endswith(BESIDE)
    return monitored or name in SINGLE or name.startswith(SEVERAL)


def _pick(path: str, names: Iterable[str], wanted: str | None) -> str:
    names = sorted({*names})
    rates = [*filter(_is_rate, names)] if wanted is None else [n for n in names if n == wanted]
    monitored = [name for name in rates if name.startswith("lr-")]
    rates = monitored or [name for name in SINGLE if name in rates][:1] or rates
    if len(rates) == 1:
        return rates[0]
    similar = rates or [name for name in names if SIMILAR.search(name)]
    cure = " or ".join(f"--column {shlex.quote(name)}" for name in similar[:3])
    raise ValueError(
        f"{path} must have one rate {wanted or 'lr-* or learning_rate'}, got "
        f"{short_repr(rates or names)}; {f'give {cure}' if cure else CURE}"
    )


def _read_csv(path: str, wanted: str | None) -> Log:
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        # A line without end is read in pieces.
        rows = csv.reader(iter(partial(file.readline, MAX_CHARACTERS), ""))
        try:
            header = next(rows, [])
            unit = "step" if "step" in header else "epoch"  # Keras has no column of steps
            log = Log(path, _pick(path, header, wanted), unit)
            if header.count(unit) != 1 or header.count(log.name) != 1:
                raise ValueError(
                    f"{path} must have one column {unit} and one column {log.name}, got "
                    f"{short_repr(header)}; give the log of a run"
                )
            log.extend(_cells(path, rows, len(header), header.index(unit), header.index(log.name)))
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path} must be a CSV file, got {error}; give a log") from error
    return log


def _cells(path: str, rows: Any, width: int, at: int, rate: int) -> Iterator[tuple[str, str]]:
    for row in rows:
        if len(row) == width:
            if row[rate]:  # Lightning leaves it empty in the lines of other metrics
                yield row[at], row[rate]
        elif row:
            raise ValueError(
                f"{path} must have {width} cells in each line, got {len(row)} in line "
                f"{rows.line_num}; check the log"
            )


def _read_events(path: str, wanted: str | None) -> Log:
    logs: dict[str, Log] = {}
    for step, value in (each for file in _event_files(path) for each in _events(file)):
        # Keras' prefix says what is counted.
        unit = "epoch" if value.tag.startswith("epoch_") else "step"
        log = logs.setdefault(value.tag, Log(path, value.tag, unit))
        # Other tags may hold anything.
        if _is_rate(log.name) if wanted is None else log.name == wanted:
            log.extend([(step, _number(value))])
    return logs[_pick(path, logs, wanted)]


def _event_files(path: str) -> list[Path]:
    folder = Path(path)
    if not folder.is_dir():
        return [folder]
    next(folder.iterdir(), None)  # glob takes one that cannot be read for an empty one
    # Keras logs into train and validation.
    patterns = "*tfevents*", "train/*tfevents*", "*/*tfevents*"
    files = next((found for each in patterns if (found := sorted(folder.glob(each)))), [])
    if len(runs := sorted({file.parent.name for file in files})) > 1:
        raise ValueError(
            f"{path} must hold the events of one run, got {short_repr(runs)}; give one of these"
        )
    return files


def _events(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield each step and value; ValueError at a damaged one."""
    with required("tensorboard", "tensorboard"):
        from tensorboard.compat.proto import event_pb2  # noqa: PLC0415 - an extra
        from tensorboard.compat.tensorflow_stub import errors, pywrap_tensorflow  # noqa: PLC0415
    parse = vars(event_pb2)["Event"].FromString  # made at import, unseen by type checkers
    path.open("rb").close()  # the reader's own error is not ours
    reader, last = pywrap_tensorflow.PyRecordReader_New(str(path)), "the beginning"
    while True:
        try:
            reader.GetNext()
            event = parse(reader.record())
        except errors.OutOfRangeError:  # the end
            return
        except Exception as error:
            raise ValueError(
                f"{path} must hold whole records, got a damaged or cut one after {last}; copy the "
                "log again, or wait for the end of the run"
            ) from error
        last = f"step {event.step}"
        for value in event.summary.value:
            yield event.step, value


def _number(value: Any) -> Any:
    from tensorboard.util.tensor_util import make_ndarray  # noqa: PLC0415 - an extra

    if value.HasField("simple_value"):
        return value.simple_value
    scalar = value.HasField("tensor") and not value.tensor.tensor_shape.dim
    return make_ndarray(value.tensor).item() if scalar else None
