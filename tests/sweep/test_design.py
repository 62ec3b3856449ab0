from __future__ import annotations

import pytest

from sim_core.simulation import Simulation
from sweep.experiment.file import parse_experiment
from sync.results.slo_file import PAPER, Slo
from tests.sweep.points import error_of, points_of

HEAD = """\
name: x
budget: {cost: {dgx-h100: 4}}
overrides: {performance_model: db, trace.filename: rr_conv_4_30s}
systems:
"""
HA = "  ha: {design: {prompt: dgx-h100, token: dgx-a100}}\n"


def error_in_file(text: str, *extra: str) -> str:
    message = error_of(text, *extra)
    assert "x.yaml" in message
    return message


def test_without_a_word_on_counts_all_splits_on_the_frontier_are_points() -> None:
    assert [p.machines for p in points_of(HEAD + HA)] == [
        {"dgx-a100": 6, "dgx-h100": 1},
        {"dgx-a100": 4, "dgx-h100": 2},
        {"dgx-a100": 2, "dgx-h100": 3},
    ]
    # the other way round several numbers of A100 machines leave the same for H100: only the largest is on the frontier
    turned = points_of(HEAD + "  ah: {design: {prompt: dgx-a100, token: dgx-h100}}\n")
    assert [p.machines for p in turned] == [
        {"dgx-h100": 3, "dgx-a100": 2},
        {"dgx-h100": 2, "dgx-a100": 4},
        {"dgx-h100": 1, "dgx-a100": 6},
    ]


def test_a_baseline_is_what_the_budget_buys_and_a_split_of_one_kind_shares_that_out() -> None:
    text = HEAD + "  base: {design: {baseline: dgx-a100}}\n  aa: {design: {prompt: dgx-a100, token: dgx-a100}}\n"
    base, *splits = points_of(text)
    assert (base.machines, base.name) == ({"dgx-a100": 8}, "base 8xA100 conv 4 rps")
    assert [p.name for p in splits] == [f"aa {n}P+{8 - n}T conv 4 rps" for n in range(1, 8)]
    assert "applications.0.scheduler=token_jsq" in base.overrides
    assert "applications.0.scheduler=mixed_pool" in splits[0].overrides


LLAMA = """\
performance_model: db, applications.0.model_architecture: llama2-70b, applications.0.model_size: llama2-70b-fp16,
  start_state.instance.tensor_parallelism: 2"""


def test_the_machines_of_a_baseline_are_filled_with_instances_as_those_of_a_split_are() -> None:
    text = HEAD.replace("performance_model: db", LLAMA) + "  base: {design: {baseline: dgx-h100}}\n"
    for more in ((), ("start_state=orca",)):
        (point,) = points_of(text, *more)
        assert len(Simulation(point.spec).replicas[0]) == 4 * 4
    (whole,) = points_of(text, "start_state.fill_machine=false")
    assert len(Simulation(whole.spec).replicas[0]) == 4


def test_a_baseline_whose_instances_fill_their_machines_is_the_run_that_it_was_before_that_could_be_said() -> None:
    (point,) = points_of(HEAD + "  base: {design: {baseline: dgx-h100}}\n")
    assert "fill_machine" not in point.spec.canonical()


def test_either_number_says_the_other_also_from_the_command_line() -> None:
    text = HEAD + "  ha: {design: {prompt: dgx-h100, token: dgx-a100}, axes: {token_machines: '2, 4'}}\n"
    assert [p.machines["dgx-h100"] for p in points_of(text)] == [3, 2]
    assert [p.machines["dgx-h100"] for p in points_of(text, "token_machines=6")] == [1]
    assert [p.machines for p in points_of(HEAD + HA, "prompt_machines=2")] == [{"dgx-a100": 4, "dgx-h100": 2}]


def test_what_an_experiment_says_of_the_scheduler_stands() -> None:
    text = HEAD.replace("performance_model: db", "performance_model: db, applications.0.scheduler: kv_jsq") + HA
    assert all("applications.0.scheduler=kv_jsq" in p.overrides for p in points_of(text))


