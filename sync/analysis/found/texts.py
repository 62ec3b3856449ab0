"""Names, figures and short phrases that the sentences and tables of a planner's answer share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, floor, log10

from configs.figure import figure
from sync.analysis.answers.words import shown
from sync.analysis.terms import duration_text
from sync.results.found import Checked, Found, Rate
from sync.results.point_id import rate_text

_DIGITS = 4  # significant ones of a rate that was searched
_SHORT_OF: Mapping[str, str] = {
    "prompts": "it is short of machines for prompts",
    "decodes": "it is short of machines for decodes",
    "memory": "it is short of memory",
    "links": "its links between machines are short",
}


def label(design: str, system: str) -> str:
    """`25P+32T` of `splitwise-ha 25P+32T`; the system's name where the design adds nothing."""
    return design.removeprefix(system).strip() or shown(system)


def full_name(found: Found) -> str:
    """`Splitwise-HA 25P+32T`; the system's name where there is no cluster."""
    own = label(found.design, found.system)
    return own if own == shown(found.system) else f"{shown(found.system)} {own}"


def has_cluster(found: Found) -> bool:
    """Whether a cluster is named that carries something."""
    return bool(found.design) and not found.none and (found.rate if found.asks == "most" else found.value) is not None


def down(rate: float) -> str:
    """A rate that is carried, rounded to what is carried for certain: `150.3` of 150.37."""
    return _rounded(rate, floor)


def up(rate: float) -> str:
    """A rate that is not carried, rounded up."""
    return _rounded(rate, ceil)


def near(rate: float) -> str:
    """A rate that is an estimate, rounded."""
    return _rounded(rate, round)


def _rounded(rate: float, to_whole: Callable[[float], int]) -> str:
    if rate <= 0.0 or len(rate_text(rate)) <= _DIGITS + 1:
        return rate_text(rate)
    unit = 10.0 ** (floor(log10(rate)) + 1 - _DIGITS)
    return rate_text(to_whole(round(rate / unit, 6)) * unit)


def rate_interval(rate: Rate) -> str:
    """`150 to 153`; `at least 150` while no rate is known that is not carried."""
    return f"at least {down(rate.low)}" if rate.high is None else f"{down(rate.low)} to {up(rate.high)}"


def price(value: float, measure: str) -> str:
    """A value of what is to be the least: `$739.84 an hour`, `130 kW`, `power weight 42`, `28 machines`."""
    if measure == "cost":
        return f"${value:,.2f} an hour"
    if measure == "watts":
        return f"{figure(value / 1000.0)} kW"
    return f"{value:,.0f} machines" if measure == "machines" else f"power weight {figure(value)}"


def price_of(checked: Checked, measure: str) -> float:
    """What a cluster takes of what is to be the least."""
    if measure == "machines":
        return float(sum(checked.machines.values()))
    return checked.watts if measure == "watts" else checked.power if measure == "power" else checked.cost


def times(share: float) -> str:
    """`1.4 times what it may`: how far beyond a limit the requests are."""
    text = f"{share:.3g}"
    return f"{f'{share:.4g}' if text == '1' else text} times what it may"


def short_text(short_of: str) -> str:
    """What a cluster lacks, as a clause; empty where that is not known."""
    return _SHORT_OF.get(short_of, "")


def time_words(seconds: float) -> str:
    """`an hour`, `10 min`."""
    return "an hour" if seconds == 3600.0 else duration_text(seconds)


def number_of_seeds(seeds: int) -> str:
    """`16 seeds`, `one seed`."""
    return "one seed" if seeds == 1 else f"{seeds:,} seeds"


def load_words(found: Found) -> str:
    """`carry 70 requests/s of conv`, `serve conv`."""
    if found.load is None:
        return f"serve {found.workload}"
    return f"carry {rate_text(found.load)} requests/s of {found.workload}"
