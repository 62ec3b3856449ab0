"""The command line `python -m sim_core calibrate FILE... [overrides]`."""

from __future__ import annotations

import re
import warnings
from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from configs.command_line import Parser, folder
from configs.figure import figure
from configs.resolvers import register_resolvers
from configs.terminal import Column, console, draw, say, say_whole
from sim_core.errors import SpecError
from sweep.calibrate.files import METRICS, STAGES, medians, write
from sweep.calibrate.fit import Compared, Fit, Times, compared
from sweep.calibrate.formats import MeasuredPoint, read_points
from sweep.calibrate.runs import ROOT, Deployment

FOLDER = Path("results/calibrations")
_ABOUT = """Fits one factor on step times and one offset on TTFT to benchmark results of your own engine, and writes
them as a performance model that runs and sweeps may name. Files are those of `vllm bench serve`, SGLang's
bench_serving, GuideLLM, AIPerf, or a CSV table with isl, osl, concurrency or rate, ttft_ms and tpot_ms; each is told
by its content. The overrides say what was measured, as for a run:

  python -m sim_core calibrate bench.json performance_model=db start_state=baseline cluster.servers.0.count=1

docs/calibration.md has more."""
_OVERRIDE = re.compile(r"[+~]{0,2}[A-Za-z_][\w./@:-]*=")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")


def calibrate(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status. Raises SimError for mistakes of the user."""
    options = parser().parse_intermixed_args(list(arguments))
    files, overrides = divided(options.words)
    if not files:
        raise SpecError("names no file with benchmark results", key="calibrate")
    points = [point for file in files for point in read_points(Path(file))]
    _check_alike(points)
    register_resolvers()
    deployment = Deployment(overrides)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the configuration were shown when it was read
        fit, rows = compared(points, deployment.run)
    places = write(options.out, options.name, fit, rows, deployment.performance, deployment.fitted_on)
    with suppress(BrokenPipeError):  # `... | head` may be gone
        _print(fit, rows, *places)
    return 0


def parser() -> Parser:
    """The parser of the command line."""
    made = Parser(prog="python -m sim_core calibrate", description=_ABOUT, formatter_class=RawDescriptionHelpFormatter)
    made.add_argument("words", nargs="+", metavar="FILE", help="benchmark results, and overrides of the run")
    made.add_argument("--name", type=_name, default="calibrated", help="of the files (default: calibrated)")
    made.add_argument("--out", type=folder, default=FOLDER, metavar="FOLDER", help=f"(default: {FOLDER})")
    return made


def divided(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The files among the words of a command line, and the overrides."""
    files = [word for word in words if not _OVERRIDE.match(word) or Path(word).is_file()]
    return files, [word for word in words if word not in files]


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is no name of letters, digits, -, _ and .")
    return text


def _check_alike(points: Sequence[MeasuredPoint]) -> None:
    """Raise SpecError where points are of several models, or are there twice."""
    models = sorted({point.model for point in points if point.model})
    if len(models) > 1:
        raise SpecError(f"the files are of several models ({', '.join(models)}); calibrate each by itself", key="model")
    names = [point.name for point in points]
    for name in names:
        if names.count(name) > 1:
            raise SpecError("is given twice", source=name)


def _print(fit: Fit, rows: Sequence[Compared], model: Path, picture: Path) -> None:
    screen = console()
    for metric in METRICS:
        screen.print(draw(_columns(rows, metric), screen.width), soft_wrap=True)
        screen.print()
    say(screen, f"factor {fit.factor:.4g} on step times, {1e3 * fit.ttft_offset_s:.4g} ms more until the first token")
    for metric, by_stage in medians(rows).items():
        parts = [f"{STAGES[stage]} {100 * value:.1f}%" for stage, value in by_stage.items()]
        say(screen, f"{metric.upper()}, median error: {', '.join(parts) or 'not measured'}")
    if all(row.left_out is None for row in rows):
        say(screen, "One point: how well the fit holds for others is not known.")
    say(screen, f"picture: {picture}")
    say(screen, "To use it in runs and sweeps:")
    say_whole(screen, f"  performance_model=calibrated performance_model.file={_as_named(model)}")


def _as_named(path: Path) -> str:
    """The path as a configuration names it: relative to the project, or absolute."""
    full = path.resolve()
    return str(full.relative_to(ROOT)) if full.is_relative_to(ROOT) else str(full)


def _columns(rows: Sequence[Compared], metric: str) -> list[Column]:
    points = [row.point for row in rows]
    cells = {stage: [_error(row.point, getattr(row, stage), metric) for row in rows] for stage in STAGES}
    return [
        Column("point", [Path(point.name).name for point in points]),
        Column("ISL", [f"{point.prompts.mean:.0f}" for point in points], right=True, spare=1),
        Column("OSL", [f"{point.outputs.mean:.0f}" for point in points], right=True, spare=1),
        Column("load", [_load(point) for point in points], right=True),
        Column(f"{METRICS[metric]} ms", [figure(getattr(point, metric)) for point in points], right=True),
        Column("before", cells["before"], right=True),
        Column("after", cells["after"], right=True),
        Column("left out", cells["left_out"], right=True),
    ]


def _load(point: MeasuredPoint) -> str:
    return f"{point.rate:g}/s" if point.concurrency is None else f"c{point.concurrency}"


def _error(point: MeasuredPoint, times: Times | None, metric: str) -> str:
    measured, simulated = getattr(point, metric), None if times is None else getattr(times, metric)
    return "-" if measured is None or simulated is None else f"{100 * (simulated / measured - 1):+.1f}%"
