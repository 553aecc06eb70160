"""Import the adapters in the order of the arguments, then train with each of them.

Prints the worst error of each driver as JSON, trained with all parameters at once.
"""

import importlib
import json
import sys
from pathlib import Path

# At the end: the standard library has a `typing`, too. Not the checkout: the wheel is tested.
sys.path.append(str(Path(__file__).parents[1]))
measure = importlib.import_module("parity.measure")

if __name__ == "__main__":
    names = sys.argv[1:]
    for name in names:
        importlib.import_module(f"cosine_callbacks.{name}")
    given, errors = measure.TABLE["everything"], {}
    for name in names:
        for label, (train, updates) in measure.drivers(name).items():
            errors[label] = [name, measure.worst_error(name, train(given), updates, given)]
    print(json.dumps(errors))
