"""The command line `python -m traces`; each command has a module in traces/commands."""

import os
import sys
import warnings
from collections.abc import Sequence

from configs.command_line import HelpText, Parser
from sim_core.environment import told_what_is_missing
from sim_core.errors import SimError, shown
from sim_core.limits import add_option_everywhere, allowed, raised_by

with told_what_is_missing():
    from traces.commands import COMMANDS
    from traces.reader import spoken
    from traces.recipe import DEFAULT_DURATION_S
    from traces.sizes import FORM, workload_names

EXAMPLES = """examples:
  python -m traces describe rr_conv_70                 conversation, 70 requests a second, 600 s
  python -m traces describe traces/samples/test_trace.csv
  python -m traces generate rr_code_0.5_2min --seed 7 --out slow.csv
  python -m traces convert BurstGPT_1.csv burst.parquet
  python -m traces download                            list the public traces
  python -m sim_core trace.filename=rr_conv_70 ...     a run takes such names, no file is needed
"""


def parser() -> Parser:
    """The parser of the command line, with all commands."""
    top = Parser(
        prog="python -m traces",
        description=f"Generates, reads, converts and describes workloads. Named ones are {FORM}; "
        f"WORKLOAD is {' or '.join(workload_names())}; "
        f"{DEFAULT_DURATION_S:g} s unless the name says otherwise.",
        epilog=EXAMPLES,
        formatter_class=HelpText,
    )
    subparsers = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    add_option_everywhere(top, subparsers.choices.values())
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command. The exit status is 0, or 2 when a trace cannot be made, read or written."""
    options = parser().parse_args(arguments)
    with warnings.catch_warnings(record=True) as caught, allowed(raised_by(options)):
        warnings.simplefilter("always")
        try:
            options.run(options)
            status = 0
        except SimError as error:
            print(f"error: {error}", file=sys.stderr)
            status = 2
        except BrokenPipeError:  # the reader of a pipe, such as `head`, has closed it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = 0
        except OSError as error:  # such as a folder without permission to read it
            place = f"{error.filename}: " if error.filename else ""
            print(f"error: {shown(f'{place}{error.strerror or error}')}", file=sys.stderr)
            status = 2
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            status = 130
    for warning in caught:
        print(shown(spoken(warning.message)), file=sys.stderr)
    return status


if __name__ == "__main__":
    with told_what_is_missing():
        raise SystemExit(main())
