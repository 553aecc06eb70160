"""Import the adapters in the order of the arguments, then train with each of them.

Prints the worst error of each driver as JSON, trained with all parameters at once.
"""

import importlib
import json
import sys

from parity.measure import TABLE, drivers, worst_error

if __name__ == "__main__":
    names = sys.argv[1:]
    for name in names:
        importlib.import_module(f"cosine_callbacks.{name}")
    given, errors = TABLE["everything"], {}
    for name in names:
        for label, (train, updates) in drivers(name).items():
            errors[label] = [name, worst_error(name, train(given), updates, given)]
    print(json.dumps(errors))
