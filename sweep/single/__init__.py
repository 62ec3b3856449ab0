"""`python -m sim_core`: single runs, or several by `--multirun`; command line, job, summary and debug files."""
