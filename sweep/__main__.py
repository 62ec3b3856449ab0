"""`python -m sweep EXPERIMENT.yaml [options] [overrides]`: the command line."""

from __future__ import annotations

import sys


def _main() -> int:
    try:
        from sweep.command import main  # takes a second or two, in which somebody may think better of it

        return main()
    except KeyboardInterrupt:
        print("interrupted before anything ran", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(_main())
