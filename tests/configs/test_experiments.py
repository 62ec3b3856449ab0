"""`+experiment=...`: SplitwiseSim's names make the runs that they make there, counted with the paper's formulas.

The slow tests compose the configuration of each of an experiment's hundreds of runs.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from configs.compose import CONFIG_DIR, Composer
from configs.multirun import runs_of
from sim_core.errors import SpecError

A100_DOLLARS, H100_DOLLARS = 2.21, 4.76
A100_POWER, H100_POWER, CAPPED_POWER = 24.8, 44, 30.8
NAMES = {
    *(f"baseline_{sku}_costopt" for sku in ("a100", "h100")),
    *(f"{budget}_cluster" for budget in ("isocost", "isopower", "isocount")),
    *(f"splitwise_{d}_{kind}" for d in ("aa", "ha", "hh", "hhcap") for kind in ("costopt", "isocost", "isopower")),
    "traces", "traces_light",
}  # fmt: skip
CODE_AND_CONV, ISOCOST_RATES, ISOPOWER_RATES = ("rr_code", "rr_conv"), range(50, 181, 10), range(50, 251, 10)
SIZES = {
    "splitwise_hh_isocost": 196, "splitwise_aa_isocost": 476, "splitwise_ha_isocost": 196,
    "splitwise_hhcap_isocost": 196,
    "splitwise_hh_isopower": 7 * 21 * 2, "splitwise_aa_isopower": 13 * 21 * 2, "splitwise_hhcap_isopower": 7 * 21 * 2,
    "splitwise_ha_isopower": 7 * 21,
    "baseline_a100_costopt": 139 * 2, "baseline_h100_costopt": 79 * 2, "splitwise_aa_costopt": 69 * 69 * 2,
    "splitwise_hh_costopt": 39 * 39 * 2, "splitwise_ha_costopt": 39 * 69 * 2, "splitwise_hhcap_costopt": 39 * 39 * 2,
    "isocost_cluster": 39, "isopower_cluster": 39, "isocount_cluster": 39, "traces": 21, "traces_light": 24,
}  # fmt: skip
Machines = dict[str, int]
# design and budget -> from the number that is varied: machines by SKU, and (machines for prompts, for decodes)
DESIGNS: dict[str, Callable[[int], tuple[Machines, tuple[int, int]]]] = {
    "splitwise_hh_isocost": lambda n: ({"dgx-a100": 0, "dgx-h100": 40}, (40 - n, n)),
    "splitwise_aa_isocost": lambda n: ({"dgx-a100": 86, "dgx-h100": 0}, (86 - n, n)),
    "splitwise_ha_isocost": lambda n: (
        {"dgx-a100": int(H100_DOLLARS * (40 - n) // A100_DOLLARS), "dgx-h100": n},
        (n, int(H100_DOLLARS * (40 - n) // A100_DOLLARS)),
    ),
    "splitwise_hhcap_isocost": lambda n: ({"dgx-h100-pcap": 40 - n, "dgx-h100": n}, (n, 40 - n)),
    "splitwise_hh_isopower": lambda n: ({"dgx-a100": 0, "dgx-h100": 40}, (40 - n, n)),
    "splitwise_aa_isopower": lambda n: ({"dgx-a100": 70, "dgx-h100": 0}, (70 - n, n)),
    "splitwise_ha_isopower": lambda n: (
        {"dgx-a100": int(H100_POWER * (40 - n) // A100_POWER), "dgx-h100": n},
        (n, int(H100_POWER * (40 - n) // A100_POWER)),
    ),
    "splitwise_hhcap_isopower": lambda n: (
        {"dgx-h100-pcap": int(H100_POWER * (40 - n) // CAPPED_POWER), "dgx-h100": n},
        (n, int(H100_POWER * (40 - n) // CAPPED_POWER)),
    ),
}


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer()


def runs(name: str, *more: str) -> list[dict[str, str]]:
    """Every run of an experiment, as its overrides."""
    return [dict(text.split("=", 1) for text in run) for run in runs_of([f"+experiment={name}", *more])]


def resolved(composer: Composer, run: dict[str, str]) -> dict[str, object]:
    return composer.resolved([f"{key}={value}" for key, value in run.items()])


def machines_and_roles(config: dict[str, object]) -> tuple[Machines, tuple[int, int]]:
    cluster, state = config["cluster"], config["start_state"]
    assert isinstance(cluster, dict) and isinstance(state, dict)
    counts = {group["sku"]: group["count"] for group in cluster["servers"]}
    if state["split_type"] == "homogeneous":
        return counts, (state["prompt"]["num_instances"], state["token"]["num_instances"])
    (prompt,), (token,) = state["prompt"]["instance_names"], state["token"]["instance_names"]
    return counts, (counts[prompt], counts[token])


def trace_of(config: dict[str, object]) -> str:
    trace = config["trace"]
    assert isinstance(trace, dict)
    return str(trace["filename"])


def test_every_name_that_splitwisesim_has_is_there_and_counted_here() -> None:
    assert {path.stem for path in (CONFIG_DIR / "experiment").glob("*.yaml")} >= NAMES == set(SIZES)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_an_experiment_makes_as_many_runs_as_there_and_no_run_twice(name: str) -> None:
    made = runs(name)
    assert len(made) == len({tuple(sorted(run.items())) for run in made}) == SIZES[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(DESIGNS))
def test_a_budget_is_divided_by_the_papers_formula_at_every_point(name: str, composer: Composer) -> None:
    rates = ISOCOST_RATES if name.endswith("isocost") else ISOPOWER_RATES
    varied = range(5, {"splitwise_aa_isocost": 86, "splitwise_aa_isopower": 70}.get(name, 40), 5)
    workloads = ("rr_conv",) if name == "splitwise_ha_isopower" else CODE_AND_CONV
    made = {}
    for run in runs(name):
        config = resolved(composer, run)
        made[int(run["+sweep"]), trace_of(config)] = machines_and_roles(config)
        assert config["seed"] == 0
    assert made == {
        (n, f"{workload}_{rate}"): DESIGNS[name](n) for n, rate, workload in product(varied, rates, workloads)
    }


def test_the_published_iso_cost_and_iso_power_clusters_are_among_them() -> None:
    assert DESIGNS["splitwise_ha_isocost"](30) == ({"dgx-a100": 21, "dgx-h100": 30}, (30, 21))
    assert DESIGNS["splitwise_ha_isopower"](25) == ({"dgx-a100": 26, "dgx-h100": 25}, (25, 26))
    assert DESIGNS["splitwise_hhcap_isopower"](25) == ({"dgx-h100-pcap": 21, "dgx-h100": 25}, (25, 21))


@pytest.mark.parametrize(
    ("name", "prompts", "tokens", "clusters"),
    [
        ("splitwise_aa_costopt", 69, 69, lambda p, t: {"dgx-a100": p + t, "dgx-h100": 0}),
        ("splitwise_hh_costopt", 39, 39, lambda p, t: {"dgx-a100": 0, "dgx-h100": p + t}),
        ("splitwise_ha_costopt", 39, 69, lambda p, t: {"dgx-a100": t, "dgx-h100": p}),
        ("splitwise_hhcap_costopt", 39, 39, lambda p, t: {"dgx-h100-pcap": t, "dgx-h100": p}),
    ],
)
def test_the_cheapest_is_sought_among_all_pairs_of_machine_counts(
    name: str, prompts: int, tokens: int, clusters: Callable[[int, int], Machines], composer: Composer
) -> None:
    made = runs(name)
    pairs = product(range(1, prompts + 1), range(1, tokens + 1))
    assert {(int(run["+prompt_sweep"]), int(run["+token_sweep"])) for run in made} == set(pairs)
    for run in made[:: len(made) // 20]:
        config = resolved(composer, run)
        pair = int(run["+prompt_sweep"]), int(run["+token_sweep"])
        assert machines_and_roles(config) == (clusters(*pair), pair)
        assert trace_of(config) == f"{run['+fname']}_70_2min"


@pytest.mark.parametrize(("sku", "most"), [("a100", 139), ("h100", 79)])
def test_baselines_for_one_load_have_one_machine_to_many_and_balance_by_tokens(
    sku: str, most: int, composer: Composer
) -> None:
    made = {}
    for run in runs(f"baseline_{sku}_costopt"):
        config = resolved(composer, run)
        cluster, applications = config["cluster"], config["applications"]
        assert isinstance(cluster, dict) and isinstance(applications, list)
        assert applications[0]["scheduler"] == "token_jsq"
        counts = {group["sku"]: group["count"] for group in cluster["servers"]}
        own = counts.pop(f"dgx-{sku}")
        made[own, trace_of(config)] = sum(counts.values())
    assert made == {(n, f"{w}_70_2min"): 0 for n, w in product(range(1, most + 1), CODE_AND_CONV)}


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("isocost_cluster", lambda n: int(H100_DOLLARS * (40 - n) // A100_DOLLARS)),
        ("isopower_cluster", lambda n: int(H100_POWER * (40 - n) // A100_POWER)),
        ("isocount_cluster", lambda n: 40 - n),
    ],
)
def test_clusters_of_one_budget_trade_h100_for_a100(
    name: str, others: Callable[[int], int], composer: Composer
) -> None:
    for run in runs(name):
        cluster = resolved(composer, run)["cluster"]
        assert isinstance(cluster, dict)
        n = int(run["+sweep"])
        assert [group["count"] for group in cluster["servers"]] == [others(n), n]


def test_light_loads_are_rounded_to_tenths(composer: Composer) -> None:
    names = [trace_of(resolved(composer, run)) for run in runs("traces_light")]
    assert names == [f"rr_code_{tenths / 10}" for tenths in range(2, 50, 2)]


def test_the_command_line_takes_the_place_of_an_experiments_values() -> None:
    assert len(runs("splitwise_ha_isocost", "+fname=rr_conv", "+sweep=30,35")) == 2 * 14
    assert len(runs("splitwise_ha_isocost", "seed=0,1")) == 2 * 196


def test_an_interval_is_refused_with_what_to_say_instead() -> None:
    with pytest.raises(SpecError, match=r"^seed='interval\(0, ?3\)': .*range\(start, stop, step\)"):
        runs_of(["seed=interval(0,3)"])
