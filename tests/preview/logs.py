"""Logs as Lightning, Keras and TensorBoard write them, and the curve by its closed form."""

import csv
import math

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

FORMS = {
    f"{kind}, {kept.__name__}": (kind, kept)
    for kind in ("lightning", "keras", "tensorboard")
    for kept in (np.float32, np.float64)
}


def curve(e, t_max=90, peak=0.1, floor=0.001, warmup=0, hold=0, cycles=1):  # noqa: PLR0913, PLR0917
    """Return the rate as the documentation of CosineAnnealing states it."""
    e = min(max(e, 0), t_max * cycles)
    if e < warmup:
        return peak * (1 + e) / (warmup + 1)
    if e < warmup + hold:
        return peak
    cycle = min(e // t_max, cycles - 1)
    start = cycle * t_max if cycle else warmup + hold
    span = (cycle + 1) * t_max - start
    return floor + (peak - floor) / 2 * (1 + math.cos(math.pi * (e - start) / span))


def write_log(folder, kind, rates, kept=np.float64, name=None):
    """Write the rates of steps, in Keras' file of epochs, as numbers of this type."""
    numbers = [float(kept(rate)) for rate in rates]
    if kind == "tensorboard":
        return write_events(folder, numbers, name or "lr-SGD", tensor=kept is np.float64)
    path, name = folder / "log.csv", name or {"keras": "learning_rate"}.get(kind, "lr-Adam")
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        if kind == "keras":
            lines.writerow(["epoch", "accuracy", name, "loss"])
            lines.writerows([e, 0.5, rate, "nan"] for e, rate in enumerate(numbers))
        else:  # rates and metrics stand in separate lines
            lines.writerow(["epoch", "loss", name, f"{name}-momentum", "step"])
            for e, rate in enumerate(numbers):
                lines.writerow(["", "", rate, 0.9, e])
                lines.writerow([e // 10, "nan", "", "", e])
    return path


def write_events(folder, numbers, tag="lr-SGD", first=0, *, tensor=False):
    """Write events of a rate, as torch or as Keras do, and of values that are no rates."""
    folder.mkdir(exist_ok=True)
    file = folder / f"events.out.tfevents.{first}"
    # EventFileWriter would import TensorFlow.
    writer = RecordWriter(file.open("wb"))
    for step, number in enumerate(numbers, first):
        scalar = {"tensor": make_tensor_proto(number, "float64")} if tensor else {}
        values = [
            Summary.Value(tag=tag, **scalar or {"simple_value": number}),
            Summary.Value(tag="loss", simple_value=math.nan),
            Summary.Value(tag="keras", tensor=make_tensor_proto("the model as JSON")),
            Summary.Value(tag="complex", tensor=make_tensor_proto(1 + 2j)),
            Summary.Value(tag="vector", tensor=make_tensor_proto([1.0])),
            Summary.Value(tag="picture", image=Summary.Image(height=1, width=1)),
        ]
        for value in values:
            writer.write(Event(step=step, summary=Summary(value=[value])).SerializeToString())
    writer.close()
    return folder
