"""What a planner found: the answers of an experiment that has a question (`find:`), as kept in found.json.

The planner writes it, whenever it knows more; `answers`, the report and MLflow read it. `sync.results.found_checks`
has the types and ranges of all values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from sync.results.found_checks import check_plan
from sync.results.point_id import Roles

FILE = "found.json"
Verdict = Literal["carries", "fails", "undecided", "inferred", "open"]


@dataclass(frozen=True)
class Checked:
    """A cluster that was probed at a rate, and what came of it: a line of the certificate, of the undecided, or of the
    audit. `verdict`: it `carries` the rate, `fails`, or is `undecided` with the seeds that it had; `inferred`: it was
    not probed and is below `below`, which fails; `open`: nothing is known yet. `share`: what the requests of all seeds
    take of the limit `limit` (1 is at the limit; None: not known); `t` is the statistic of the verdict (None: the
    share was so far beyond that one or two seeds were enough). `short_of`: what the cluster lacks where it fails:
    `prompts`, `decodes`, `memory`, `links`, empty where that is not known."""

    design: str
    machines: Mapping[str, int]
    roles: Roles
    cost: float
    power: float
    watts: float
    rate: float | None
    seeds: int
    verdict: Verdict
    share: float | None = None
    limit: str = ""
    t: float | None = None
    below: str = ""
    short_of: str = ""


@dataclass(frozen=True)
class Rate:
    """A rate in requests a second: `low` is carried at the confidence, at `high` it is not; `estimate` is where the
    share of all seeds crosses the limit. `high` is None while no rate is known that is not carried."""

    low: float
    estimate: float
    high: float | None


@dataclass(frozen=True)
class Longer:
    """The horizon check: the answer over `horizon_s` with so many seeds; `share` is that of the last third."""

    horizon_s: float
    seeds: int
    share: float | None
    limit: str
    holds: bool


@dataclass(frozen=True)
class More:
    """What a tenth more load costs: the cheapest cluster that carries `rate`, as an estimate from a few seeds.
    `is_in_proportion`: it was not searched, but worked out in proportion to the load."""

    rate: float
    cost: float
    design: str
    seeds: int
    is_in_proportion: bool = False


@dataclass(frozen=True)
class Audit:
    """Of `pruned` clusters that were not probed, since they are below one that fails, `probed` were probed after all;
    `violations` are those that would have carried the load."""

    pruned: int
    probed: int
    violations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """The answer for one system under one workload.

    `asks`, `measure`: `most` `rate`, or `least` `cost`, `power`, `watts` or `machines`. `load`: the rate that is to be
    carried (None: it is searched, or the workload has none). `design`, `machines`, `roles`, `cost`, `power`, `watts`
    are the cluster's (empty where there is none). `rate` answers `most`, `value` and `undecided` (cheaper clusters
    that are not decided) answer `least`. `decided`: the interval is as narrow as asked, or one cluster passed and all
    cheaper ones failed. `none`: no rate, or no cluster, does. `why_open`: why it is not decided. `seeds`: of the
    answer's probe. `binding`: the limit that decides at the next rate, or in the next smaller cluster, of which
    `short_of` says what it lacks. `share`: what the answer takes of its tightest limit. `next`: the next smaller
    clusters, and what stops them. `probes`, `runs`, `requests` count what the answer rests on. `low` and `high`
    are the bracket so far, of the rate or of the value. `certificate`: what rules the other clusters out.
    """

    system: str
    workload: str
    asks: Literal["most", "least"]
    measure: str
    confidence: float
    width: float
    load: float | None = None
    horizon_s: float | None = None
    design: str = ""
    machines: Mapping[str, int] = field(default_factory=dict)
    roles: Roles = field(default_factory=dict)
    cost: float = 0.0
    power: float = 0.0
    watts: float = 0.0
    rate: Rate | None = None
    value: float | None = None
    undecided: tuple[Checked, ...] = ()
    decided: bool = False
    none: bool = False
    why_open: str = ""
    seeds: int = 0
    holds_longer: bool | None = None
    longer: Longer | None = None
    binding: str = ""
    short_of: str = ""
    share: float | None = None
    next: tuple[Checked, ...] = ()
    more: More | None = None
    probes: int = 0
    runs: int = 0
    requests: int = 0
    low: float | None = None
    high: float | None = None
    certificate: tuple[Checked, ...] = ()
    audit: Audit | None = None

    @property
    def below(self) -> int:
        """How many clusters were not probed, since they are below one that fails."""
        listed = sum(checked.verdict == "inferred" for checked in self.certificate)
        return listed if self.audit is None else max(listed, self.audit.pruned)


@dataclass(frozen=True)
class Plan:
    """All answers of an experiment. `runs` and `requests` count all that was simulated for it, `wasted` the runs that
    were made ahead and then not needed. `is_done`: the planner had come to its end."""

    found: tuple[Found, ...]
    runs: int = 0
    requests: int = 0
    wasted: int = 0
    is_done: bool = False

    def to_json_dict(self) -> dict[str, Any]:
        """The plan as JSON values; a share or another figure that is not finite is None. Raises BadField for a plan
        that `from_json_dict` would refuse."""
        values: dict[str, Any] = _plain(asdict(self))
        check_plan(values)
        return values

    @classmethod
    def from_json_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json_dict`; fields of later versions are ignored. Raises BadField, which names the field,
        for a value that no planner writes: results may come from anybody."""
        check_plan(values)
        return cls(**{**_known(cls, values), "found": tuple(map(_found, values["found"]))})


def _plain(value: Any) -> Any:
    """A value of JSON; a number that is not finite is None."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _known(kind: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the fields that a dataclass has."""
    return {own.name: values[own.name] for own in fields(kind) if own.name in values}


def _found(values: Mapping[str, Any]) -> Found:
    made = _known(Found, values)
    for name in ("undecided", "next", "certificate"):
        made[name] = tuple(Checked(**_known(Checked, part)) for part in values.get(name, ()))
    parts: Mapping[str, Any] = {"rate": Rate, "longer": Longer, "more": More}
    for name, kind in parts.items():
        if (part := values.get(name)) is not None:
            made[name] = kind(**_known(kind, part))
    if (part := values.get("audit")) is not None:
        made["audit"] = Audit(**{**_known(Audit, part), "violations": tuple(part.get("violations", ()))})
    return Found(**made)
