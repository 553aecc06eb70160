"""The cosine-annealing learning rate, one formula for every training framework.

The adapters are modules of their own (`cosine_callbacks.lightning`, `.keras`, ...), so that this
package imports no framework.
"""

from cosine_callbacks.formula import CosineAnnealing, cosine_annealing

__all__ = ["CosineAnnealing", "cosine_annealing"]

# Pickles and error messages use this name.
CosineAnnealing.__module__ = cosine_annealing.__module__ = __name__
