"""A strict reader of Chrome's Trace Event Format, as far as a trace of ours may use it."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

Event = dict[str, Any]
KEYS = {  # by phase: what an event must have, and what it may have besides
    "M": ({"ph", "pid", "name", "args"}, {"tid"}),
    "X": ({"ph", "pid", "tid", "name", "ts", "dur"}, {"args"}),
    "C": ({"ph", "pid", "name", "ts", "args"}, set()),
    "i": ({"ph", "pid", "tid", "name", "ts", "s"}, {"args"}),
}
METADATA = {"process_name": ("name", str), "thread_name": ("name", str), "process_sort_index": ("sort_index", int)}


@dataclass
class TraceEvents:
    """By track: slices by (group, track), counters by (group, instance), instants by (group, track)."""

    slices: dict[tuple[str, str], list[Event]] = field(default_factory=dict)
    counters: dict[tuple[str, str], list[tuple[int, float]]] = field(default_factory=dict)
    instants: dict[tuple[str, str], list[Event]] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    tracks: list[tuple[str, str]] = field(default_factory=list)
    other: dict[str, Any] = field(default_factory=dict)


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), f"a key comes twice: {pairs}"
    return dict(pairs)


def read(path: Path) -> TraceEvents:
    """Check every event by itself and every track as a whole; times are whole microseconds."""
    document = json.loads(path.read_text("ascii"), parse_constant=_refuse, object_pairs_hook=_unique)
    assert set(document) == {"displayTimeUnit", "traceEvents", "otherData"}
    assert document["displayTimeUnit"] in ("ms", "ns")
    processes: dict[int, str] = {}
    threads: dict[tuple[int, int], str] = {}
    by_phase: dict[str, list[Event]] = defaultdict(list)
    for event in document["traceEvents"]:
        _check_event(event)
        by_phase[event["ph"]].append(event)
    for event in by_phase["M"]:
        key, kind = METADATA[event["name"]]
        assert set(event["args"]) == {key} and type(event["args"][key]) is kind
        if event["name"] == "process_name":
            assert event["pid"] not in processes
            processes[event["pid"]] = event["args"]["name"]
        elif event["name"] == "thread_name":
            assert (event["pid"], event["tid"]) not in threads
            threads[event["pid"], event["tid"]] = event["args"]["name"]
    tids = [tid for _, tid in threads]
    assert len(set(tids)) == len(tids) and not set(tids) & set(processes), "ids of threads are their own"
    assert len(set(processes.values())) == len(processes)
    slices, counters, instants = defaultdict(list), defaultdict(list), defaultdict(list)
    for phase, where in (("X", slices), ("i", instants)):
        for event in by_phase[phase]:
            where[processes[event["pid"]], threads[event["pid"], event["tid"]]].append(event)
    for event in by_phase["C"]:
        ((_, value),) = event["args"].items()
        counters[processes[event["pid"]], event["name"]].append((event["ts"], value))
    for track in slices.values():
        _check_track(track)
    for samples in counters.values():
        assert all(before[0] <= after[0] for before, after in pairwise(samples))
    tracks = [(processes[pid], name) for (pid, _), name in threads.items()]
    return TraceEvents(slices, counters, instants, list(processes.values()), tracks, document["otherData"])


def _check_event(event: Event) -> None:
    must, may = KEYS[event["ph"]]
    assert must <= set(event) <= must | may, event
    for key in ("pid", "tid", "ts", "dur"):
        assert type(event.get(key, 0)) is int and event.get(key, 0) >= 0, event
    assert type(event["name"]) is str and event["name"], event
    if event["ph"] == "C":
        assert event["args"] and all(type(value) in (int, float) for value in event["args"].values()), event
    if event["ph"] == "i":
        assert event["s"] in ("g", "p", "t")


def _check_track(track: list[Event]) -> None:
    """In order, and nothing overlaps: all tracks here are flat."""
    for before, after in pairwise(track):
        assert before["ts"] + before["dur"] <= after["ts"], (before, after)
