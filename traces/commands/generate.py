"""`python -m traces generate`: writes named workloads, recipes, and what the options describe, as files."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from pathlib import Path

from sim_core.errors import SpecError, TraceError
from sim_core.trace import Trace
from traces import named
from traces.arrivals.table import ARRIVALS
from traces.closed_recipe import ClosedRecipe
from traces.commands.shared import Subparsers, add_command, add_time_unit, say, seed
from traces.distributions.table import DISTRIBUTIONS
from traces.reader import read_file
from traces.recipe import DEFAULT_DURATION_S, Recipe
from traces.recipe_file import SUFFIX, opener, parse, read_recipe
from traces.sessions import KEYS as SESSION_KEYS
from traces.sizes import FORM, NUMBER, workload_names
from traces.writer import csv_lines

EXAMPLES = """examples:
  python -m traces generate rr_conv_70 --seed 1
  python -m traces generate rr_code_30 rr_code_40 rr_code_50 --out folder
  python -m traces generate --workload conv --arrivals gamma:rate=70,cv=2 --duration 600 --seed 1 --out bursty.csv
  python -m traces generate --prompt lognormal:mean=1024,sigma=0.8,max=8192 --output gamma:mean=200,cv=1.1 \\
      --arrivals sinusoidal:rate=20,amplitude=0.6,period_s=3600 --duration 7200 --out day.csv
  python -m traces generate --sizes-from mine.csv --joint --arrivals trace:file=mine.csv,rate=50 --out faster.csv
  python -m traces generate --application 'workload=conv arrivals=poisson:rate=50' \\
      --application 'workload=code arrivals=onoff:rate=20,on_s=30,off_s=90' --out two.csv
  python -m traces generate --application 'arrivals=poisson:rate=2 turns=poisson:mean=4 think_ms=exponential:mean=20000
      prompt=lognormal:mean=200,sigma=1 output=gamma:mean=200,cv=1.1 system_prompts=10
      system_tokens=constant:tokens=1000' --out chat.csv
  python -m traces generate load.yaml --seed 3 --rate 50

distributions of sizes, for --prompt and --output (whole tokens from 1 on; all take min=,max= too):
{distributions}

arrivals, for --arrivals (times in seconds, rates in requests a second):
{arrivals}
closed:concurrency=64 (clients that send a new request when one ends) stands in recipes and in trace.arrivals of a run.

A recipe is a YAML file that says the same:
  duration_s: 600
  applications:
    - workload: conv
      arrivals: gamma:rate=70,cv=2
    - prompt: lognormal:mean=1024,sigma=0.8
      output: gamma:mean=200,cv=1.1
      arrivals: onoff:rate=5,on_s=10,off_s=60
"""
SIZE_OPTIONS = ("workload", "prompt", "output", "sizes_from", "joint", "arrivals", "batch_size")


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Adds `generate`."""
    forms = {
        key: "\n".join(f"  {name}:{kind.form}" for name, kind in table.items())
        for key, table in (("distributions", DISTRIBUTIONS), ("arrivals", ARRIVALS))
    }
    parser = add_command(
        subparsers,
        run,
        "generate",
        "generate a workload: by name, from a recipe, or from distributions and arrivals",
        "Generates a workload and writes it as a file. The same seed gives the same file on every machine.",
        EXAMPLES.format(**forms),
    )
    add = parser.add_argument
    what = f"a named workload such as rr_conv_70, or a recipe such as load{SUFFIX}"
    add("what", nargs="*", metavar="NAME-or-RECIPE", help=what)
    others = "unless --prompt or --output say otherwise"
    add("--workload", help=f"sizes of {' or '.join(workload_names())}, {others}")
    add("--prompt", metavar="DISTRIBUTION", help="distribution of prompt sizes")
    add("--output", metavar="DISTRIBUTION", help="distribution of output sizes")
    add("--sizes-from", metavar="TRACE", help=f"sizes of that trace, {others}")
    add("--joint", action="store_true", default=None, help="draw whole requests of TRACE")
    add("--arrivals", help="the arrival process")
    add("--batch-size", type=int, metavar="N", help="sequences in a request; default: 1")
    application = "an application; may be repeated, the requests are merged"
    add("--application", action="append", metavar="'KEY=VALUE ...'", help=application)
    add("--rate", type=float, metavar="R", help="total rate, requests a second")
    add("--duration", type=float, metavar="S", help=f"duration in seconds; default: {DEFAULT_DURATION_S:g}")
    most = "at most N requests; without --duration generate until there are N"
    add("--max-requests", type=int, metavar="N", help=most)
    add("--seed", type=seed, default=0, help="seed of the random streams; default: %(default)s")
    add_time_unit(parser, "the trace files that are named")
    endings = "ends in .csv, .csv.gz, .csv.zst or .parquet"
    out = f"{endings}; a folder for several; '-' is the standard output; default: NAME.csv here"
    add("--out", metavar="FILE", help=out)
    add("--force", action="store_true", help="replace FILE if it exists")


