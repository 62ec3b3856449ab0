"""`energy`: the energy of the runs of a sweep, by phase, and the power that their clusters draw."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from configs.gpu_power import own_power
from configs.terminal import Column, console, draw, say
from sim_core.errors import SpecError
from sync.analysis.energy import RunEnergy, energy_of_run
from sync.commands.base import READING, Subparsers, add_command, left_out, read_sweep, watched
from sync.commands.runs import chosen_runs
from sync.results.energy import Joules

_MUCH = 0.01  # of the time of instances, so that a note says it
_EXAMPLES = """examples:
  python -m sync energy quickstart
  python -m sync energy quickstart --where system=splitwise-ha
  python -m sync energy quickstart 18 --format json
  python -m sync energy quickstart 18 --over-time 10    the mean power of each 10 s, as CSV
  python -m sync energy quickstart --power mine.yaml    your own figures, in the form of configs/power_model
"""


def add_parser(subparsers: Subparsers) -> None:
    """See `_run`."""
    summary = (
        "the energy of a sweep's runs: joules by phase, a request and a token, and the power of the GPUs over time"
    )
    options = ("name", "runs", "--slo", "--where", *READING)
    parser = add_command(subparsers, "energy", _run, summary, _EXAMPLES, options)
    parser.add_argument(
        "--power", type=Path, metavar="FILE", help="the power of GPUs, in place of the project's figures"
    )
    parser.add_argument("--format", choices=("table", "json"), default="table", help="default: %(default)s")
    text = "of one run, the mean power of each step of so many seconds, as CSV"
    parser.add_argument("--over-time", type=float, metavar="S", help=text)


def _run(arguments: argparse.Namespace) -> int:
    step_s: float | None = arguments.over_time
    if step_s is not None and not 0.0 < step_s < float("inf"):
        raise SpecError("must be a number of seconds above 0", key="--over-time", value=step_s)
    own = {} if arguments.power is None else own_power(arguments.power)
    sweep = read_sweep(arguments)
    chosen = sorted(chosen_runs(sweep, arguments), key=lambda outcome: outcome.index)
    if step_s is not None and len(chosen) != 1:
        raise SpecError(f"of one run; name it ({len(chosen):,} are chosen)", key="--over-time", value=step_s)
    found = [energy_of_run(sweep, outcome, own) for outcome in watched(chosen, "reading")]
    measured = [each for each in found if isinstance(each, RunEnergy)]
    if step_s is not None:
        if not measured:
            raise SpecError(str(found[0]), key="--over-time", value=step_s)
        print("start_s,watts")
        for step, watts in enumerate(measured[0].curve.over_time(step_s).tolist()):
            print(f"{step * step_s:.10g},{watts:.1f}")
        return 0
    if arguments.format == "json":
        print(json.dumps([each.described() for each in measured], indent=1))
        return 0
    _print(measured)
    for line in [*dict.fromkeys(each for each in found if isinstance(each, str)), *_notes(measured), *left_out(sweep)]:
        say(console(), line)
    return 0


def _print(runs: Sequence[RunEnergy]) -> None:
    screen = console()
    if runs:
        screen.print(draw(_columns(runs), screen.width, more="--format json"), soft_wrap=True)


def _columns(runs: Sequence[RunEnergy]) -> list[Column]:
    def figures(head: str, cells: Sequence[str], spare: int = 0) -> Column:
        return Column(head, cells, right=True, spare=spare)

    energies: list[Joules] = [run.joules for run in runs]
    return [
        Column("run", [run.outcome.name for run in runs]),
        figures("MJ", [f"{each.total / 1e6:,.2f}" for each in energies]),
        figures("idle", [f"{each.idle / each.total:.0%}" for each in energies], 1),
        figures("prompts", [f"{each.prompt / each.total:.0%}" for each in energies], 1),
        figures("decodes", [f"{each.token / each.total:.0%}" for each in energies], 1),
        figures("J/request", [f"{run.figures['energy/joules_per_request']:,.0f}" for run in runs]),
        figures("J/output token", [f"{run.joules.total / run.output_tokens:,.2f}" for run in runs]),
        figures("mean kW", [f"{run.mean_w / 1e3:,.2f}" for run in runs], 2),
        figures("p99 kW", [f"{run.curve.p99_w / 1e3:,.2f}" for run in runs], 2),
        figures("peak kW", [f"{run.curve.peak_w / 1e3:,.2f}" for run in runs]),
        figures("nameplate kW", [f"{run.outcome.watts / 1e3:,.2f}" if run.outcome.watts else "" for run in runs], 3),
        Column("figures", [run.origins() for run in runs]),
    ]


def _notes(runs: Sequence[RunEnergy]) -> list[str]:
    """What the figures are, and what they leave out."""
    if not runs:
        return []
    notes = ["Of GPUs alone, without the rest of their machines, which the nameplate includes."]
    origins = {origin for run in runs for origin in run.joules.by_origin}
    if "measured" in origins:
        notes.append(
            "measured: by phase with this model, GPU and tensor parallelism; prompts at the peak, so at most that."
        )
    if "given" in origins:
        notes.append("given: the figures of the power model, one a GPU, whatever it runs.")
    if "estimated" in origins:
        notes.append("estimated: from another GPU or a power cap (data/gpu_power.json).")
    if any(run.unexplained > _MUCH for run in runs):
        notes.append("Work for requests that were not completed is not in p99, peak and power over time.")
    return notes
