"""`python -m sweep EXPERIMENT.yaml [options] [overrides]`: the command line."""

from __future__ import annotations

import sys

from sweep.command import main

if __name__ == "__main__":
    sys.exit(main())
