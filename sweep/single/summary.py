"""A run's summary as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from configs.figure import figure
from sim_core.compilation import form
from sim_core.spec import SimSpec
from sim_core.standstill import Standstill
from sim_core.trace import Trace
from sync.results.measure import MeasuredRun
from sync.results.metrics import METRICS
from sync.results.provenance import caution, shares_of_all, shares_text
from sync.results.verdict import judge

_MOST = 4  # instances that are named in a standstill
_LABELS = {"ttft": "TTFT", "tbt": "TBT", "e2e": "E2E", "queue": "queue"}
_PERCENTILES = ("p50", "p90", "p99")


def text_summary(
    spec: SimSpec,
    trace: Trace,
    result: MeasuredRun,
    cpu_s: float,
    folder: str,
    energy: Mapping[str, float] | None = None,
) -> str:
    """What was run, what became of the requests, how long they took and whether that is within the SLO. `energy`:
    see `energy_figures`; None: it is not told."""
    summary = result.summary
    machines = " + ".join(f"{count} {sku}" for sku, count in spec.machine_counts().items())
    lines = [text] if (text := caution(shares_of_all([summary]))) else []
    lines += [] if result.standstill is None else _standstill(result.standstill, trace.measured, result.first_arrival_s)
    lines += [cut_text(result)] if result.cut_at_s is not None else []
    lines.append(f"{_served(spec, machines)}, trace {trace.name}")
    lines.append(f"requests   {_counts(result)} of {trace.measured}{_of_clients(result)}")
    for name, count in (("rejected", result.rejected), ("unfinished", result.unfinished)):
        if count:
            row = result.unserved["outcome"].index(name)
            request, reason = result.unserved["request_id"][row], result.unserved["reason"][row]
            lines.append(f"           first {name}: request {request}, {reason} (all of them: unserved.csv)")
    if result.stopped_s is not None:
        stopped_s = result.stopped_s - result.first_arrival_s
        lines.append(f"unstable   stopped at {stopped_s:,.1f} s: the queue grew beyond stop_at_backlog_s")
    else:
        lines += _figures(summary) if result.completed else [f"SLO        {_verdict(summary)}"]
    lines += _energy(energy or {})
    lines += _by_application(spec, summary)
    lines += _cache(summary)
    lines += _step_times(spec, result)
    core = "compiled" if form().is_compiled else "as plain Python"
    speed = f", {len(trace) / cpu_s:,.0f} requests per CPU-second" if cpu_s > 0.01 else ""
    lines.append(f"simulated  {result.span_s:,.1f} s in {cpu_s:.2f} s{speed}, {core}")
    if result.origin_s:
        origin = f"{result.origin_s:,.0f} s of the trace, its first arrival's whole second"
        lines.append(f"clock      times count from {origin}")
    lines.append(f"files      {folder}")
    return "\n".join(lines)


def _step_times(spec: SimSpec, result: MeasuredRun) -> list[str]:
    """Where the times of steps come from, where that is known."""
    lines = []
    if beyond := result.summary.get("measured/iterations_beyond"):
        total = sum(int(str(count)) for count in result.instances["iterations"])
        sizes = "tokens or context" if spec.performance.steps or spec.performance.grids else "batch tokens"
        more = f"{beyond:,.0f} of {total:,} iterations had more {sizes} than any measured one"
        lines.append(f"measured   {more}: their times follow the last section measured")
    if sources := shares_of_all([result.summary]):
        lines.append(f"step times {shares_text(sources)}")
    return lines


def one_line_summary(result: MeasuredRun) -> str:
    """What became of the requests, and whether they were fast enough: a run among several."""
    counts = _counts(result)
    if result.cut_at_s is not None:
        counts = f"{cut_text(result)}; {counts}"
    if result.standstill is not None:
        counts = f"STANDSTILL of {_named(result.standstill)}: {counts}"
    if result.stopped_s is not None:
        return f"{counts}; unstable, stopped at {result.stopped_s - result.first_arrival_s:,.1f} s"
    if "ttft/p99_s" not in result.summary:
        return counts
    tbt = f", TBT {result.summary['tbt/p99_s']:.3f} s" if "tbt/p99_s" in result.summary else ""
    return f"{counts}; p99 TTFT {result.summary['ttft/p99_s']:.3f} s{tbt}; {_verdict(result.summary)}"


def cut_text(result: MeasuredRun) -> str:
    """How `end_time` ended the run before all requests were served, with numbers; for runs with a `cut_at_s`."""
    requests = result.completed + result.rejected + result.unfinished
    return (
        f"cut at {result.cut_at_s:,.10g} s after the first arrival (end_time): {result.not_arrived:,} of {requests:,} "
        f"requests had not arrived, {result.unfinished - result.not_arrived:,} were unfinished"
    )


def _of_clients(result: MeasuredRun) -> str:
    """How many clients sent the requests in turn, and what else they sent; empty where nobody did."""
    warmup = f" after a warm-up of {result.warmup}" if result.warmup else ""
    return f", by {result.concurrency} clients in turn{warmup}" if result.concurrency else ""


def _served(spec: SimSpec, machines: str) -> str:
    """Which models the machines serve, and by which schedulers."""
    if len(spec.applications) == 1:
        (application,) = spec.applications
        return f"{application.model.name} on {machines}, {application.scheduler.name}"
    members = (f"{each.application_id}: {each.model.name}, {each.scheduler.name}" for each in spec.applications)
    return f"{machines} for several applications ({'; '.join(members)})"


def _by_application(spec: SimSpec, summary: dict[str, float]) -> list[str]:
    """How many requests of each of several applications were completed, and how long 99 of 100 took at most."""
    lines = []
    for number in sorted(application.application_id for application in spec.applications):
        prefix = f"application_{number}"
        if f"{prefix}/run/completed" in summary:
            times = (
                f"{_LABELS[metric]} {summary[name]:.3f}s"
                for metric in METRICS
                if (name := f"{prefix}/{metric}/p99_s") in summary
            )
            done = f"{summary[f'{prefix}/run/completed']:,.0f} completed"
            lines.append(f"{f'app {number}':11}{', p99 '.join(filter(None, (done, ', '.join(times))))}")
    return lines


def _counts(result: MeasuredRun) -> str:
    return f"{result.completed} completed, {result.rejected} rejected, {result.unfinished} unfinished"


def _figures(summary: dict[str, float]) -> list[str]:
    """How long requests took, whether that is within the SLO, and how much was served."""
    served = (
        f"served     {summary.get('throughput/requests_per_s', 0.0):.3g} requests/s, "
        f"{summary.get('throughput/output_tokens_per_s', 0.0):.4g} output tokens/s"
    )
    if "closed/mean_concurrency" in summary:
        served += (
            f", {summary['throughput/total_tokens_per_s']:.4g} tokens/s in all, at a concurrency of "
            f"{summary['closed/mean_concurrency']:.3g} on average"
        )
    used = (
        f"instances  busy {summary['utilisation/mean']:.0%} of the time, "
        f"KV memory at most {summary['memory/peak_fraction']:.0%} full"
    )
    return [*_times(summary), f"SLO        {_verdict(summary)}", served, used, *_links(summary)]


def _energy(figures: Mapping[str, float]) -> list[str]:
    """What the GPUs drew; nothing where that is not known."""
    if "energy/joules_per_request" not in figures:
        return []
    mean_kw, idle = figures["energy/mean_watts"] / 1000, figures["energy/idle_share"]
    text = f"GPUs drew {figure(mean_kw)} kW on average, {idle:.0%} of it idle; "
    text += f"{figure(figures['energy/joules_per_request'])} J a request"
    if "energy/joules_per_output_token" in figures:
        text += f", {figure(figures['energy/joules_per_output_token'])} J an output token"
    estimated = figures["energy/estimated_share"]
    return [f"energy     {text}" + (f" ({estimated:.0%} by estimated power)" if estimated else "")]


def _links(summary: dict[str, float]) -> list[str]:
    """How much the network carried, where transfers share links."""
    if "links/busiest_share" not in summary:
        return []
    sent = f"{summary['links/between_bytes'] / 1e9:,.4g} GB between machines"
    return [f"network    {sent}; the busiest cards carry {summary['links/busiest_share']:.1%} of what they can"]


def _cache(summary: dict[str, float]) -> list[str]:
    """What the prefix caches were worth, and what the lack of memory cost; nothing of runs that have no figures."""
    if "cache/preemptions" not in summary:
        return []
    lines = []
    if "cache/hit_rate" in summary:
        bound = summary.get("cache/bound_rate", 0.0)
        lines.append(
            f"cache      {summary['cache/hit_rate']:.1%} of the prompts' tokens hit (with endless memory {bound:.1%}), "
            f"{summary['cache/evicted_blocks']:,.0f} blocks evicted"
        )
    if preemptions := summary["cache/preemptions"]:
        recomputed = f"{summary['cache/recomputed_tokens']:,.0f} tokens computed again"
        lines.append(f"preempted  {preemptions:,.0f} times, {recomputed}")
    return lines


def _verdict(summary: dict[str, float]) -> str:
    """Whether the run is within the paper's SLO, and if not, why."""
    verdict = judge(summary)
    remark = " (every output is one token: no TBT to judge)" if verdict.without_tbt else ""
    return (
        f"within the paper's SLO{remark}" if verdict.within else f"NOT within the paper's SLO: {verdict.text}{remark}"
    )


