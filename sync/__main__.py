"""Command line: `python -m sync --help`. What each command does is in sync/commands."""

import os
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

from configs.command_line import HelpText, Parser, folder
from sim_core.environment import told_what_is_missing
from sim_core.errors import SimError, SpecError, shown
from sim_core.limits import add_option_everywhere, allowed, raised_by

with told_what_is_missing():
    from sync.commands import COMMANDS
    from sync.results.journal import JournalWarning
    from sync.results.privacy import one_line
    from sync.results.sweep import RESULTS

EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130
_EXAMPLES = """examples:
  python -m sync list                                 the sweeps that have results
  python -m sync show quickstart                      the runs of one sweep, in a table
  python -m sync answers quickstart                   the highest rates within the SLO, and the cheapest clusters
  python -m sync report quickstart                    the same in words and figures, as one HTML file
  python -m sync compare quickstart:18 6              why one run beats another, here by the numbers of points
  python -m sync energy quickstart                    joules by phase, a request and a token, and power over time
  python -m sync export quickstart --to mine          runs and requests as CSV, Parquet or SplitwiseSim's files
  python -m sync verify quickstart                    whether MLflow has each point of the journal, once
  python -m sync replay quickstart                    make MLflow equal to the journal
  python -m sync ui                                   MLflow's interface, on this machine only
In Python: from sync import load_sweep; load_sweep("quickstart").runs
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 1 for a failure or a difference, 2 for a mistake of the user."""
    with warnings.catch_warnings():
        warnings.showwarning = partial(_show_warning, warnings.showwarning)
        return _run(argv)


def _show_warning(others: Any, message: Warning | str, category: type[Warning], *place: Any) -> None:
    """Say in one line which files of a journal cannot be used; leave other warnings to `others`."""
    if issubclass(category, JournalWarning):
        print(f"warning: {shown(message)}", file=sys.stderr)
    else:
        others(message, category, *place)


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments = _parser().parse_args(argv)
        with allowed(raised_by(arguments)):
            return int(arguments.run(arguments))
    except SpecError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except BrokenPipeError:  # a reader such as `head` has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (SimError, OSError) as error:  # such as a server that does not answer, or a full disk
        if isinstance(error, OSError) and error.filename and error.strerror:
            error = SimError(f"{error.filename}: {error.strerror}")
        print(f"error: {shown(one_line(error))}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return EXIT_INTERRUPTED


def _parser() -> Parser:
    parser = Parser(
        prog="python -m sync",
        description="Shows, exports and compares the results of sweeps, and keeps MLflow equal to them.",
        epilog=_EXAMPLES,
        formatter_class=HelpText,
    )
    parser.add_argument("--results", type=folder, default=RESULTS, help="the folder of results (default: %(default)s)")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    add_option_everywhere(parser, subparsers.choices.values())
    return parser


if __name__ == "__main__":
    with told_what_is_missing():
        sys.exit(main())
