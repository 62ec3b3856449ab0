"""Command line: `python -m sync --help`. What each command does is in sync/commands."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sim_core.errors import SimError, SpecError
from sync.commands import COMMANDS
from sync.results.privacy import one_line
from sync.results.sweep import RESULTS

EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130
_EXAMPLES = """examples:
  python -m sync list                                 which sweeps there are
  python -m sync show quickstart                      one sweep's runs, in a table
  python -m sync report quickstart                    its answer in words and figures, as one HTML file
  python -m sync compare 7f84ff 0190a3                why one run beats another
  python -m sync answers quickstart                   what it answers: the highest rate within the SLO, the cheapest
  python -m sync export quickstart --to mine          the same as CSV, or as Parquet or SplitwiseSim's files
  python -m sync verify quickstart                    is all of it in MLflow, once?
  python -m sync replay quickstart                    deliver to MLflow what did not arrive
  python -m sync ui                                   MLflow's interface, on this machine only
In Python: from sync import load_sweep; load_sweep("quickstart").runs
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status (1: it did not work out, 2: the user's to mend)."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except SpecError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except BrokenPipeError:  # `... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (SimError, OSError) as error:  # a server that does not answer, a disk that is full
        if isinstance(error, OSError) and error.filename and error.strerror:
            error = SimError(f"{error.filename}: {error.strerror}")
        print(f"error: {one_line(error)}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return EXIT_INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sync",
        description="Results of sweeps: to look at, to take elsewhere, to deliver again.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of results (default: %(default)s)")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
