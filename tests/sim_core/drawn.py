"""Small runs with their Perfetto traces, for tests of these."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from configs.gpu_power import GpuPower
from sim_core import SimSpec, Trace
from sim_core.simulation import Simulation
from sync.files.perfetto.options import PerfettoOptions
from sync.files.perfetto.tracks import PerfettoTrace
from sync.results.measure import MeasuredRun, measure
from tests.sim_core import worlds
from tests.sim_core.trace_events import TraceEvents, read

POWER = {"box-gpu": GpuPower(10.0, 100.0, 40.0)}
INSTANCES, REQUESTS, MEMORY, QUEUE, TOKENS, WATTS = (
    f"application 0: {group}" for group in ("instances", "requests", "memory", "queue", "batch tokens", "power")
)


def draw(
    folder: Path, spec: SimSpec, trace: Trace, power: dict[str, GpuPower] = POWER, **options: Any
) -> tuple[TraceEvents, MeasuredRun]:
    path = folder / "trace.perfetto.json"
    simulation = Simulation(spec)
    picture = PerfettoTrace(path, simulation, trace, PerfettoOptions(**options), power)
    result = measure(simulation.run(trace), spec)
    picture.close()
    return read(path), result


def numbers(result: MeasuredRun) -> Any:
    columns = {name: column.tobytes() for name, column in result.requests.items()}
    return columns, result.unserved, result.instances, result.summary, result.events, result.end_s


def crowd(count: int = 60, seed: int = 1) -> Trace:
    """More than the worlds here can serve at once: queues, full memory, preemptions; and one that can never run."""
    dice = random.Random(seed)
    rows = sorted((dice.randrange(160) / 16, dice.randint(1, 60), dice.randint(1, 30)) for _ in range(count))
    rows.insert(count // 2, (rows[count // 2][0], 9_000, 2))
    return worlds.trace(rows)


def spans(track: list[dict[str, Any]]) -> list[tuple[str, float, float]]:
    return [(event["name"], event["ts"] / 1e6, (event["ts"] + event["dur"]) / 1e6) for event in track]


def seconds_in_batches(events: TraceEvents) -> tuple[float, float]:
    """Of prompts and of decodes, added up over all members of all batches, by the instances' tracks."""
    prompts = decodes = 0
    for event in (event for (group, _), track in events.slices.items() if group == INSTANCES for event in track):
        kind, _, members = event["name"].partition(" ")
        first, _, second = members.partition("+")
        prompts += event["dur"] * (0 if kind == "decode" else int(first))
        decodes += event["dur"] * {"prompt": 0, "decode": int(first), "mixed": int(second or 0)}[kind]
    return prompts / 1e6, decodes / 1e6


def seconds_of_requests(events: TraceEvents) -> tuple[float, float]:
    """Likewise, by the requests' own tracks."""
    slices = [event for (group, _), track in events.slices.items() if group == REQUESTS for event in track]
    prompts, decodes = (sum(e["dur"] for e in slices if e["name"] == name) / 1e6 for name in ("prompt", "decode"))
    return prompts, decodes


def value_at(time_us: int, samples: list[tuple[int, float]]) -> float:
    return [value for time, value in samples if time <= time_us][-1]


def us(time_s: float) -> int:
    return round(time_s * 1e6)
