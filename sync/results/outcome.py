"""What a sweep delivers, an `Outcome` for each point and one `SweepInfo`, and `ResultSink`, which takes them."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

from sim_core.errors import SpecError
from sync.results import checks
from sync.results.energy import GpuRow
from sync.results.fields import FIELDS, FIELDS_OF_A_SWEEP, STATUSES, SWEEP_NAME, Status, is_key
from sync.results.former import facts_of_former
from sync.results.point_id import PointId, Roles
from sync.results.slo import PAPER, Slo
from sync.results.slo_file import parse_slo, slo_of_text

# Fields of an outcome that belong to the experiment as it is now, and not to the start that ran the point.
FACTS_OF_A_POINT = (
    *("name", "system", "index", "design", "workload", "rate", "roles"),
    *("seed", "trace", "model", "performance_model", "batching", "kernels", "horizon_s", "asked"),
)
_GAINED = ("slo", "systems", "machines", "starts", "plugins")  # fields of a sweep that older results lack


@dataclass(frozen=True)
class Outcome:
    """One finished point of a sweep, as plain values: picklable, and JSON apart from `requests_parquet` and its digest,
    which the journal works out (empty: it has not yet).

    `key` is the content key: outcomes with one key are the same run. `design`, `workload`, `rate` and `seed` say what
    the point is, see `PointId`; `name` is only displayed. `machines` counts by SKU, `roles` the same by role (empty:
    machines have no roles). `cost` is in dollars an hour, `power` in the machines' power weights, `watts` by nameplate
    (0: unknown). `started_at` is an ISO 8601 time in UTC. `model` names the language model, `performance_model` where
    iteration times come from, `batching` the batching policies of its instances, `kernels` the engines and versions
    whose measured kernels they are made of (empty: none), `horizon_s` is the time over which requests arrive (empty,
    None: older results do not tell). `summary` holds what was measured; its figures of goodput count requests within
    `goodput_limits` (by column of the requests). `counts` are requests beyond each limit by when they arrive
    (`sync.results.counts`; empty: older results do not tell). `asked` says what a planner wanted to know of the run
    (empty: it was not asked by one). `plugins` are the files with policies of a user's own that it used, by name, with
    their SHA-256. `concurrency` is how many clients of a closed loop sent the requests (None: there were none). `gpus`
    says how long its GPUs ran and what they draw (`sync.results.energy`; empty: older results do not tell). A failed
    point has an `error` and an empty `summary`; one stopped as unstable has counts and the time of the stop, but no
    figures of requests.
    """

    name: str
    system: str
    design: str
    workload: str
    key: str
    index: int
    overrides: tuple[str, ...]
    axes: dict[str, object]
    machines: dict[str, int]
    cost: float
    power: float
    rate: float | None
    trace: str
    trace_identity: str
    seed: int
    status: Status
    error: str | None = None
    summary: dict[str, float] = field(default_factory=dict)
    requests_parquet: bytes = field(default=b"", repr=False)
    requests_sha256: str = field(default="", repr=False, compare=False)
    config_yaml: str = field(default="", repr=False)
    cpu_s: float = 0.0
    wall_s: float = 0.0
    started_at: str = ""
    version: str = ""
    core: str = ""  # how the simulator ran: `sim_core.compilation.Form.text`
    git_commit: str | None = None
    watts: float = 0.0
    roles: Roles = field(default_factory=dict)
    goodput_limits: dict[str, float] = field(default_factory=PAPER.of_each_request)
    model: str = ""
    performance_model: str = ""
    horizon_s: float | None = None
    counts: dict[str, list[int]] = field(default_factory=dict, repr=False)
    asked: str = ""
    plugins: dict[str, str] = field(default_factory=dict)
    concurrency: int | None = None
    batching: str = ""
    kernels: str = ""
    gpus: list[GpuRow] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        if not is_key(self.key):
            raise ValueError(f"not a content key: {self.key!r}")
        if self.status not in STATUSES:
            raise ValueError(f"not a status: {self.status!r}")
        FIELDS["git_commit"]("git_commit", self.git_commit)  # which becomes a line of a shell script

    @property
    def point_id(self) -> PointId:
        """What the point is, whatever its name."""
        return PointId(self.design, self.workload, self.rate, self.seed)

    def with_facts(self, facts: Mapping[str, Any]) -> Outcome:
        """The outcome with the facts that the experiment has of its point now; unknown ones are ignored."""
        return replace(self, **{name: facts[name] for name in FACTS_OF_A_POINT if name in facts})

    @property
    def unserved(self) -> float:
        """How many requests were rejected or left unfinished, as far as the summary tells."""
        return sum(self.summary.get(f"run/{what}", 0.0) for what in ("rejected", "unfinished"))

    def to_json_dict(self) -> dict[str, Any]:
        """Everything but the Parquet bytes and their digest, as values that strict JSON can hold (NaN and infinities as
        text)."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}  # `asdict` copies, which is slow
        del values["requests_parquet"], values["requests_sha256"]
        for name, missing in (("plugins", {}), ("concurrency", None), ("gpus", [])):
            if values[name] == missing:  # so that the checksums of older outcomes stay the same
                del values[name]
        summary = {name: v if math.isfinite(v) else str(v) for name, v in self.summary.items()}
        return values | {"overrides": list(self.overrides), "summary": summary}

    @classmethod
    def from_json_dict(cls, values: Mapping[str, Any], requests_parquet: bytes = b"") -> Outcome:
        """The inverse of `to_json_dict`, with the Parquet bytes; also for former outcomes (`sync.results.former`).
        Raises ValueError where a field is missing, unknown or invalid, SpecError for settings that are no YAML."""
        try:
            checks.check_fields(values, FIELDS)
            if missing := _REQUIRED - values.keys():
                raise checks.BadField("is missing", key=min(missing))
            facts = facts_of_former(values)
            checks.check_fields(facts, FIELDS)
            plain = {**values, **facts, "overrides": tuple(values["overrides"])}
            plain["summary"] = checks.figures("summary", values["summary"])
            return cls(**plain, requests_parquet=requests_parquet)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not an outcome: {error}") from error