def run(options: argparse.Namespace) -> None:
    """Writes the traces; prints where."""
    from traces.writing import write_trace  # imports Arrow, which --help does not need

    described = [key for key in (*SIZE_OPTIONS, "application", "duration", "max_requests") if _given(options, key)]
    by_name = [what for what in options.what if not what.endswith(SUFFIX)]
    if by_name and _given(options, "rate"):
        described.append("rate")
    if options.what and described:
        raise TraceError(f"{options.what[0]} says everything by itself: leave out --{described[0].replace('_', '-')}")
    if not options.what and not described:
        raise TraceError(f"nothing to generate; see --help; named workloads are {FORM}")
    if not options.what and (not options.out or Path(options.out).is_dir()):
        raise TraceError("--out FILE says where to write")
    for what, path in _targets(options):
        trace = _named_or_recipe(what, options) if what else _described(options)
        if trace.clients:
            raise TraceError(
                "closed arrivals have no times before a run, so no file holds them: a run takes a recipe by its name, "
                "or trace.arrivals=closed:... with the sizes of a trace",
                source=what or "--arrivals",
            )
        if options.out == "-":
            sys.stdout.writelines(csv_lines(trace))
            sys.stdout.flush()
        else:
            write_trace(trace, path)
            say(f"{len(trace):,} requests in {path}")


def _targets(options: argparse.Namespace) -> list[tuple[str, Path]]:
    """The workloads and their paths, checked before anything is generated."""
    from traces.writing import check_ending

    folder = Path(options.out or ".")
    if len(options.what) > 1 and not folder.is_dir():
        raise TraceError("must be an existing folder, for several traces", source=str(folder))
    if len(options.what) < 2 and options.out and not folder.is_dir():
        targets = [("".join(options.what), Path(options.out))]
    else:
        targets = [(what, folder / f"{Path(what).name.removesuffix(SUFFIX)}.csv") for what in options.what]
    for _, path in targets:
        if options.out != "-":
            check_ending(path)
            if path.is_dir() or (path.exists() and not options.force):
                raise TraceError("is there already; --force replaces it", source=str(path))
    return targets


def _given(options: argparse.Namespace, key: str) -> bool:
    return getattr(options, key) is not None


def _named_or_recipe(what: str, options: argparse.Namespace) -> Trace:
    if not what.endswith(SUFFIX):
        return named.parse(what, options.seed).generate(options.seed, what)
    recipe = read_recipe(Path(what), read_file, confined=False, time_unit=options.time_unit)
    try:
        return _at_rate(recipe, options).generate(options.seed, Path(what).stem)
    except SpecError as error:
        raise TraceError(_as_options(str(error)), source=what) from error


def _at_rate(recipe: Recipe | ClosedRecipe, options: argparse.Namespace) -> Recipe | ClosedRecipe:
    if not _given(options, "rate"):
        return recipe
    if not 0.0 < options.rate < float("inf"):
        raise SpecError("must be more than 0", key="rate", value=options.rate)
    return recipe.at_rate(options.rate)


def _described(options: argparse.Namespace) -> Trace:
    application = {key: getattr(options, key) for key in SIZE_OPTIONS if _given(options, key)}
    if options.application and application:
        raise TraceError(f"put --{next(iter(application)).replace('_', '-')} into one of the --application '...'")
    applications = [_application(text) for text in options.application] if options.application else [application]
    values = {"applications": applications, "duration_s": options.duration, "max_requests": options.max_requests}
    try:
        open_trace = opener(Path(), read_file, confined=False, time_unit=options.time_unit)
        recipe = _at_rate(parse(values, open_trace), options)
    except SpecError as error:
        text = str(error) if options.application else _as_options(str(error))
        raise TraceError(text) from error
    return recipe.generate(options.seed, Path(options.out).name.partition(".")[0])


def _application(text: str) -> dict[str, object]:
    """`workload=conv arrivals=poisson:rate=70`: the keys of a recipe's application; quotes as in a shell."""
    values: dict[str, object] = {}
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise TraceError(f"--application {text!r}: {error}") from error
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals:
            raise TraceError(f"--application {text!r}: {part!r} must be KEY=VALUE")
        if key in values:
            raise TraceError(f"--application {text!r}: {key!r} is there twice")
        is_fraction = key in SESSION_KEYS and re.fullmatch(NUMBER, value)
        number = int(value) if value.isdecimal() else float(value) if is_fraction else value
        values[key] = {"true": True, "false": False}.get(value, number)
    return values


def _as_options(text: str) -> str:
    """An error about a recipe's key, turned into one about the option for it."""
    names = {"applications.0.": "--", "duration_s": "--duration", "max_requests": "--max-requests", "rate=": "--rate="}
    for key, option in names.items():
        if text.startswith(key):
            return option + text.removeprefix(key)
    return text
