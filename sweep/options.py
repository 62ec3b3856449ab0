"""The command line's options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from sync.tracking.sinks import SINKS

EPILOG = """\
Overrides after the options apply to all points, in Hydra's grammar: `seed=1` sets, `seed=0,1` adds an axis, and
`rate=10,20` narrows the experiment's own axis `rate`. Finished points are kept below --results and not run again.
`python -m sweep status` tells how the sweeps below --results are doing, those that run just now included.
Exit status: 0 all points completed, 1 some failed, 2 bad input, 130 interrupted.
"""


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options as typed; a mistake ends in argparse's message and exit status 2."""
    parser = _parser()
    arguments = parser.parse_intermixed_args(argv)
    if arguments.experiment is None:
        parser.error("say which experiment: its file, such as experiments/quickstart.yaml")
    if arguments.debug and arguments.point is None:
        parser.error("--debug looks at one point: say which with --point")
    if arguments.format == "json" and not arguments.dry_run:
        parser.error("--format json is for --dry-run")
    if arguments.local and arguments.address != "local":
        parser.error("--local runs without Ray, --address with it: choose one")
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sweep",
        usage="%(prog)s EXPERIMENT.yaml [options] [override ...]",
        description="Run every point of an experiment, on all cores, and show them side by side.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("experiment", nargs="?", type=Path, metavar="EXPERIMENT.yaml")
    parser.add_argument("overrides", nargs="*", metavar="override", help="such as seed=1 or rate=10,20")
    _add_what(parser.add_argument_group("what to run"))
    _add_where(parser.add_argument_group("where to run it, and where results go"))
    return parser


def _add_what(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--dry-run", action="store_true", help="show the points and start nothing")
    group.add_argument("--format", choices=("table", "json"), default="table", help="of --dry-run (default: table)")
    group.add_argument("--limit", type=_positive, metavar="N", help="only the first N points")
    group.add_argument(
        "--point",
        metavar="KEY",
        help="only this point, again: its number, or as much of its key as no other point's key begins with",
    )
    group.add_argument("--debug", action="store_true", help="with --point: write what every instance did")
    again = group.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on from what is finished (the default)")
    again.add_argument(
        "--fresh", action="store_true", help="start over: what is finished is set aside in the folder earlier"
    )
    group.add_argument("--retry-failed", action="store_true", help="run the points again that failed")
    group.add_argument(
        "--timeout-per-run",
        type=_positive_seconds,
        metavar="S",
        help="a point that takes longer on the clock has failed",
    )
    group.add_argument("--max-failures", type=_positive, metavar="N", help="give up once so many points have failed")


def _add_where(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--local", action="store_true", help="in this process, one point after the other, without Ray")
    group.add_argument(
        "--address",
        default="local",
        help="a Ray cluster to join (auto: find it); the default, local, starts one on this machine and stops it",
    )
    group.add_argument("--jobs", type=_positive, metavar="N", help="points at once (default: one a core)")
    group.add_argument("--sink", default="mlflow", metavar="NAME", help=f"one of: {', '.join(SINKS)} (default: mlflow)")
    group.add_argument(
        "--results",
        type=lambda text: Path(text).absolute(),
        default=Path("results").absolute(),
        metavar="DIR",
        help="the folder of results (default: results)",
    )


def _positive_seconds(text: str) -> float:
    seconds = float(text)
    if not 0.0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds")
    return seconds


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number
