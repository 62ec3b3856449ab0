"""`python -m sim_core [--multirun] [overrides]`: one run, or several. The command line lives in `sweep.single`."""

from sim_core.environment import told_what_is_missing

if __name__ == "__main__":
    with told_what_is_missing():
        from sweep.single.command import main

        raise SystemExit(main())