def _standstill(standstill: Standstill, requests: int, first_arrival_s: float) -> list[str]:
    """Which instances stand still, how many requests that leaves, why, and what to change."""
    have = "have" if len(standstill.instances) > 1 else "has"
    since = f"{_named(standstill)} {have} stood still since {standstill.since_s - first_arrival_s:,.1f} s"
    lines = [
        f"STANDSTILL {standstill.requests} of {requests} requests can never be served: {since} after the first arrival"
    ]
    for instance in standstill.instances[:_MOST]:
        free, share = instance.kv_capacity - instance.kv_tokens, instance.kv_tokens / instance.kv_capacity
        needed = f", each needs {instance.needed_tokens:,} or more at once" if instance.needed_tokens else ""
        waiting = f"{instance.requests} wait for its memory, of which KV caches hold {share:.0%}"
        lines.append(f"           {instance.name}: {waiting}; {free:,} tokens are free{needed}")
    remedy = "instances with more memory (more or larger processors), more instances, or a lower rate"
    return [*lines, f"           to change: {remedy}"]


def _named(standstill: Standstill) -> str:
    """The names of the instances, up to `_MOST`."""
    names = [instance.name for instance in standstill.instances]
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


def _times(summary: dict[str, float]) -> list[str]:
    header = "".join(f"{name:>10}" for name in _PERCENTILES)
    lines = [f"{'':10}{header}  slowdown" + "".join(f"{name:>10}" for name in _PERCENTILES)]
    for metric, label in _LABELS.items():
        if f"{metric}/p50_s" in summary:
            line = f"{label:10}" + "".join(f"{summary[f'{metric}/{name}_s']:>9.3f}s" for name in _PERCENTILES)
            if metric in METRICS and f"{metric}/p50_slowdown" in summary:
                slowdowns = (summary[f"{metric}/{name}_slowdown"] for name in _PERCENTILES)
                line += f"{'':10}" + "".join(f"{slowdown:>9.2f}x" for slowdown in slowdowns)
            lines.append(line)
    return lines
