"""The options of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from configs.command_line import HelpText, Parser, folder
from sim_core.limits import add_option
from sync.tracking.sinks import SINKS

EPILOG = """\
Overrides after the options apply to all points, in Hydra's grammar: `seed=1` sets a value, `seed=0,1` adds an axis,
and `rate=10,20` replaces the values of the experiment's own axis `rate`.
EXPERIMENT is a file, or the name of a file in `experiments`: quickstart is experiments/quickstart.yaml.
Finished points are kept below --results and not run again.
`python -m sweep status` shows how the sweeps below --results are doing, also those that are running.
Exit status: 0 all points completed, 1 some failed, 2 bad input, 130 interrupted.
"""


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options as typed. A mistake ends the process with one line and exit status 2."""
    parser = _parser()
    arguments = parser.parse_intermixed_args(argv)
    if arguments.experiment is None:
        parser.error(
            "say which experiment: its file, such as experiments/quickstart.yaml, or its name, such as quickstart"
        )
    if arguments.debug and arguments.point is None:
        parser.error("--debug looks at one point: say which with --point")
    if arguments.format == "json" and not arguments.dry_run:
        parser.error("--format json is for --dry-run")
    if arguments.local and arguments.address != "local":
        parser.error("--local runs without Ray, --address with it: choose one")
    return arguments


def _parser() -> Parser:
    parser = Parser(
        prog="python -m sweep",
        usage="%(prog)s EXPERIMENT [options] [override ...]",
        description="Run every point of an experiment, on all cores, and show the results side by side.",
        epilog=EPILOG,
        formatter_class=HelpText,
    )
    what = "a file, or a name such as quickstart"
    parser.add_argument("experiment", nargs="?", type=Path, metavar="EXPERIMENT", help=what)
    parser.add_argument("overrides", nargs="*", metavar="override", help="such as seed=1 or rate=10,20")
    _add_what(parser.add_argument_group("what to run"))
    _add_where(parser.add_argument_group("where to run it, and where results go"))
    return parser


def _add_what(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--dry-run", action="store_true", help="show the points and run nothing")
    group.add_argument(
        "--format", choices=("table", "json"), default="table", help="the format of --dry-run (default: table)"
    )
    group.add_argument("--limit", type=_positive, metavar="N", help="run only the first N points")
    group.add_argument(
        "--point",
        metavar="KEY",
        help="run only this point, also if it is finished: its number, or the start of its key",
    )
    group.add_argument("--debug", action="store_true", help="with --point: write what every instance did")
    again = group.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="run only points that are not finished (the default)")
    again.add_argument(
        "--fresh", action="store_true", help="run all points; finished ones are moved to the folder `earlier`"
    )
    group.add_argument("--retry-failed", action="store_true", help="also run the points that failed before")
    group.add_argument(
        "--timeout-per-run", type=_seconds, metavar="S", help="a point that takes more than S seconds fails"
    )
    group.add_argument("--max-failures", type=_positive, metavar="N", help="stop when N points have failed")


def _add_where(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--local", action="store_true", help="run one point after the other in this process, without Ray"
    )
    group.add_argument(
        "--address",
        default="local",
        help="the Ray cluster to join (auto: find it); by default (local) one is started on this machine and stopped",
    )
    group.add_argument("--jobs", type=_positive, metavar="N", help="run N points at once (default: one a core)")
    add_option(group)
    group.add_argument("--sink", default="mlflow", metavar="NAME", help=f"one of: {', '.join(SINKS)} (default: mlflow)")
    group.add_argument(
        "--results",
        type=lambda text: folder(text).absolute(),
        default=Path("results").absolute(),
        metavar="DIR",
        help="the folder of results (default: results)",
    )


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0.0 < (seconds := float(text)) < 1e9:
            return seconds
    raise argparse.ArgumentTypeError(f"{text} is not a number of seconds")


def _positive(text: str) -> int:
    with suppress(ValueError):
        if (number := int(text)) >= 1:
            return number
    raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
