"""The callback for the package lightning.pytorch."""

import lightning.pytorch as pl

from cosine_callbacks import lightning as adapter

from .trainer import drivers

DRIVERS = drivers(pl, adapter, "lightning")
