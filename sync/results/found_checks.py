"""Types and ranges of the values in a found.json, which may come from anybody."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sync.results import checks
from sync.results.fields import FIELDS

_NAME = FIELDS["name"]
_TEXT = checks.text(0, checks.MOST_NAME)
_COUNT = checks.whole(0, checks.MOST_COUNT)
_AMOUNT = checks.number(0.0, checks.MOST_FIGURE)
_MAYBE = checks.optional(_AMOUNT)
_PART = checks.number(0.0, 1.0)  # of 1
_CLUSTER: Mapping[str, checks.Check] = {
    "machines": FIELDS["machines"],
    "roles": FIELDS["roles"],
    **dict.fromkeys(("cost", "power", "watts"), _AMOUNT),
}
_SHORT_OF = checks.one_of("", "prompts", "decodes", "memory", "links")


def _record(known: Mapping[str, checks.Check], needed: Collection[str]) -> checks.Check:
    """Values by name, of which the `needed` ones are there. Names that this version does not know are for another."""

    def check(key: str, value: object) -> None:
        start, given = f"{key}." if key else "", dict(checks.pairs(key, value))
        for name in needed:
            if name not in given:
                raise checks.BadField("is missing", key=f"{start}{name}")
        for name, part in given.items():
            if name in known:
                known[name](f"{start}{name}", part)

    return check


_CHECKED = {
    **_CLUSTER,
    "design": _NAME,
    "rate": _MAYBE,
    "seeds": _COUNT,
    "verdict": checks.one_of("carries", "fails", "undecided", "inferred", "open"),
    "share": _MAYBE,
    **dict.fromkeys(("limit", "below"), _TEXT),
    "t": checks.optional(checks.number(-checks.MOST_FIGURE, checks.MOST_FIGURE)),
    "short_of": _SHORT_OF,
}
_check_each = checks.each(_record(_CHECKED, [*_CLUSTER, "design", "rate", "seeds", "verdict"]))
_RATE = {"low": _AMOUNT, "estimate": _AMOUNT, "high": _MAYBE}
_LONGER = {
    "horizon_s": checks.number(0.0, checks.MOST_S),
    "seeds": _COUNT,
    "share": _MAYBE,
    "limit": _TEXT,
    "holds": checks.truth,
}
_MORE = {"rate": _AMOUNT, "cost": _AMOUNT, "design": _NAME, "seeds": _COUNT}
_AUDIT = {"pruned": _COUNT, "probed": _COUNT}
_ASKED: Mapping[str, checks.Check] = {
    **dict.fromkeys(("system", "workload"), _NAME),
    "asks": checks.one_of("most", "least"),
    "measure": checks.one_of("rate", "cost", "power", "watts", "machines"),
    **dict.fromkeys(("confidence", "width"), _PART),
}
_check_rate = _record(_RATE, _RATE)


def _interval(key: str, value: object) -> None:
    """A rate whose ends are in order."""
    _check_rate(key, value)
    ends = dict(checks.pairs(key, value))
    if ends["high"] is not None and ends["high"] < ends["low"]:
        raise checks.BadField(f"is below low={ends['low']:g}", key=f"{key}.high", value=ends["high"])


_FOUND: Mapping[str, checks.Check] = {
    **_ASKED,
    **_CLUSTER,
    **dict.fromkeys(("load", "value", "share", "low", "high"), _MAYBE),
    "horizon_s": FIELDS["horizon_s"],
    **dict.fromkeys(("design", "why_open", "binding"), _TEXT),
    "rate": checks.optional(_interval),
    **dict.fromkeys(("undecided", "next", "certificate"), _check_each),
    **dict.fromkeys(("decided", "none"), checks.truth),
    **dict.fromkeys(("seeds", "probes", "runs", "requests"), _COUNT),
    "holds_longer": checks.optional(checks.truth),
    "longer": checks.optional(_record(_LONGER, _LONGER)),
    "short_of": _SHORT_OF,
    "more": checks.optional(_record({**_MORE, "is_in_proportion": checks.truth}, _MORE)),
    "audit": checks.optional(_record({**_AUDIT, "violations": checks.each(_NAME)}, _AUDIT)),
}
_PLAN: Mapping[str, checks.Check] = {
    "found": checks.each(_record(_FOUND, _ASKED)),
    **dict.fromkeys(("runs", "requests", "wasted"), _COUNT),
    "is_done": checks.truth,
}
_check_plan = _record(_PLAN, ["found"])


def check_plan(values: object) -> None:
    """Raise BadField where a value of a plan (`sync.results.found.Plan`) is none that a planner writes."""
    _check_plan("", values)
