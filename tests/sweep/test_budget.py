from __future__ import annotations

import pytest

from configs.gpu_power import with_gpu_watts
from configs.machines import MachineFigures, provisioned_watts, read_machines
from sim_core.errors import SpecError
from sweep.experiment.budget import Budget, parse_budget, parse_machines, with_figures
from sweep.experiment.point import project_root

FIGURES = with_gpu_watts(read_machines(project_root()), project_root())
A100, H100, CAPPED = "dgx-a100", "dgx-h100", "dgx-h100-pcap"


def budget(raw: object) -> Budget:
    found = parse_budget(raw)
    assert found is not None
    return found


def test_the_papers_formulas_come_out_at_every_number_of_machines() -> None:
    cost, power = budget({"cost": {H100: 40}}), budget({"power": {H100: 40}})
    for h in range(41):
        assert cost.buys(A100, FIGURES, H100, h) == int(4.76 * (40 - h) // 2.21)
        assert cost.buys(CAPPED, FIGURES, H100, h) == 40 - h
        assert power.buys(A100, FIGURES, H100, h) == int(44 * (40 - h) // 24.8)
        assert power.buys(CAPPED, FIGURES, H100, h) == int(44 * (40 - h) // 30.8)


@pytest.mark.parametrize(
    ("raw", "machines"),
    [
        ({"cost": {H100: 40}}, {A100: 86, H100: 40, CAPPED: 40}),
        ({"power": {H100: 40}}, {A100: 70, H100: 40, CAPPED: 57}),
        ({"count": {H100: 40}}, {A100: 40, H100: 40, CAPPED: 40}),
        ({"count": 40}, {A100: 40, H100: 40}),
        ({"cost": 1523.2}, {A100: 86, H100: 40}),
        ({"watts": 408000}, {A100: 62, H100: 40, CAPPED: 57}),
        ({"gpu_watts": {H100: 40}}, {A100: 70, H100: 40, CAPPED: 80}),
        ({"gpu_watts": 224000}, {A100: 70, H100: 40, CAPPED: 80}),
        ({"cost": {H100: 20, A100: 43}}, {A100: 86, H100: 39}),
    ],
)
def test_a_budget_buys_so_many_machines_of_one_kind(raw: object, machines: dict[str, int]) -> None:
    assert {sku: budget(raw).buys(sku, FIGURES) for sku in machines} == machines


def test_the_most_that_gpus_draw_is_known_of_every_machine_and_less_than_its_nameplate() -> None:
    assert all(0 < machine.gpu_watts < machine.watts for machine in FIGURES.values())


def test_a_machine_of_whose_gpus_nothing_is_known_buys_nothing_of_a_budget_of_theirs_until_it_is_given() -> None:
    with pytest.raises(SpecError, match=r"gpu_watts=0.0: must be above 0 to buy 'dgx-h100' of a budget; give it under"):
        budget({"gpu_watts": 1000}).buys(H100, read_machines(project_root()))
    given = with_figures(read_machines(project_root()), parse_machines({H100: {"gpu_watts": 5000}}))
    assert budget({"gpu_watts": 11_000}).buys(H100, given) == 2
    assert given[H100].source == FIGURES[H100].source


def test_an_amount_of_money_is_spent_to_the_last_machine_that_it_is_exactly_enough_for() -> None:
    for count in range(1, 200):
        assert budget({"cost": round(38.08 * count, 2)}).buys(H100, FIGURES) == count
        assert budget({"cost": round(38.08 * 5 + 17.68 * count, 2)}).buys(A100, FIGURES, H100, 5) == count


def test_a_pair_is_never_dearer_than_its_budget() -> None:
    for raw in ({"cost": {H100: 40}}, {"power": {H100: 40}}, {"watts": 100_000}, {"cost": {A100: 10, H100: 3}}):
        kind = budget(raw)
        for prompts in range(9):
            for first in (A100, H100, CAPPED):
                for second in (A100, H100, CAPPED):
                    bought = kind.buys(second, FIGURES, first, prompts)
                    spent = prompts * kind.weight(first, FIGURES) + bought * kind.weight(second, FIGURES)
                    assert spent <= kind.total(FIGURES) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (0, "say one of cost, power, watts, gpu_watts, count"),
        ({}, "say one of"),
        ({"cost": 1, "power": 2}, "say one of"),
        ({"price": 4}, "unknown kind of budget"),
        ({"cost": 0}, "above 0"),
        ({"cost": -3.5}, "above 0"),
        ({"cost": float("nan")}, "above 0"),
        ({"cost": float("inf")}, "above 0"),
        ({"cost": True}, "above 0"),
        ({"cost": "a lot"}, "above 0"),
        ({"cost": {}}, "above 0"),
        ({"cost": {H100: 0}}, "at least 1"),
        ({"cost": {H100: 2.5}}, "whole number"),
        ({"power": 1760}, "power weights have no unit"),
        ({"count": -1}, "at least 1"),
    ],
)
def test_a_budget_that_is_none_is_refused_in_one_line(raw: object, told: str) -> None:
    with pytest.raises(SpecError, match=r"^budget") as caught:
        parse_budget(raw)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_machine_is_answered_with_the_nearest() -> None:
    with pytest.raises(SpecError, match="did you mean 'dgx-h100'"):
        budget({"cost": {"dgx-h10": 4}}).buys(A100, FIGURES)
    with pytest.raises(SpecError, match="did you mean 'dgx-a100'"):
        budget({"cost": {H100: 4}}).buys("dgx-a10", FIGURES)


def test_prices_of_an_experiment_take_the_place_of_the_files_and_must_be_above_0() -> None:
    cheap = with_figures(FIGURES, parse_machines({A100: {"dollars_per_hour": 8.84}}))
    assert budget({"cost": {H100: 40}}).buys(A100, cheap) == 172
    assert (cheap[A100].power_weight, cheap[H100]) == (24.8, FIGURES[H100])
    for raw, told in (
        ({A100: {"dollars_per_hour": 0}}, "machines.dgx-a100.dollars_per_hour=0: must be a number above 0"),
        ({A100: {"price": 3}}, "unknown figure"),
        ({A100: 3}, "give some of dollars_per_hour, power_weight, watts"),
    ):
        with pytest.raises(SpecError) as caught:
            parse_machines(raw)
        assert told in str(caught.value)
    with pytest.raises(SpecError, match="a new one needs power_weight"):
        with_figures(FIGURES, parse_machines({"dgx-mine": {"dollars_per_hour": 60}}))


def test_a_machine_without_watts_cannot_be_bought_by_watts_and_makes_those_of_a_cluster_unknown() -> None:
    figures = {**FIGURES, "mine": MachineFigures(10.0, 20.0)}
    with pytest.raises(SpecError, match=r"watts=0\.0: must be above 0 to buy 'mine'"):
        budget({"watts": 1000}).buys("mine", figures)
    assert provisioned_watts({H100: 2, A100: 1, "mine": 0}, figures) == 26_900
    assert provisioned_watts({H100: 2, "mine": 1}, figures) == 0.0