def test_prices_of_the_experiment_count_in_its_points_and_its_budget() -> None:
    text = HEAD.replace("overrides", "machines: {dgx-a100: {dollars_per_hour: 38.08, watts: 5000}}\noverrides") + HA
    points = points_of(text)
    assert [p.machines for p in points] == [{"dgx-a100": 4 - n, "dgx-h100": n} for n in (1, 2, 3)]
    assert {p.cost for p in points} == {152.32}
    assert [p.watts for p in points] == [5000.0 * (4 - n) + 10200.0 * n for n in (1, 2, 3)]


def test_a_new_machine_type_pairs_with_any_other() -> None:
    names = ("dgx-a100", "dgx-h100", "dgx-h100-pcap")
    pairs = [(a, b) for a in names for b in names]
    systems = "".join(f"  {a}.{b}: {{design: {{prompt: {a}, token: {b}}}}}\n" for a, b in pairs)
    for point in points_of(HEAD + systems):
        prompt, token = point.system.split(".")
        assert set(point.machines) == {prompt, token}
        assert point.cost <= 4 * 38.08


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEAD + "  s: {design: {baseline: dgx-a10}}\n", "did you mean 'dgx-a100'"),
        (HEAD + "  s: {design: {prompt: dgx-h100}}\n", "say either {baseline: SKU} or {prompt: SKU, token: SKU}"),
        (HEAD + "  s: {design: {prompts: dgx-h100}}\n", "did you mean 'prompt'"),
        (HEAD + "  s: {design: {baseline: 3}}\n", "name a machine"),
        (HEAD + "  s: {design: dgx-h100}\n", "systems.s.design"),
        (HEAD + "  s: {design: {baseline: dgx-h100}, axes: {machines: 3}}\n", "leave out one of the two"),
        (HEAD.replace("4}", "1}") + HA, "not enough for one dgx-h100 and one dgx-a100"),
        (HEAD.replace("{dgx-h100: 4}", "17") + "  s: {design: {baseline: dgx-a100}}\n", "not enough for one dgx-a100"),
        (HEAD.replace("{dgx-h100: 4}", "0") + HA, "budget.cost=0: must be a number above 0"),
        (HEAD.replace("{dgx-h100: 4}", "1e12") + HA, "too many: say prompt_machines"),
        (HEAD + HA.replace("}}\n", "}, axes: {prompt_machines: 4}}\n"), "the budget is not enough for one, with"),
        (
            HEAD + HA.replace("}}\n", "}, axes: {prompt_machines: 2, token_machines: 2}}\n"),
            "of prompt_machines, token_machines and the budget two say the third",
        ),
        (
            HEAD.replace("budget: {cost: {dgx-h100: 4}}\n", "") + HA,
            "say how many: an axis prompt_machines, or a budget",
        ),
        (HEAD + "  s: {overrides: {cluster: dgx-h100}}\n", "no system has a design that could make use of it"),
        (HEAD + HA.replace("}}\n", "}, overrides: {cluster: dgx-h100}}\n"), "the design says which machines"),
        (HEAD.replace("budget", "slo: {seconds: {ttft: {p98: 1}}}\nbudget") + HA, "did you mean 'p99'"),
        (HEAD.replace("budget", "slo: mine.yaml\nbudget") + HA, "write the limits here"),
    ],
)
def test_a_design_that_cannot_be_is_one_line_before_anything_runs(text: str, told: str) -> None:
    assert told in error_in_file(text)


def test_a_role_left_without_machines_from_the_command_line_is_one_line_too() -> None:
    assert "the budget is not enough for one, with prompt_machines=9" in error_in_file(HEAD + HA, "prompt_machines=9")
    for count in ("0", "-1", "2.5", "two"):
        assert "must be a whole number of machines, at least 1" in error_in_file(HEAD + HA, f"prompt_machines={count}")
    assert "must be a whole number" in error_in_file(
        HEAD.replace("budget: {cost: {dgx-h100: 4}}\n", "")
        + "  s: {design: {baseline: dgx-h100}, axes: {machines: 0}}\n"
    )


def test_an_experiment_has_the_papers_slo_unless_it_says_its_own() -> None:
    assert parse_experiment(HEAD + HA, "x.yaml").slo == PAPER
    own = parse_experiment(HEAD.replace("budget", "slo: {seconds: {ttft: {p99: 1}}}\nbudget") + HA, "x.yaml").slo
    assert own == Slo(seconds={"ttft": {"p99": 1.0}})
