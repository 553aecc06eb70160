"""The callback for the package pytorch_lightning."""

import pytorch_lightning as pl

from cosine_callbacks import pytorch_lightning as adapter

from .trainer import drivers

DRIVERS = drivers(pl, adapter, "pytorch_lightning")
