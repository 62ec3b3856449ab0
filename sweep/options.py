"""The options of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from configs.command_line import HelpText, Parser, add_plugin_option, folder
from sim_core.limits import add_option
from sweep.experiment.question import MEASURES
from sweep.planner.ask import DESIGNS, DURATION
from sync.tracking.sinks import SINKS

EPILOG = """\
Overrides after the options apply to all points, in Hydra's grammar: `seed=1` sets a value, `seed=0,1` adds an axis,
and `rate=10,20` replaces the values of the experiment's own axis `rate`.
EXPERIMENT is a file, or the name of a file in `experiments`: quickstart is experiments/quickstart.yaml.
Finished points are kept below --results and not run again.
An experiment with `find:` is a question: a search decides which points run. `find.width=2%` makes its answer finer.
`python -m sweep plan` asks such a question in words, and `python -m sweep status` shows how the sweeps below --results
are doing, also those that are running.
Exit status: 0 all points completed, 1 some failed, 2 bad input, 130 interrupted.
"""

PLAN = "plan"
PLAN_EPILOG = """\
Examples:
  python -m sweep plan --rate 40 --workload conv --least cost
      the cheapest cluster of each of the paper's six designs that carries 40 conversations a second within the paper's
      limits, for ten minutes
  python -m sweep plan --rate 40 --slo ttft.p99=1s,tbt.p99=200ms --least power --designs baseline-h100,splitwise-ha
      the same for two designs, other limits and the least power
  python -m sweep plan --most rate --budget dgx-h100=40
      the highest rate that each design carries for the price of forty H100 machines, and in which split
  python -m sweep plan --most rate --budget cost=1500 --workload traces/mine/load.csv --width 5%
      the same for 1,500 dollars an hour, with a trace of your own that is brought to each rate

The question becomes an experiment: --dry-run shows it and what would be searched, --save FILE writes it to a file, in
which you may change more than these options can say. Finished runs are kept and not run again; the same question goes
on where it was. Overrides after the options apply to all runs, in Hydra's grammar.
Exit status: 0 answered, 1 some runs failed, 2 bad input, 130 interrupted.
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
    return _checked(parser, arguments)


def _checked(parser: Parser, arguments: argparse.Namespace) -> argparse.Namespace:
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


def parse_plan_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The options of `python -m sweep plan`, with those of an experiment that it cannot have at their defaults. A
    mistake ends the process with one line and exit status 2."""
    parser = Parser(
        prog=f"python -m sweep {PLAN}",
        usage="%(prog)s (--most rate | --least cost) [options] [override ...]",
        description="Find the cluster that carries most, or the cheapest that carries a load, and how sure that is.",
        epilog=PLAN_EPILOG,
        formatter_class=HelpText,
    )
    parser.add_argument("overrides", nargs="*", metavar="override", help="such as start_state.token.max_batch_size=256")
    _add_question(parser.add_argument_group("the question"))
    _add_clusters(parser.add_argument_group("the clusters"))
    run = parser.add_argument_group("what to run")
    run.add_argument("--name", default="", help="the name of the results (default: made of the question)")
    run.add_argument("--save", type=Path, metavar="FILE", help="write the experiment to FILE, and start nothing")
    run.add_argument("--dry-run", action="store_true", help="show the experiment and what it searches; run nothing")
    _add_format(run)
    add_plugin_option(run)
    _add_again(run)
    _add_where(parser.add_argument_group("where to run it, and where results go"))
    parser.set_defaults(experiment=Path(PLAN), limit=None, point=None, debug=False)
    return _checked(parser, parser.parse_intermixed_args(argv))


def _add_question(group: argparse._ArgumentGroup) -> None:
    asked = group.add_mutually_exclusive_group(required=True)
    asked.add_argument("--most", choices=MEASURES["most"], default="", help="the highest rate that is carried")
    asked.add_argument("--least", choices=MEASURES["least"], default="", help="of the clusters that carry --rate")
    group.add_argument("--rate", default="", metavar="R", help="the load in requests a second; several as 40,50")
    group.add_argument(
        "--workload", default="conv", metavar="NAME", help="conv, code or code,conv; or a trace or a recipe as a file"
    )
    group.add_argument(
        "--slo", default="paper", help="paper (the default), a file of limits, or such as ttft.p99=1s,tbt.p99=5x"
    )
    group.add_argument("--duration", default=DURATION, metavar="T", help=f"of the traces (default: {DURATION})")
    group.add_argument("--width", default="", metavar="P", help="of the interval of a rate (default: 3%%)")
    group.add_argument("--confidence", default="", metavar="P", help="of the answer (default: 95%%)")
    group.add_argument("--seeds", type=_positive, metavar="N", help="repetitions of a probe at most (default: 64)")


def _add_clusters(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--budget", default="", metavar="B", help="cost=1500, or dgx-h100=40: all of it for --most, at most for --least"
    )
    group.add_argument(
        "--designs", default="", metavar="NAMES", help=f"some of {','.join(DESIGNS)} (default: all of them)"
    )
    what = "machines of {}, such as 40 or 'range(1,41)'"
    group.add_argument("--machines", default="", metavar="N", help=what.format("baselines"))
    group.add_argument("--prompt-machines", default="", metavar="N", help=what.format("splits that do prompts"))
    group.add_argument("--token-machines", default="", metavar="N", help=what.format("splits that do decodes"))
    group.add_argument("--model", default="", metavar="NAME", help="such as llama2-70b (default: bloom-176b)")
    group.add_argument("--scheduler", default="", metavar="NAME", help="of all designs (default: each design's own)")


def _add_what(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--dry-run", action="store_true", help="show the points and run nothing")
    _add_format(group)
    add_plugin_option(group)
    group.add_argument("--limit", type=_positive, metavar="N", help="run only the first N points")
    group.add_argument(
        "--point",
        metavar="KEY",
        help="run only this point, also if it is finished: its number, or the start of its key",
    )
    group.add_argument("--debug", action="store_true", help="with --point: write what every instance did")
    _add_again(group)


def _add_format(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--format", choices=("table", "json"), default="table", help="the format of --dry-run (default: table)"
    )


def _add_again(group: argparse._ArgumentGroup) -> None:
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