_MAY_BE_MISSING = {"design", "workload"}  # in former outcomes
_REQUIRED = {f.name for f in fields(Outcome) if f.default is f.default_factory} - _MAY_BE_MISSING


def checksum(outcome: Mapping[str, Any]) -> str:
    """The SHA-256 of an outcome's JSON values, whatever their layout. It shows a figure that was edited by hand."""
    return hashlib.sha256(_CANONICAL.encode(outcome).encode()).hexdigest()


# JSON values are trees: looking for circles in them would take a tenth of the time.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False)


@dataclass(frozen=True)
class SweepInfo:
    """The sweep that outcomes belong to. `name` is the experiment's, `points` the number of its points (0: single
    runs). `sweep_id` is the same for every start of the same expanded experiment, `command` is the line that started
    it, `slo` are the limits that the experiment sets. `systems` are all of its systems, each with the values of its
    axis `rate`; `machines` has by machine type the figures that cost and power were worked out from, and their sources
    (`configs.machines.MachineFigures`). Both are empty where older results do not tell. `starts` are the different
    commands that started it so far, the latest last (empty: older versions kept `command` alone). `plugins` are the
    files with policies of a user's own of all starts, by SHA-256: their `file` name and their `text`."""

    name: str
    description: str
    sweep_id: str
    experiment_text: str
    points: int
    command: str
    slo: Slo = PAPER
    systems: Mapping[str, Sequence[float]] = field(default_factory=dict)
    machines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    starts: tuple[str, ...] = ()
    plugins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not SWEEP_NAME.fullmatch(self.name):
            reason = "a sweep's name is made of letters, digits, spaces and . _ - (it names a folder)"
            raise SpecError(reason, key="name", value=self.name)

    def to_json_dict(self) -> dict[str, Any]:
        """The sweep's facts as values that JSON can hold."""
        beside = {"slo": self.slo.as_plain(), "starts": list(self.starts)}
        return {f.name: getattr(self, f.name) for f in fields(self)} | beside

    @classmethod
    def from_json_dict(cls, values: Mapping[str, Any]) -> SweepInfo:
        """The inverse of `to_json_dict`; unknown entries are ignored, and an SLO that was not kept is taken from the
        experiment's text. Raises ValueError for values that are no sweep's."""
        try:
            checks.check_fields(values, FIELDS_OF_A_SWEEP, may_have_others=True)
            known = {f.name: values[f.name] for f in fields(cls) if f.name not in _GAINED}
            known["command"] = requoted(values["command"])
            known |= {name: values[name] for name in ("systems", "machines", "plugins") if name in values}
            known["starts"] = tuple(values.get("starts", ()))
            source = f"{values['name']}'s experiment"
            if "slo" in values:
                return cls(**known, slo=parse_slo(values["slo"], source, "slo"))
            return cls(**known, slo=slo_of_text(str(values["experiment_text"]), source))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a sweep: {error}") from error


def requoted(command: str) -> str:
    """A command line in which each word is quoted for the shell; as it is where only `~` and `***`, which stand for the
    home folder and for secrets, are not."""
    words = shlex.split(command)
    return " ".join(word if _PLAIN_WORD.fullmatch(word) else shlex.quote(word) for word in words)


_PLAIN_WORD = re.compile(r"(~/)?([\w@%+=:,./-]|\*{3})+", re.ASCII)


class ResultSink(Protocol):
    """Delivers results to where people look at them. Used by one thread at a time."""

    def open(self, sweep: SweepInfo) -> None:
        """Prepare for `sweep`. Called before the first `write`, and again after a failure."""

    def write(self, outcome: Outcome) -> None:
        """Deliver one outcome whole, or raise. Writing a key twice equals writing it once; an outcome that did not fail
        replaces a failed one."""

    def page(self) -> str | None:
        """The sweep's place in MLflow's interface: the part of an address behind the server's. None: it has none."""

    def close(self) -> None:
        """Close files and connections; what was written stays."""
