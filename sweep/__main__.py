"""`python -m sweep EXPERIMENT.yaml [options] [overrides]`: the command line."""

from __future__ import annotations

import gc
import sys


def _main() -> int:
    gc.set_threshold(100_000, 50, 100)  # imports make no garbage, and the search for it took a quarter of their time
    try:
        from sweep.command import main  # takes a second or two, in which somebody may think better of it

        return main()
    except KeyboardInterrupt:
        print("interrupted before anything ran", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(_main())
