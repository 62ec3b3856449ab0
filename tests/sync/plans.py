"""Plans made by hand, as a planner may have found them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sync.results.found import Audit, Checked, Found, Longer, More, Plan, Rate


def split(prompts: int, tokens: int) -> dict[str, Any]:
    """The facts of a cluster of H100 prompt and A100 token machines."""
    machines = {"dgx-h100": prompts, "dgx-a100": tokens}
    roles = {"prompt": {"dgx-h100": prompts}, "token": {"dgx-a100": tokens}}
    power = {"power": 1.75 * prompts + tokens, "watts": 10_200.0 * prompts + 6_500.0 * tokens}
    design = f"splitwise-ha {prompts}P+{tokens}T"
    return {"design": design, "machines": machines, "roles": roles, "cost": 38.08 * prompts + 17.6 * tokens, **power}


def alike(count: int) -> dict[str, Any]:
    """The facts of a cluster of H100 machines without roles."""
    draws = {"power": 1.75 * count, "watts": 10_200.0 * count}
    return {"design": f"baseline-h100 {count}", "machines": {"dgx-h100": count}, "cost": 38.08 * count, **draws}


def checked(prompts: int, tokens: int, verdict: Any, **changes: Any) -> Checked:
    values: dict[str, Any] = {**split(prompts, tokens), "rate": 70.0, "seeds": 8, "verdict": verdict, **changes}
    return Checked(**values)


def most(system: str = "splitwise-ha", **changes: Any) -> Found:
    """A decided answer to `most: rate`."""
    values: dict[str, Any] = {
        **(split(25, 32) if system == "splitwise-ha" else alike(40)),
        **{"system": system, "workload": "conv", "asks": "most", "measure": "rate", "confidence": 0.95, "width": 0.03},
        **{"rate": Rate(150.0, 151.4, 153.0), "decided": True, "seeds": 16, "horizon_s": 600.0},
        **{
            "binding": "TBT p90",
            "short_of": "decodes",
            "share": 0.931,
            "probes": 12,
            "runs": 96,
            "requests": 8_000_000,
        },
        **{"low": 150.0, "high": 153.0, "holds_longer": False},
        "longer": Longer(3600.0, 4, 2.1, "TTFT p99", holds=False),
        "certificate": (
            checked(24, 33, "fails", rate=150.0, share=1.3, limit="TTFT p99", t=9.5, short_of="prompts"),
            checked(26, 31, "undecided", rate=150.0, share=1.0, limit="TBT p90", seeds=64),
            checked(26, 31, "carries", rate=145.0, share=0.8, limit="TBT p90", t=-5.0),
            checked(20, 38, "fails", rate=120.0, share=9.0, limit="TTFT p99", seeds=2, short_of="prompts"),
            checked(20, 38, "carries", rate=100.0, share=0.5, limit="TTFT p99", t=-9.0),
        ),
    }
    return Found(**(values | changes))


def baseline(**changes: Any) -> Found:
    rate = Rate(114.0, 115.2, 117.0)
    own: dict[str, Any] = {"rate": rate, "low": rate.low, "high": rate.high, "short_of": "", "binding": "TTFT p90"}
    own |= {"holds_longer": True, "longer": Longer(3600.0, 4, 0.8, "TTFT p90", holds=True), "certificate": ()}
    return most("baseline-h100", **(own | changes))


def least(**changes: Any) -> Found:
    """A decided answer to `least: cost`."""
    cluster = split(12, 16)
    values: dict[str, Any] = {
        **cluster,
        **{"system": "splitwise-ha", "workload": "conv", "asks": "least", "measure": "cost"},
        **{"confidence": 0.95, "width": 0.03, "load": 70.0, "horizon_s": 600.0, "value": cluster["cost"]},
        **{"decided": True, "seeds": 8, "holds_longer": True, "binding": "TBT p90", "short_of": "decodes"},
        "longer": Longer(3600.0, 2, 0.8, "TBT p90", holds=True),
        **{"share": 0.71, "probes": 38, "runs": 310, "requests": 12_000_000},
        **{"low": cluster["cost"], "high": cluster["cost"]},
        "next": (checked(12, 15, "fails", share=1.4, limit="TBT p90", t=6.0, short_of="decodes"),),
        "more": More(77.0, cluster["cost"] + 62.0, "splitwise-ha 13P+17T", 3),
        "certificate": (
            checked(12, 15, "fails", share=1.4, limit="TBT p90", t=6.0, short_of="decodes"),
            checked(11, 17, "fails", share=3.2, limit="TTFT p99", short_of="prompts", seeds=2),
            *(checked(12, tokens, "inferred", below="splitwise-ha 12P+15T", seeds=0) for tokens in range(1, 15)),
            *(checked(11, tokens, "inferred", below="splitwise-ha 11P+17T", seeds=0) for tokens in range(1, 17)),
            checked(14, 14, "carries", share=0.9, limit="TTFT p99", t=-3.1),
        ),
        "audit": Audit(30, 5),
    }
    return Found(**(values | changes))


def cheapest_baseline(**changes: Any) -> Found:
    cluster = alike(24)
    own: dict[str, Any] = {**cluster, "roles": {}, "system": "baseline-h100", "value": cluster["cost"], "next": ()}
    own |= {"low": cluster["cost"], "high": cluster["cost"], "more": None, "audit": None}
    fails = Checked(**alike(23), roles={}, rate=70.0, seeds=8, verdict="fails", share=1.1, limit="TTFT p90", t=4.0)
    return replace(least(), **(own | {"certificate": (fails,)} | changes))


def undecided() -> Found:
    """A cheapest cluster below which two are open."""
    two = (
        checked(11, 16, "undecided", share=0.987, limit="TTFT p99", seeds=64),
        checked(13, 13, "open", seeds=0),
    )
    return least(decided=False, undecided=two, low=two[0].cost, why_open="no more than 64 seeds were asked for")


def plan(*found: Found, **changes: Any) -> Plan:
    return Plan(found, **({"runs": 406, "requests": 20_000_000, "wasted": 12, "is_done": True} | changes))


def plans() -> Mapping[str, Plan]:
    """A plan of each kind by name."""
    nothing: dict[str, Any] = {"design": "", "machines": {}, "roles": {}, "cost": 0.0, "power": 0.0, "watts": 0.0}
    nothing |= {"rate": None, "value": None, "decided": False, "holds_longer": None, "longer": None, "share": None}
    nothing |= {"certificate": (), "low": None, "high": None, "more": None, "audit": None, "seeds": 0, "next": ()}
    wide = most(rate=Rate(140.0, 148.0, 160.0), decided=False, why_open="64 seeds were run", holds_longer=None)
    fails = checked(40, 40, "fails", share=2.0, limit="TTFT p99", short_of="prompts")
    return {
        "most decided": plan(most(), baseline()),
        "most open": plan(replace(wide, longer=None), baseline(rate=Rate(139.0, 141.0, 143.0))),
        "least decided": plan(least(), cheapest_baseline()),
        "least undecided": plan(undecided(), cheapest_baseline()),
        "none most": plan(most(**nothing | {"none": True, "high": 0.5}), baseline()),
        "none least": plan(least(**nothing | {"none": True, "next": (fails,), "certificate": (fails,)})),
        "interrupted": plan(most(**nothing | {"low": 100.0, "high": 180.0}), is_done=False),
        "failed": plan(least(**nothing | {"why_open": "a run failed: no memory"})),
    }
