"""What an answer stands on: model, iteration times, machines, workload, SLO, and how many points are done.

terms = terms_of(outcomes, slo, planned=24)
caveats(terms)      # sentences that an answer begins with, wherever it is shown; none for whole and real data
terms_lines(terms)  # lines that stand beside it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from configs.figure import figure
from sync.analysis.iteration_times import CONSTANTS_WARNING, are_constants, times_words
from sync.analysis.repetitions import FEW
from sync.analysis.seeds import TOO_FEW
from sync.analysis.texts import joined
from sync.results.outcome import Outcome
from sync.results.point_id import rate_text
from sync.results.provenance import caution, shares_of_all, shares_text
from sync.results.slo import Slo

NOT_RECORDED = "not recorded"
# Batching policies that are serving engines of today, with the version whose rules they follow.
ENGINES = {"vllm": "0.33.0", "sglang": "0.5.23", "trtllm": "of 2026"}
ENGINES_WARNING = (
    "Engines are compared: on one system the simulated order of two engines was right in 46% of 206 measured pairs, so "
    "it decides nothing."
)
MOST_LISTED = 6  # rates, seeds or names that are listed one by one


@dataclass(frozen=True)
class Terms:
    """What an answer stands on. `models` are the language models, `times` the performance models, `engines` the serving
    engines of today that are simulated, `kernels` those whose measured kernels step times are made of, `machines` the
    machine types, `horizons_s` the stretches of time over which requests arrive, `concurrencies` the numbers of clients
    of closed loops: each value once, empty where results do not tell. `done` counts points with a result, `failed`
    points that failed, `planned` all points of the experiment (None: not known). `figures` has by machine type price,
    watts and their sources. `provenance` has the smallest and the largest share of a run's time by where the times of
    its steps come from."""

    slo: Slo
    models: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    horizons_s: tuple[float, ...] = ()
    rates: tuple[float, ...] = ()
    concurrencies: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()
    done: int = 0
    failed: int = 0
    planned: int | None = None
    figures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    provenance: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    engines: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()

    @property
    def is_partial(self) -> bool:
        """Whether points of the experiment have no result, since they did not run or failed."""
        return self.done < self.points

    @property
    def points(self) -> int:
        """All points that are known of: those of the experiment, where results tell how many it has."""
        return max(self.done + self.failed, self.planned or 0)


def terms_of(
    outcomes: Iterable[Outcome],
    slo: Slo,
    planned: int | None = None,
    figures: Mapping[str, Mapping[str, Any]] | None = None,
) -> Terms:
    """The terms of an answer from these outcomes by `slo`. `planned` counts the points of the whole experiment,
    `figures` are those of `SweepInfo.machines`."""
    runs = list(outcomes)
    done = [run for run in runs if run.status != "failed"]
    return Terms(
        slo=slo,
        models=tuple(dict.fromkeys(run.model for run in runs if run.model)),
        times=tuple(dict.fromkeys(run.performance_model for run in runs if run.performance_model)),
        engines=engines_in(run.batching for run in runs),
        kernels=tuple(dict.fromkeys(run.kernels for run in runs if run.kernels)),
        machines=tuple(sorted({sku for run in runs for sku, count in run.machines.items() if count})),
        workloads=tuple(dict.fromkeys(run.workload for run in runs)),
        horizons_s=tuple(sorted({run.horizon_s for run in runs if run.horizon_s is not None})),
        rates=tuple(sorted({run.rate for run in runs if run.rate is not None})),
        concurrencies=tuple(sorted({run.concurrency for run in runs if run.concurrency is not None})),
        seeds=tuple(sorted({run.seed for run in runs})),
        done=len(done),
        failed=len(runs) - len(done),
        planned=planned,
        figures=figures or {},
        provenance=shares_of_all(run.summary for run in done),
    )


def caveats(terms: Terms) -> list[str]:
    """The sentences that an answer begins with: that times are constants for testing, that they are extrapolated, that
    engines are compared, that points are missing."""
    found = [CONSTANTS_WARNING] if are_constants(terms.times) else []
    found += [text] if (text := caution(terms.provenance)) else []
    found += [ENGINES_WARNING] if len(terms.engines) > 1 else []
    found += [text] if (text := _versions_text(terms)) else []
    return found + ([partial_text(terms)] if terms.is_partial else [])


def _versions_text(terms: Terms) -> str:
    """`Step times are those of kernels of vllm 0.24.0; it is simulated as vllm 0.33.0 schedules.`"""
    known = {f"{name} {version}" for name, version in ENGINES.items()}
    measured = list(dict.fromkeys(one for text in terms.kernels for one in text.split(" and ")))
    if not measured or set(measured) <= known:
        return ""
    followed = joined([f"{name} {ENGINES[name]}" for name in terms.engines])
    simulated = f", and the scheduling is that of {followed}" if followed else ""
    return f"Step times are of the kernels of {joined(measured)}{simulated}."


def engines_in(batching: Iterable[str]) -> tuple[str, ...]:
    """The engines among the batching policies of runs, as `Outcome.batching` has them."""
    return tuple(name for name in ENGINES if any(name in text.split(" and ") for text in batching))


def partial_text(terms: Terms) -> str:
    """`Partial: 22 of 150 points are done, 3 failed; nothing is said of the others.`"""
    failed = f", {terms.failed:,} failed" if terms.failed else ""
    done = "1 point is done" if terms.points == 1 else f"{terms.points:,} points are done"
    return f"Partial: {terms.done:,} of {done}{failed}; nothing is said of the others."


def terms_lines(terms: Terms) -> list[str]:
    """The terms as lines of text, each with its name in front."""
    times = joined([times_words(name) for name in terms.times])
    lines = [
        f"Model: {joined(terms.models) or NOT_RECORDED}; iteration times: {times or NOT_RECORDED}"
        f"{f', {sources}' if (sources := shares_text(terms.provenance)) else ''}.",
        *_machine_lines(terms),
        f"Workload: {_workload_text(terms)}.",
        f"SLO: {slo_text(terms.slo)}; and every request served.",
    ]
    failed = f", {terms.failed:,} failed" if terms.failed else ""
    return [*lines, f"Points: {terms.done:,} of {terms.points:,} done{failed}."]


def _machine_lines(terms: Terms) -> list[str]:
    """A line for each machine type: `Machine dgx-h100: $38.08 an hour (Patel et al.), 10.2 kW (NVIDIA)`."""
    lines = []
    for sku in terms.machines:
        own, parts = terms.figures.get(sku, {}), []
        if price := own.get("dollars_per_hour"):
            parts.append(f"${price:,.2f} an hour ({own.get('source') or f'source {NOT_RECORDED}'})")
        if watts := own.get("watts"):
            parts.append(f"{figure(watts / 1000.0)} kW ({own.get('watts_source') or f'source {NOT_RECORDED}'})")
        elif own:
            parts.append("watts not known")
        lines.append(f"Machine {sku}: {', '.join(parts) or f'price and watts {NOT_RECORDED}'}.")
    return lines or [f"Machines: {NOT_RECORDED}."]


def slo_text(slo: Slo) -> str:
    """The limits; of slowdowns also what they are relative to."""
    relative = " (x: times as long as the same request alone on a DGX-A100)" if slo.slowdown else ""
    return f"{slo.told()}{relative}"


def duration_text(seconds: float) -> str:
    """`90 s`, `2 min`, `1.5 h`."""
    for unit_s, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= unit_s * (1 if seconds % unit_s == 0 else 3):
            return f"{seconds / unit_s:.3g} {unit}"
    return f"{seconds:.3g} s"


def _workload_text(terms: Terms) -> str:
    """`conv, requests arrive over 2 min, at 8, 16, 24 and 32 requests/s, one seed (0), so without an interval`."""
    horizons = joined([duration_text(seconds) for seconds in terms.horizons_s][:MOST_LISTED])
    parts = [joined(terms.workloads) or NOT_RECORDED]
    if horizons or not terms.concurrencies:
        parts.append(f"requests arrive over {horizons}" if horizons else f"horizon {NOT_RECORDED}")
    if terms.concurrencies:
        clients = listed([str(number) for number in terms.concurrencies])
        parts.append(f"closed loops of {clients} client{'s' if terms.concurrencies != (1,) else ''}")
    if terms.rates:
        parts.append(f"at {listed([rate_text(rate) for rate in terms.rates])} requests/s")
    if terms.seeds:
        seeds = listed([str(seed) for seed in terms.seeds])
        few = f" ({TOO_FEW})" if len(terms.seeds) < FEW else ""
        parts.append(f"one seed ({seeds}), so without an interval" if len(terms.seeds) == 1 else f"seeds {seeds}{few}")
    return ", ".join(parts)


def listed(values: Sequence[str]) -> str:
    """`8, 16 and 24`; of many `30 to 90 (13 values)`."""
    return joined(values) if len(values) <= MOST_LISTED else f"{values[0]} to {values[-1]} ({len(values)} values)"
