"""The command line: `python -m sweep EXPERIMENT.yaml [options] [overrides]`."""

import gc
import os
import sys

from sim_core.environment import told_what_is_missing


def _main() -> int:
    gc.set_threshold(100_000, 50, 100)  # imports leave no garbage; searching for it took a quarter of their time
    try:
        with told_what_is_missing():
            from sweep.command import main  # here, because it takes a second or two, in which Ctrl-C may come

            status = main()
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `... | head` reads no more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(_main())
