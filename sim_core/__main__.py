"""`python -m sim_core [--multirun] [overrides]`: one run, or several. The command line lives in `sweep.single`."""

if __name__ == "__main__":
    from sweep.single.command import main

    raise SystemExit(main())
