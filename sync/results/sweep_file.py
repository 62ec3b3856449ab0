"""The files of a journal about its sweep as a whole: what it asked for (sweep.json), how it is doing (status.json).
`sync.results.growing` has what a sweep.json holds more if its points are decided while the sweep runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from configs.bounded import parse_json
from sim_core.errors import SpecError
from sync.results import checks
from sync.results.entry import FORMAT, NOT_SOUND
from sync.results.fields import FIELDS, FIELDS_OF_A_SWEEP
from sync.results.growing import GROWTH, POINT_FACTS, Growth, check_growth, growth_of
from sync.results.inside import read_inside
from sync.results.outcome import FACTS_OF_A_POINT, SweepInfo
from sync.results.plan import Plan, joined_systems, plan_of
from sync.results.privacy import Scrubber
from sync.results.slo_file import parse_slo, slo_of_text

_EARLIER_PLAN = "earlier_plan"  # in sweep.json: points and systems of earlier starts of the same experiment
_MOST_STARTS = 100  # whose commands are kept
_FACTS = {name: FIELDS[name] for name in FACTS_OF_A_POINT}
_STATUS: Mapping[str, checks.Check] = {
    "at": checks.moment,
    **dict.fromkeys(("elapsed_s", "left_s"), checks.optional(checks.number(0.0, checks.MOST_S))),
    "left": checks.optional(checks.whole(0, checks.MOST_COUNT)),
    "running": checks.whole(0, checks.MOST_COUNT),
    "speed": checks.text(0, 200),
    "searches": checks.each(checks.text(0, 1000)),
}


def _facts(key: str, value: object) -> None:
    """The facts of a point; those that this version does not know are for another one."""
    known = {name: fact for name, fact in checks.pairs(key, value) if name in _FACTS}
    for name, fact in known.items():
        _FACTS[name](f"{key}.{name}", fact)


def _earlier_plan(key: str, value: object) -> None:
    """Points and systems, as a sweep has them."""
    for name, part in checks.pairs(key, value):
        if name in ("points", "systems"):
            FIELDS_OF_A_SWEEP[name](f"{key}.{name}", part)


_OF_A_SWEEP: Mapping[str, checks.Check] = {
    **FIELDS_OF_A_SWEEP,
    "format": checks.whole(0, 1000),
    **dict.fromkeys(("keys", "earlier_keys"), checks.each(FIELDS["key"])),
    POINT_FACTS: checks.mapping(FIELDS["key"], _facts),
    _EARLIER_PLAN: _earlier_plan,
    GROWTH: check_growth,
}


class SweepFile:
    """The contents of a sweep.json, as `read_sweep_file` returns them; empty contents say nothing."""

    def __init__(self, contents: Mapping[str, Any]) -> None:
        self._contents = contents

    def info(self) -> SweepInfo | None:
        """What the last start of the sweep was."""
        try:
            return SweepInfo.from_json_dict(self._contents)
        except (SpecError, ValueError):
            return None

    def plan(self) -> Plan | None:
        """What the experiment plans, over all starts of it."""
        info, facts, earlier = self.info(), self.point_facts(), self._contents.get(_EARLIER_PLAN, {})
        if info is None or not info.points:
            return None
        with suppress(*NOT_SOUND):
            points = max(info.points, int(earlier.get("points", 0)))
            systems = joined_systems([earlier.get("systems", {}), info.systems])
            known = [facts[key] for key in self.asked_for() if key in facts]
            return plan_of(points, systems, sorted(known, key=lambda fact: int(fact.get("index", 0))))
        return None

    @property
    def growth(self) -> Growth | None:
        """How the sweep grows; None where its points were all known when it started."""
        return growth_of(self._contents)

    def last_started(self) -> frozenset[str]:
        """The keys of the points that the last start asked for."""
        return frozenset(self._contents.get("keys", ()))

    def asked_for(self) -> frozenset[str]:
        """The keys of the points that the last start asked for, and starts before it of the same experiment."""
        return self.last_started().union(self._contents.get("earlier_keys", ()))

    def point_facts(self) -> Mapping[str, Mapping[str, Any]]:
        """What the experiment says of each point that was asked for, by key."""
        facts: Mapping[str, Mapping[str, Any]] = self._contents.get(POINT_FACTS, {})
        return facts

    def after(
        self,
        info: SweepInfo,
        keys: Sequence[str],
        facts: Mapping[str, Any],
        is_same: Callable[[str, str], bool],
        scrubber: Scrubber,
    ) -> dict[str, Any]:
        """The contents after one more start; see `Journal.write_sweep`."""
        own = scrubber.without_secrets(self.started(info).to_json_dict())
        is_known = self.is_of(own["experiment_text"], is_same)
        earlier = sorted(self.asked_for() - set(keys)) if is_known else []
        known = {key: self.point_facts()[key] for key in earlier if key in self.point_facts()}
        contents = {"format": FORMAT, **own, "keys": list(keys), "earlier_keys": earlier}
        if is_known and (before := self.plan()) is not None:
            contents[_EARLIER_PLAN] = {"points": before.points, "systems": joined_systems([before.systems])}
        return {**contents, POINT_FACTS: {**known, **scrubber.without_secrets(dict(facts))}}

    def is_of(self, experiment_text: str, is_same: Callable[[str, str], bool]) -> bool:
        """Whether the sweep is that of an experiment; `is_same` tells whether two texts are the same experiment."""
        return is_same(str(self._contents.get("experiment_text")), experiment_text)

    def started(self, info: SweepInfo) -> SweepInfo:
        """What one more start is, with the commands and the plugins of all starts so far."""
        before = self.info()
        plugins = {**({} if before is None else before.plugins), **info.plugins}
        kept = dict(list(plugins.items())[-_MOST_STARTS:])
        return replace(info, starts=self._starts(info.command), plugins=kept)

    def _starts(self, command: str) -> tuple[str, ...]:
        """The different commands of the starts that are kept, the oldest first, and `command` as the last."""
        before = self.info()
        known = () if before is None else before.starts or (before.command,)
        return (*[start for start in known if start != command][-_MOST_STARTS:], command)


def read_sweep_file(path: Path) -> dict[str, Any]:
    """The contents of a sweep.json; empty where there is none. Raises OSError, and SpecError where a value is not one
    that is written there: then the others are not believed either."""
    contents = read_object(path)
    checks.check_fields(contents, _OF_A_SWEEP, may_have_others=True)  # later versions may keep more
    if "slo" in contents:
        parse_slo(contents["slo"], key="slo")
    elif "experiment_text" in contents:
        slo_of_text(contents["experiment_text"], "experiment_text")
    return contents


def read_status_file(path: Path) -> dict[str, Any]:
    """The contents of a status.json. Raises as `read_sweep_file`."""
    contents = read_object(path)
    checks.check_fields(contents, _STATUS, may_have_others=True)
    return contents


def read_object(path: Path) -> dict[str, Any]:
    """The object that a file of JSON in a journal holds; empty where there is no file. Raises as `read_sweep_file`."""
    try:
        contents = parse_json(read_inside(path, "json_bytes"), "")
    except FileNotFoundError:
        return {}
    if not isinstance(contents, dict):
        raise SpecError("it is no JSON object")
    return contents
