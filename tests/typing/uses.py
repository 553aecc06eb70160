"""Right uses that type checkers must accept, and wrong ones that they must not.

mypy and pyright check this file; nothing runs it. An ignore that ignores nothing is an error.
"""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from cosine_callbacks import CosineAnnealing, cosine_annealing
from cosine_callbacks.keras import CosineAnnealingCallback as KerasCallback
from cosine_callbacks.keras import CosineAnnealingSchedule
from cosine_callbacks.lightning import CosineAnnealingCallback
from cosine_callbacks.tensorflow import CosineAnnealingCallback as TensorFlowCallback

schedule = CosineAnnealing(lr_initial=0.1, t_max=10, lr_min=0.001, warmup=0.1, cycles=None)
assert_type(schedule(3), float)
assert_type(schedule(2.5), float)
assert_type(schedule(np.int64(3)), float)
assert_type(schedule.factor(np.float32(3)), float)
assert_type(schedule(np.arange(3)), NDArray[np.float64])
assert_type(cosine_annealing(5, lr_initial=0.1, t_max=10), float)
assert_type(cosine_annealing(np.int32(5), lr_initial=0.1, t_max=10), float)
assert_type(schedule.t_max, int)
assert_type(schedule.lr_min_ratio, float | None)
assert_type(schedule.to_dict()["lr_min"], float)

# One configuration serves every framework.
parameters = schedule.to_dict()
CosineAnnealing(**parameters)
CosineAnnealing.from_dict(parameters)
CosineAnnealing.from_dict({"lr_initial": 0.1, "t_max": 10})
CosineAnnealingCallback(**parameters, interval="step")
CosineAnnealingCallback(t_max=0.5, warmup=5, optimizers=[0, 1])
CosineAnnealingSchedule(**parameters, steps_per_epoch=10)
KerasCallback(**parameters, interval="step")
KerasCallback(optimizers="d_optimizer")
TensorFlowCallback(**parameters, optimizers=["d_optimizer", "g_optimizer"])
loaded: Any = {}
CosineAnnealing.from_dict(loaded)

CosineAnnealing(0.1, 10)  # type: ignore[call-arg]
CosineAnnealing(lr_initial=0.1)  # type: ignore[call-arg]
CosineAnnealing(lr_initial=0.1, t_max=10, eta_min=0.0)  # type: ignore[call-arg]
CosineAnnealing(lr_initial="0.1", t_max=10)  # type: ignore[arg-type]
CosineAnnealing(lr_initial=0.1, t_max=10.5)  # type: ignore[arg-type]
CosineAnnealing.from_dict({"lr_initial": 0.1})  # type: ignore[arg-type]
schedule("3")  # type: ignore[call-overload]
schedule.t_max = 11  # type: ignore[misc]
cosine_annealing(5, 0.1, 10)  # type: ignore[call-overload]
CosineAnnealingCallback(10)  # type: ignore[call-arg]
CosineAnnealingCallback(T_max=10)  # type: ignore[call-arg]
CosineAnnealingCallback(interval="batch")  # type: ignore[arg-type]
CosineAnnealingCallback(optimizers="0")  # type: ignore[arg-type]
CosineAnnealingSchedule(0.1, 10)  # type: ignore[call-arg]
CosineAnnealingSchedule(lr_initial=0.1, t_max=10, steps_per_epoch=1.5)  # type: ignore[arg-type]
KerasCallback(alpha=0.1)  # type: ignore[call-arg]
KerasCallback(optimizers=0)  # type: ignore[arg-type]
TensorFlowCallback(interval=1)  # type: ignore[arg-type]
TensorFlowCallback(optimizers=[0, 1])  # type: ignore[list-item]
