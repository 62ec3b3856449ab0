"""Finds runs that were finished when a run's key covered every byte of the simulator's source, so that they are kept.

A point that the journal has only under its former key gets this key and its outcome: the journal and MLflow stay
as they are. A former key counts if

- the code that decides the run is the code that last was found to give the same results: `former_code.json` has its
  digests. `python -m sweep.former.keys` writes them anew, which states that the present code gives the same results;
- the run's spec can be written as it was then, see `former_canonical`;
- no change of results that was made on purpose touches the outcome, see `sweep.former.results`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from sim_core import Code, SimSpec
from sim_core.digest import sha256
from sim_core.spec import NetworkSpec
from sweep.experiment.point import Point
from sweep.former.results import changed_since
from sync.results.code import deciding_code
from sync.results.journal import Journal

FORMER_CODE = Path(__file__).with_name("former_code.json")

# The classes of a spec, each with the fields that the former key covered.
_FORMER_FIELDS = (
    "ProcessorSpec name memory_bytes",
    "ServerGroupSpec sku count processors tdp_w",
    "ModelSpec name measured_as num_layers hidden_size num_heads num_kv_heads weights_bytes bytes_per_element",
    "InstanceSpec policy tensor_parallelism pipeline_parallelism max_batch_size max_batch_tokens max_preemptions run_s",
    "StartStateSpec kind application_id machines instance split_type prompt token prompt_machines token_machines"
    " prompt_skus token_skus",
    "SchedulerSpec name policy options prompt_processors token_processors submit_task_s submit_flow_s finish_request_s",
    "ApplicationSpec application_id model scheduler spin_up_s",
    "CurveSpec model hardware tensor_parallelism batch_tokens prompt_s token_s",
    "PerformanceSpec policy prompt_s token_s curves",
    "SimSpec servers applications start_states performance routing_delay_s end_time_s seed stop_at_backlog_s",
)
FORMER_FIELDS: Mapping[str, Sequence[str]] = {kind: names for kind, *names in map(str.split, _FORMER_FIELDS)}
# Values of these fields that had another form then, with that form.
FORMER_VALUES: Mapping[tuple[str, str], Mapping[object, object]] = {("SimSpec", "end_time_s"): {None: 86400.0}}
# Fields that specs have gained since, with the values for which a run is as without the field. A run with another
# value, or with a gained field that is not listed here, has no former key.
GAINED_FIELDS: Mapping[tuple[str, str], tuple[object, ...]] = {
    ("StartStateSpec", "fill_machine"): (False,),
    ("SimSpec", "plugins"): ((),),
    ("PerformanceSpec", "steps"): ((),),
    ("PerformanceSpec", "grids"): ((),),
    ("ModelSpec", "kv_elements_per_layer"): (None,),
    ("ModelSpec", "kv_parts"): (0,),
    ("ModelSpec", "precision"): ("",),
    ("ModelSpec", "replicated_bytes"): (0,),
    ("InstanceSpec", "data_parallelism"): (1,),
    ("InstanceSpec", "expert_parallelism"): (1,),
    ("InstanceSpec", "reserved_bytes"): (0,),
    ("SimSpec", "network"): (NetworkSpec(),),
    **{(kind, "options"): ((),) for kind in ("InstanceSpec", "StartStateSpec", "PerformanceSpec")},
}


class _NoFormerForm(Exception):
    """A spec has a value that former specs could not have."""


def former_canonical(spec: SimSpec) -> str | None:
    """The text of `spec` that its former key covered; None if it could not be said then."""
    try:
        return json.dumps(spec, default=_former_fields, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except _NoFormerForm:
        return None


def _former_fields(part: Any) -> dict[str, object]:
    kind = type(part).__name__
    former = FORMER_FIELDS.get(kind, ())
    for field in fields(part):
        if field.name not in former and getattr(part, field.name) not in GAINED_FIELDS.get((kind, field.name), ()):
            raise _NoFormerForm
    values = {name: getattr(part, name) for name in former}
    for name in former:
        if (changed := FORMER_VALUES.get((kind, name))) and values[name] in changed:
            values[name] = changed[values[name]]
    return values


class FormerKeys:
    """Works out the former keys of runs; `file` records the code for which they count."""

    def __init__(self, code: Code, file: Path = FORMER_CODE) -> None:
        record = json.loads(file.read_bytes())
        self._code = code
        self._code_digest: str = record["code_digest"]
        self._parts: Mapping[str, str] = record["parts"]
        self._digests: dict[int, tuple[SimSpec, str | None]] = {}  # by the id of the spec, which is kept alive here

    def key_for(self, spec: SimSpec, trace_identity: str) -> str | None:
        """The former key of a run; None if it had none, or if code that decides its results has changed since."""
        if id(spec) not in self._digests:
            self._digests[id(spec)] = spec, self._spec_digest(spec)
        digest = self._digests[id(spec)][1]
        return None if digest is None else sha256([f"{digest}\n{trace_identity}\n{self._code_digest}\n".encode()]).hex()

    def _spec_digest(self, spec: SimSpec) -> str | None:
        if not self._code.parts_for(spec).items() <= self._parts.items():
            return None
        text = former_canonical(spec)
        return None if text is None else sha256([text.encode()]).hex()


@dataclass(frozen=True)
class Resumed:
    """Points with the keys under which they are finished. `again` counts by reason the finished runs to run again."""

    points: list[Point]
    again: Counter[str]


def under_former_keys(
    points: Sequence[Point],
    journal: Journal,
    former: Callable[[], FormerKeys] = lambda: FormerKeys(deciding_code()),
    over: Callable[[Sequence[Point]], Iterable[Point]] = iter,
) -> Resumed:
    """The points, with their former key if the journal has their outcome only under that key.

    Iterates with `over`, which may show progress; not at all if the journal has no other entries than the points'.
    """
    kept = journal.keys()
    free = set(kept.difference(point.key for point in points))
    if not free:
        return Resumed(list(points), Counter())
    keys = former()
    resumed: list[Point] = []
    again: Counter[str] = Counter()
    for point in over(points):
        key = None if point.key in kept else keys.key_for(point.spec, point.trace_identity)
        outcome = journal.figures(key) if key is not None and key in free else None
        if key is None or outcome is None:
            resumed.append(point)
        elif (reason := changed_since(point.spec, outcome)) is not None:
            again[reason] += 1
            resumed.append(point)
        else:
            free.discard(key)  # specs that differ now may have had the same former key
            resumed.append(replace(point, key=key))
    return Resumed(resumed, again)


def renew(file: Path = FORMER_CODE) -> list[str]:
    """Record that the present code gives the results of the former; returns the names of the parts that changed."""
    record = json.loads(file.read_bytes())
    before, parts = record["parts"], dict(deciding_code().all_parts())
    file.write_text(json.dumps(record | {"parts": parts}, indent=1) + "\n", encoding="utf-8")
    return sorted(name for name in before.keys() | parts.keys() if before.get(name) != parts.get(name))


def main() -> None:
    """`python -m sweep.former.keys`: renew the record, and print what has changed in it."""
    changed = renew()
    print(f"{FORMER_CODE}: {len(changed)} parts have changed", *changed, sep="\n  ")


if __name__ == "__main__":
    main()
