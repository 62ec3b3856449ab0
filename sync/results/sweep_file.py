"""The files of a journal about its sweep as a whole: what it asked for (sweep.json), how it is doing (status.json)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configs.bounded import parse_json
from sim_core.errors import SpecError
from sync.results import checks
from sync.results.inside import read_inside
from sync.results.outcome import FACTS_OF_A_POINT, FIELDS, FIELDS_OF_A_SWEEP
from sync.results.slo_file import parse_slo, slo_of_text

POINT_FACTS = "point_facts"  # in sweep.json: by key, what the experiment says of each point
EARLIER_PLAN = "earlier_plan"  # in sweep.json: points and systems of earlier starts of the same experiment
_FACTS = {name: FIELDS[name] for name in FACTS_OF_A_POINT}
_STATUS: Mapping[str, checks.Check] = {
    "at": checks.moment,
    **dict.fromkeys(("elapsed_s", "left_s"), checks.optional(checks.number(0.0, checks.MOST_S))),
    **dict.fromkeys(("left", "running"), checks.whole(0, checks.MOST_COUNT)),
    "speed": checks.text(0, 200),
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
    EARLIER_PLAN: _earlier_plan,
}


def read_sweep_file(path: Path) -> dict[str, Any]:
    """The contents of a sweep.json; empty where there is none. Raises OSError, and SpecError where a value is not one
    that is written there: then the others are not believed either."""
    contents = _object(path)
    checks.check_fields(contents, _OF_A_SWEEP, may_have_others=True)  # later versions may keep more
    if "slo" in contents:
        parse_slo(contents["slo"], key="slo")
    elif "experiment_text" in contents:
        slo_of_text(contents["experiment_text"], "experiment_text")
    return contents


def read_status_file(path: Path) -> dict[str, Any]:
    """The contents of a status.json. Raises as `read_sweep_file`."""
    contents = _object(path)
    checks.check_fields(contents, _STATUS, may_have_others=True)
    return contents


def _object(path: Path) -> dict[str, Any]:
    try:
        contents = parse_json(read_inside(path, "json_bytes"), "")
    except FileNotFoundError:
        return {}
    if not isinstance(contents, dict):
        raise SpecError("it is no JSON object")
    return contents
