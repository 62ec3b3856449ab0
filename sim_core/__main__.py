"""`python -m sim_core [--multirun] [overrides]`: one run, or several. The command line lives in `sweep.single`."""

import gc

from sim_core.environment import told_what_is_missing

# Python searches for garbage after so many new objects. A start makes fewer, and leaves no garbage: to search a hundred
# times and more took 30 ms. A search looks at older objects soon, as what an ended run leaves is among them.
NEW_OBJECTS, OLDER = 100_000, 1

if __name__ == "__main__":
    gc.set_threshold(NEW_OBJECTS, OLDER, OLDER)
    with told_what_is_missing():
        from sweep.single.command import main

        raise SystemExit(main())
