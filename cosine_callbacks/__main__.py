"""`python -m cosine_callbacks` is the command `cosine-callbacks`."""

import sys

from cosine_callbacks._command.main import main

sys.exit(main())
