"""`python -m sim_core`: one run, or several by `--multirun`; its command line, summary and debug files."""
