"""A run's summary as text for a terminal."""

from __future__ import annotations

from sim_core.results import SimResult
from sim_core.slo import SLO_LIMITS
from sim_core.spec import SimSpec
from sim_core.standstill import Standstill
from sim_core.trace import Trace

_MOST = 4  # instances named in a standstill
METRICS = {"ttft": "TTFT", "tbt": "TBT", "e2e": "E2E", "queue": "queue"}


def text_summary(spec: SimSpec, trace: Trace, result: SimResult, cpu_s: float, folder: str) -> str:
    """What was run, what became of the requests, how long they took and whether that is within the SLO."""
    summary = result.summary
    machines = " + ".join(f"{count} {sku}" for sku, count in spec.machine_counts().items())
    application = spec.applications[0]
    lines = [] if result.standstill is None else _standstill(result.standstill, len(trace))
    lines += [
        f"{application.model.name} on {machines}, {application.scheduler.name}, trace {trace.name}",
        f"requests   {result.completed} completed, {result.rejected} rejected, {result.unfinished} unfinished "
        f"of {len(trace)}",
    ]
    for name, count in (("rejected", result.rejected), ("unfinished", result.unfinished)):
        if count:
            row = result.unserved["outcome"].index(name)
            lines.append(
                f"           first {name}: request {result.unserved['request_id'][row]}, "
                f"{result.unserved['reason'][row]} (all of them: unserved.csv)"
            )
    if result.stopped_s is not None:
        lines.append(f"unstable   stopped at {result.stopped_s:,.1f} s: the queue grew beyond stop_at_backlog_s")
    elif result.completed:
        lines += _times(summary)
        within = "within the SLO" if summary["slo/within"] else "NOT within the SLO"
        missed = [name.removeprefix("slo/") for name, held in summary.items() if name.startswith("slo/") and not held]
        missed = [name for name in missed if name != "within"]
        lines.append(f"SLO        {within}{': ' + ', '.join(missed) + ' too slow' if missed else ''}")
        lines.append(
            f"served     {summary.get('throughput/requests_per_s', 0.0):.3g} requests/s, "
            f"{summary.get('throughput/output_tokens_per_s', 0.0):.4g} output tokens/s; instances busy "
            f"{summary['utilisation/mean']:.0%}, KV memory at most {summary['memory/peak_fraction']:.0%} full"
        )
    speed = f", {len(trace) / cpu_s:,.0f} requests per CPU-second" if cpu_s > 0.01 else ""
    lines.append(f"simulated  {result.end_s:,.1f} s in {cpu_s:.2f} s{speed}")
    lines.append(f"files      {folder}")
    return "\n".join(lines)


def one_line_summary(result: SimResult) -> str:
    """What became of the requests, and whether they were fast enough: a run among several."""
    counts = f"{result.completed} completed, {result.rejected} rejected, {result.unfinished} unfinished"
    if result.standstill is not None:
        counts = f"STANDSTILL of {_named(result.standstill)}: {counts}"
    if result.stopped_s is not None:
        return f"{counts}; unstable, stopped at {result.stopped_s:,.1f} s"
    if "ttft/p99_s" not in result.summary:
        return counts
    within = "within the SLO" if result.summary["slo/within"] else "NOT within the SLO"
    tbt = f", TBT {result.summary['tbt/p99_s']:.3f} s" if "tbt/p99_s" in result.summary else ""
    return f"{counts}; p99 TTFT {result.summary['ttft/p99_s']:.3f} s{tbt}; {within}"


def _standstill(standstill: Standstill, requests: int) -> list[str]:
    """Which instances stand still, how many requests that leaves, why, and what to change."""
    have = "have" if len(standstill.instances) > 1 else "has"
    lines = [
        f"STANDSTILL {standstill.requests} of {requests} requests can never be served: "
        f"{_named(standstill)} {have} stood still since {standstill.since_s:,.1f} s"
    ]
    for instance in standstill.instances[:_MOST]:
        free = instance.kv_capacity - instance.kv_tokens
        needed = f", each needs {instance.needed_tokens:,} or more at once" if instance.needed_tokens else ""
        lines.append(
            f"           {instance.name}: {instance.requests} wait for its memory, of which KV caches hold "
            f"{instance.kv_tokens / instance.kv_capacity:.0%}; {free:,} tokens are free{needed}"
        )
    lines.append(
        "           to change: instances with more memory (more or larger processors), more instances, or a lower rate"
    )
    return lines


def _named(standstill: Standstill) -> str:
    """The instances, as many as a line holds."""
    names = [instance.name for instance in standstill.instances]
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


def _times(summary: dict[str, float]) -> list[str]:
    percentiles = ("p50", "p90", "p99")
    lines = [f"{'':10}" + "".join(f"{name:>10}" for name in percentiles) + "        slowdown " + "  ".join(percentiles)]
    for metric, label in METRICS.items():
        if f"{metric}/p50_s" not in summary:
            continue
        line = f"{label:10}" + "".join(f"{summary[f'{metric}/{name}_s']:>9.3f}s" for name in percentiles)
        if metric in SLO_LIMITS and f"{metric}/p50_slowdown" in summary:
            line += "       " + "".join(f"{summary[f'{metric}/{name}_slowdown']:>9.2f}x" for name in percentiles)
        lines.append(line)
    return lines
