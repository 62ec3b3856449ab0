"""Whether the batching policy `vllm` does what vLLM's own scheduler does: step by step, to the nanosecond.

    python benchmarks/engine_cases.py FOLDER

`FOLDER` holds cases: NAME.case.json or NAME.case.json.gz, a workload with the settings of an engine, and
NAME.expected.json.gz, what vLLM scheduled in each step. Each case runs on the replica, batcher, KV cache and clock that
a simulation has. The clock counts nanoseconds here: all times are whole numbers far below 2**53, so their sums and
products in floating point are exact, in whatever order they are made.

A line a case is printed; where one differs, its first step that does, the field, and both values. It exits with 0 only
if all are equal.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sim_core.batching.vllm import VllmBatcher
from sim_core.batching.vllm_sequence import Sequence
from sim_core.batching.vllm_step import VllmStep
from sim_core.engine import Call, Engine
from sim_core.engine_replica import EngineReplica
from sim_core.engine_turns import EngineTurns, LoopObserver
from sim_core.errors import SpecError
from sim_core.kv.content import Content
from sim_core.kv.paged import PagedKv
from sim_core.memory import KvMemory
from sim_core.owner import Owner
from sim_core.performance.affine import AffineTimes
from sim_core.request import Host, Request
from sim_core.spec import InstanceSpec, ProcessorSpec
from sim_core.start_state.base import InstancePlan
from sim_core.step import Step

CASE, EXPECTED = ".case.json", ".expected.json.gz"
FORMAT = 1
STALLED_TURNS = 8  # turns without a step after which the recording gave up
STEP = (
    *("sched_ns", "start_ns", "end_ns", "scheduled", "hits", "preempted", "free_blocks", "running", "waiting"),
    *("finished", "prefill_tokens", "decode_reqs", "context_tokens"),
)
REQUEST = ("id", "status", "first_token_ns", "finish_ns", "output_tokens", "preemptions", "cached_tokens")
Row = dict[str, Any]


class BrokenCase(Exception):
    """A case file that cannot be used; in words."""


class Ended(Owner):
    """The owner of the replica. The records are those of `Recording`."""

    def fire(self, argument: object, /) -> None:
        """Nothing comes this way."""

    def prompt_finished(self, request: Request, leaves: bool) -> None:
        """As in the base class."""

    def request_finished(self, request: Request) -> None:
        """As in the base class."""

    def replica_idle(self, replica: Host) -> None:
        """As in the base class."""


class Recording(LoopObserver):
    """Writes down what an engine does, as the expected files have it."""

    def __init__(self) -> None:
        self.steps: list[Row] = []
        self.first_token_ns: dict[int, int] = {}
        self.end: dict[int, tuple[str, int]] = {}  # status and time of a request that is gone
        self.sequences: dict[int, Sequence] = {}  # those that were admitted
        self.cached: dict[int, int] = {}  # the tokens that were cached at the first admission
        self._by_number: dict[int, Row] = {}

    def scheduled(self, replica: EngineTurns, step: VllmStep) -> None:
        tokens = dict(zip(step.sequences, step.counts, strict=True))
        ordered = replica.scheduler.sequences_of(step)
        row = self._row(replica, step)
        row |= {
            "sched_ns": int(replica.turn_s),
            "start_ns": int(step.start_s),
            "end_ns": int(step.end_s),
            "scheduled": " ".join(_entry(sequence, tokens.get(sequence, 1)) for sequence in ordered),
            "hits": " ".join(
                f"{sequence.request.index}:{cached}"
                for sequence, cached in zip(step.admitted, step.cached, strict=True)
            ),
            "preempted": " ".join(map(str, sorted(sequence.request.index for sequence in step.preempted))),
            "free_blocks": replica.scheduler.pool.free,
        }
        self._by_number[step.number] = row
        for sequence, cached in zip(step.admitted, step.cached, strict=True):
            self.sequences[sequence.request.index] = sequence
            self.cached.setdefault(sequence.request.index, cached)

    def repeated(self, replica: EngineTurns, step: Step, passes: int) -> None:
        scheduler = replica.scheduler
        decodes = scheduler.decodes
        ordered = sorted(decodes.all(), key=lambda sequence: sequence.order)
        scheduled = " ".join(_entry(sequence, 1) for sequence in ordered)
        before = scheduler.in_flight
        for number in range(passes):
            single = step.after(number)
            row = self._row(replica, single)
            start_ns = int(before[-1].end_s + replica.times.seconds(step, number)) if number else int(before[-1].end_s)
            row |= {
                "start_ns": start_ns,
                "end_ns": start_ns + int(replica.times.seconds(single, 1)),
                "scheduled": scheduled,
                "hits": "",
                "preempted": "",
                "free_blocks": scheduler.pool.free - decodes.needed_in(number + 1),
            }
            # the pass is made when the step before, or with asynchronous scheduling the one before that, ends
            row["sched_ns"] = self.steps[-1 - len(before)]["end_ns"]
            self._by_number[scheduler.passes + number + 1] = row

    def ended(self, replica: EngineTurns, step: VllmStep, ended: list[Sequence]) -> None:
        now_ns = int(replica.turn_s)
        self._by_number[step.number]["finished"] = " ".join(str(sequence.request.index) for sequence in ended)
        for sequence in step.first_tokens:
            self.first_token_ns[sequence.request.index] = now_ns
        for sequence in ended:
            request = sequence.request
            is_stop = request.max_tokens > request.output_tokens == sequence.known - sequence.prompt
            self.end[request.index] = ("stop" if is_stop else "length", now_ns)

    def aborted(self, replica: EngineTurns, sequence: Sequence) -> None:
        self.end[sequence.request.index] = ("abort", int(replica.turn_s))

    def _row(self, replica: EngineTurns, step: Step) -> Row:
        scheduler = replica.scheduler
        context = step.prompt_context + step.decode_context + step.prompt_tokens + step.decodes
        row = {
            "running": len(scheduler.running),
            "waiting": scheduler.waiting.length,
            "finished": "",
            "prefill_tokens": step.prompt_tokens,
            "decode_reqs": step.decodes,
            "context_tokens": context,
        }
        self.steps.append(row)
        return row


def _entry(sequence: Sequence, tokens: int) -> str:
    return str(sequence.request.index) if tokens == 1 else f"{sequence.request.index}:{tokens}"


class Case:
    """One engine, with its requests."""

    def __init__(self, case: Row) -> None:
        """`case`: the object in a case file. KeyError, TypeError or ValueError where it is broken."""
        if case["format"] != FORMAT:
            raise ValueError(f"format {case['format']} is not known; {FORMAT} is")
        config, timing = case["config"], case["timing"]
        self.sleep_ns: int = timing["empty_step_sleep_ns"]
        self.requests: list[Request] = []
        self.events: list[tuple[int, bool, Request]] = []  # time, whether it is an abort
        self.refused: set[int] = set()
        for entry in case["requests"]:
            self._request(entry, config["max_model_len"])
        self.events.sort(key=lambda event: (event[0], event[1], event[2].index))
        self.kv = PagedKv(config["num_gpu_blocks"] - 1, config["block_size"], config["enable_prefix_caching"])
        self.times = AffineTimes(*(float(timing[f"{name}_ns"]) for name in "abcd"))
        self.spec = InstanceSpec("vllm", 1, options=tuple(_options(config, float(self.sleep_ns)).items()))

    def _request(self, entry: Row, longest: int) -> None:
        runs = [(int(stream), int(first), int(tokens)) for stream, first, tokens in entry["prompt"]]
        request = Request(
            entry["id"], float(entry["arrival_ns"]), sum(run[2] for run in runs), entry["output_len"], batch_size=1
        )
        request.max_tokens = entry["max_tokens"]
        request.priority = entry["priority"]
        request.content = Content(runs, entry["out_stream"])
        self.requests.append(request)
        if request.prompt_tokens >= longest:
            self.refused.add(request.index)
            return
        self.events.append((entry["arrival_ns"], False, request))
        if entry["abort_ns"] is not None:
            self.events.append((entry["abort_ns"], True, request))

    def run(self) -> dict[str, Any]:
        """Serve the requests. Returns what the expected file has."""
        engine = Engine()
        plan = InstancePlan("case", 1, (ProcessorSpec("case", 1),), "", self.spec)
        replica = EngineReplica(Ended(), 0, plan, KvMemory(2, 0, 1), self.times, self.batcher(engine))
        recording = Recording()
        replica.loop_observer = recording

        def come(index: int) -> None:
            for _, is_abort, request in together[index]:
                if is_abort:
                    replica.evict(request)
                else:
                    request.prompt_instance = request.token_instance = replica
                    replica.enter(request.prompt_task())

        # events of one time come in any order, and a request comes before it leaves
        together = [list(group) for _, group in groupby(self.events, key=lambda event: event[0])]
        engine.at_each([float(group[0][0]) for group in together], Call(come))
        engine.run(float("inf"))
        rows = [self._result(request, recording) for request in self.requests]
        end_ns = int(replica.turn_s)
        if replica.still_since_s is not None and replica.requests:
            end_ns = int(replica.empty_from_s) + STALLED_TURNS * self.sleep_ns
        return {"steps": recording.steps, "requests": rows, "summary": self._summary(recording.steps, rows, end_ns)}

    def batcher(self, engine: Engine) -> VllmBatcher:
        """The policy, with its KV cache."""
        return VllmBatcher(self.spec, engine, self.kv)

    def _result(self, request: Request, recording: Recording) -> Row:
        status, finish_ns = recording.end.get(request.index, (None, None))
        sequence = recording.sequences.get(request.index)
        return {
            "id": request.index,
            "status": status or ("rejected" if request.index in self.refused else "stalled"),
            "first_token_ns": recording.first_token_ns.get(request.index),
            "finish_ns": finish_ns,
            "output_tokens": 0 if sequence is None else sequence.known - sequence.prompt,
            "preemptions": request.preemptions,
            "cached_tokens": recording.cached.get(request.index),
        }

    def _summary(self, steps: list[Row], rows: list[Row], end_ns: int) -> Row:
        return {
            "steps": len(steps),
            "end_ns": end_ns,
            "status": dict(Counter(row["status"] for row in rows)),
            "preemptions": sum(row["preemptions"] for row in rows),
            "cached_tokens": sum(row["cached_tokens"] or 0 for row in rows),
            "min_free_blocks": min((step["free_blocks"] for step in steps), default=self.kv.free),
            "max_running": max((step["running"] for step in steps), default=0),
            "free_blocks_at_end": self.kv.free,
        }


def _options(config: Row, sleep_ns: float) -> dict[str, Any]:
    same = (
        *("policy", "async_scheduling", "max_num_batched_tokens", "max_num_seqs", "max_model_len", "block_size"),
        *("enable_prefix_caching", "enable_chunked_prefill", "long_prefill_token_threshold"),
        *("long_prefill_token_threshold_adaptive", "scheduler_reserve_full_isl", "watermark"),
        "prefill_schedule_interval",
    )
    options = {name: config[name] for name in same}
    return options | {"max_num_active_seqs": config["max_num_active_seqs"] or 0, "empty_step_sleep_s": sleep_ns}


def _read(path: Path) -> Row:
    """The object in a JSON file, which may be compressed. BrokenCase if there is none."""
    try:
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        found = json.loads(text)
    except FileNotFoundError:
        raise BrokenCase(f"{path.name} is missing") from None
    except (OSError, EOFError, ValueError) as error:
        raise BrokenCase(f"{path.name} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise BrokenCase(f"{path.name} holds no object")
    return found


def difference(actual: dict[str, Any], expected: Row) -> str:
    """The first difference between what happened and what should have, in words; "" without one."""
    for part, columns in (("step", STEP), ("request", REQUEST)):
        names = expected[f"{part}_columns"]
        if tuple(names) != columns:
            raise BrokenCase(f"{part}_columns are {' '.join(names)}, not {' '.join(columns)}")
        rows, others = actual[f"{part}s"], expected[f"{part}s"]
        for number, (row, other) in enumerate(zip(rows, others, strict=False)):
            for name, value in zip(columns, other, strict=True):
                if row[name] != value:
                    return f"{part} {number}, {name}: {row[name]!r}, expected {value!r}"
        if len(rows) != len(others):
            return f"{part}s: {len(rows)}, expected {len(others)}"
    for name, value in expected["summary"].items():
        if actual["summary"].get(name) != value:
            return f"summary, {name}: {actual['summary'].get(name)!r}, expected {value!r}"
    return ""


def verdict(path: Path) -> str:
    """What is wrong with a case, in a line; "" if it is equal."""
    expected_path = path.with_name(_name(path) + EXPECTED)
    try:
        described, expected = _read(path), _read(expected_path)
        try:
            case = Case(described)
        except (KeyError, TypeError, ValueError) as error:
            return f"broken: {path.name}: {_reason(error)}"
        try:
            actual = case.run()
        except SpecError as error:
            return f"broken: {path.name}: {error}"
        try:
            return difference(actual, expected)
        except (KeyError, TypeError, ValueError) as error:
            return f"broken: {expected_path.name}: {_reason(error)}"
    except BrokenCase as error:
        return f"broken: {error}"


def _name(path: Path) -> str:
    """The name of the case in a file, which may be compressed."""
    return path.name.removesuffix(".gz").removesuffix(CASE)


def _reason(error: Exception) -> str:
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python benchmarks/engine_cases.py FOLDER", file=sys.stderr)
        return 2
    paths = sorted(path for ending in (CASE, f"{CASE}.gz") for path in Path(arguments[0]).glob(f"*{ending}"))
    if not paths:
        print(f"{arguments[0]} has no *{CASE} or *{CASE}.gz", file=sys.stderr)
        return 2
    equal = 0
    for path in paths:
        wrong = verdict(path)
        equal += not wrong
        print(f"{_name(path)}: {wrong or 'equal'}")
    print(f"{equal} of {len(paths)} cases equal")
    return 0 if equal == len(paths) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
