"""The keys that finished runs had when a key covered every byte of the simulator's source: such runs are not run again.

A point whose run the journal does not have under its key, but under its former one, keeps that outcome and its former
key: the journal, sweep.json, MLflow and whatever else goes by keys stay as they are. A former key counts as long as

- the code that decides the run is what it was when it last was found to give the same results: `former_code.json`
  has its digests, and `python -m sweep.former.keys` writes them anew, which is to say that it still does;
- the run's spec can be written as it was written then: see `former_canonical`;
- nothing that was changed on purpose since touches the outcome: see `sweep.former.results`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from sim_core import Code, SimSpec
from sim_core.digest import sha256
from sweep.experiment.point import Point, deciding_code
from sweep.former.results import changed_since
from sync.results.journal import Journal

FORMER_CODE = Path(__file__).with_name("former_code.json")

# The fields of a spec when keys were last made of all code, by class: they, and no others, are in the text hashed then.
FORMER_FIELDS: Mapping[str, tuple[str, ...]] = {
    "ProcessorSpec": ("name", "memory_bytes"),
    "ServerGroupSpec": ("sku", "count", "processors", "tdp_w"),
    "ModelSpec": (
        *("name", "measured_as", "num_layers", "hidden_size"),
        *("num_heads", "num_kv_heads", "weights_bytes", "bytes_per_element"),
    ),
    "InstanceSpec": (
        *("policy", "tensor_parallelism", "pipeline_parallelism"),
        *("max_batch_size", "max_batch_tokens", "max_preemptions", "run_s"),
    ),
    "StartStateSpec": (
        *("kind", "application_id", "machines", "instance", "split_type", "prompt", "token"),
        *("prompt_machines", "token_machines", "prompt_skus", "token_skus"),
    ),
    "SchedulerSpec": (
        *("name", "policy", "options", "prompt_processors", "token_processors"),
        *("submit_task_s", "submit_flow_s", "finish_request_s"),
    ),
    "ApplicationSpec": ("application_id", "model", "scheduler", "spin_up_s"),
    "CurveSpec": ("model", "hardware", "tensor_parallelism", "batch_tokens", "prompt_s", "token_s"),
    "PerformanceSpec": ("policy", "prompt_s", "token_s", "curves"),
    "SimSpec": (
        *("servers", "applications", "start_states", "performance"),
        *("routing_delay_s", "end_time_s", "seed", "stop_at_backlog_s"),
    ),
}
# Values of these fields that had another form then, with that form.
FORMER_VALUES: Mapping[tuple[str, str], Mapping[object, object]] = {("SimSpec", "end_time_s"): {None: 86400.0}}
# Fields that specs have gained since, with the values of them with which a run is as it was without the field. With any
# other value, and with a field that is not listed here, a run has no former key.
GAINED_FIELDS: Mapping[tuple[str, str], tuple[object, ...]] = {
    ("StartStateSpec", "fill_machine"): (False,),
    **{(kind, "options"): ((),) for kind in ("InstanceSpec", "StartStateSpec", "PerformanceSpec")},
}


class _NoFormerForm(Exception):
    """A spec says something that could not be said before."""


def former_canonical(spec: SimSpec) -> str | None:
    """The text that stood for `spec` in its former key; None where there was none for it."""
    try:
        return json.dumps(spec, default=_former_fields, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except _NoFormerForm:
        return None


def _former_fields(part: Any) -> dict[str, object]:
    kind = type(part).__name__
    former = FORMER_FIELDS.get(kind, ())
    for name in (field.name for field in fields(part) if field.name not in former):
        if getattr(part, name) not in GAINED_FIELDS.get((kind, name), ()):
            raise _NoFormerForm
    values = {name: getattr(part, name) for name in former}
    for name in former:
        if (changed := FORMER_VALUES.get((kind, name))) and values[name] in changed:
            values[name] = changed[values[name]]
    return values


class FormerKeys:
    """The former keys of runs, by the record in `file` of the code that they stand for."""

    def __init__(self, code: Code, file: Path = FORMER_CODE) -> None:
        record = json.loads(file.read_bytes())
        self._code = code
        self._code_digest: str = record["code_digest"]
        self._parts: Mapping[str, str] = record["parts"]
        self._spec_digests: dict[int, tuple[SimSpec, str | None]] = {}  # by the id of the spec, which is kept for that

    def key_for(self, spec: SimSpec, trace_identity: str) -> str | None:
        """The key that this run had; None if code that decides it has changed since, or if it had none."""
        if id(spec) not in self._spec_digests:
            self._spec_digests[id(spec)] = spec, self._spec_digest(spec)
        digest = self._spec_digests[id(spec)][1]
        return None if digest is None else sha256([f"{digest}\n{trace_identity}\n{self._code_digest}\n".encode()]).hex()

    def _spec_digest(self, spec: SimSpec) -> str | None:
        if not self._code.parts_for(spec).items() <= self._parts.items():
            return None
        text = former_canonical(spec)
        return None if text is None else sha256([text.encode()]).hex()


@dataclass(frozen=True)
class Resumed:
    """Points under the keys of what is finished. `again` counts finished runs that are run again, by the reason."""

    points: list[Point]
    again: Counter[str]


def under_former_keys(
    points: Sequence[Point],
    journal: Journal,
    former: Callable[[], FormerKeys] = lambda: FormerKeys(deciding_code()),
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Resumed:
    """The points, under their former key where the journal has the outcome under that key alone; `told` hears after how
    many of how many points that is. Nothing takes long where the journal has no other entries than the points'."""
    kept = journal.keys()
    free = set(kept.difference(point.key for point in points))
    if not free:
        return Resumed(list(points), Counter())
    keys = former()
    resumed: list[Point] = []
    again: Counter[str] = Counter()
    for count, point in enumerate(points):
        told(count, len(points))
        key = None if point.key in kept else keys.key_for(point.spec, point.trace_identity)
        outcome = journal.figures(key) if key is not None and key in free else None
        if key is None or outcome is None:
            resumed.append(point)
        elif (reason := changed_since(point.spec, outcome)) is not None:
            again[reason] += 1
            resumed.append(point)
        else:
            free.discard(key)  # specs that differ now may have been one before
            resumed.append(replace(point, key=key))
    return Resumed(resumed, again)


def renew(file: Path = FORMER_CODE) -> list[str]:
    """Record that the present code gives the results of the former one; the names of what differs from the record."""
    record = json.loads(file.read_bytes())
    before, parts = record["parts"], dict(deciding_code().all_parts())
    file.write_text(json.dumps(record | {"parts": parts}, indent=1) + "\n", encoding="utf-8")
    return sorted(name for name in before.keys() | parts.keys() if before.get(name) != parts.get(name))


def main() -> None:
    """`python -m sweep.former.keys`: renew the record, and say what is different in it."""
    changed = renew()
    print(f"{FORMER_CODE}: {len(changed)} parts are different", *changed, sep="\n  ")


if __name__ == "__main__":
    main()
