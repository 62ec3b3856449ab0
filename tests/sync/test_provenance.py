"""Every run says where the times of its steps come from, and answers that rest on extrapolation begin with that."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from types import SimpleNamespace

import pytest

from sim_core.performance.step_grid import packed, unpacked
from sim_core.spec import Deployment, PerformanceSpec
from sweep.experiment.point import Point
from sweep.single.summary import text_summary
from sync.analysis.terms import caveats, terms_lines, terms_of
from sync.results.provenance import caution, shares, shares_of_all, shares_text
from sync.results.slo import Slo
from tests.runs import measured
from tests.sim_core import context_times, worlds
from tests.sim_core.test_context_times import EXACT
from tests.sim_core.test_measurements import one_by_one, spec_of


def test_times_between_measured_points_are_interpolated_and_constants_are_given() -> None:
    assert shares(measured(spec_of(), one_by_one([1, 128, 32768])).summary) == {"interpolated": 1.0}
    assert shares(measured(worlds.spec(), worlds.trace([(0.0, 4, 3)])).summary) == {"given": 1.0}


def test_the_share_of_prompts_beyond_the_measurements_is_their_share_of_the_time() -> None:
    result = measured(spec_of(), one_by_one([1024, 40_000]))
    first, beyond = result.requests["ttft_s"]
    busy = sum(float(str(value)) for value in result.instances["busy_s"])
    assert busy > first + beyond  # decodes
    assert shares(result.summary) == pytest.approx({"interpolated": 1 - beyond / busy, "extrapolated": beyond / busy})


@pytest.mark.parametrize("batching", ["DEFAULT", "ORCA", "Splitwise", "vllm"])
def test_steps_whose_times_grow_with_context_are_asked_one_by_one(batching: str) -> None:
    spec = worlds.spec(count=1, kv_tokens=400, batch=worlds.instance(batching))
    spec = replace(spec, performance=PerformanceSpec("table", steps=(EXACT,)))
    found = shares(measured(spec, worlds.trace([(0.0, 8, 20), (1e6, 9, 1)])).summary)
    assert sum(found.values()) == pytest.approx(1.0)
    assert 0.0 < found["extrapolated"] < 1.0  # the decodes with more context, and the longer prompt
    assert set(found) <= {"measured", "interpolated", "extrapolated"}


def test_a_run_with_much_extrapolation_begins_with_that() -> None:
    spec, trace = spec_of(), one_by_one([1024, 40_000])
    result = measured(spec, trace)
    text = text_summary(spec, trace, result, 1.0, "")
    share = shares(result.summary)["extrapolated"]
    assert text.startswith(f"{100 * share:.3g}% of the simulated time is extrapolated: its steps have more tokens or")
    assert f"\nstep times {100 * (1 - share):.3g}% interpolated, {100 * share:.3g}% extrapolated\n" in text


def test_an_answer_over_runs_names_the_largest_share(outcome) -> None:
    runs = [
        outcome(summary={"provenance/interpolated": 1.0}),
        outcome(summary={"provenance/interpolated": 0.88, "provenance/extrapolated": 0.12}),
        outcome(summary={}),  # of a former version
    ]
    terms = terms_of(runs, Slo())
    assert caveats(terms)[0] == (
        "Up to 12% of the simulated time is extrapolated: its steps have more tokens or context than any measured one."
    )
    assert "88% to 100% interpolated, 0% to 12% extrapolated." in terms_lines(terms)[0]


def test_little_extrapolation_needs_no_caution_and_is_never_rounded_to_none() -> None:
    few = shares_of_all([{"provenance/interpolated": 0.9999, "provenance/extrapolated": 0.0001}])
    assert caution(few) == ""
    assert shares_text(few) == "over 99.9% interpolated, under 0.1% extrapolated"


def test_what_was_only_estimated_is_said_too() -> None:
    assert caution(shares_of_all([{"provenance/estimated": 1.0}])) == (
        "100% of the simulated time is estimated: it comes from formulas, and not from measured steps or kernels."
    )


def test_an_answer_over_several_engines_warns_that_their_order_decides_nothing(outcome) -> None:
    engines = [outcome(batching="vllm"), outcome(batching="sglang")]
    assert caveats(terms_of(engines, Slo()))[0].startswith("Engines are compared: ")
    assert caveats(terms_of([outcome(batching="vllm"), outcome(batching="Splitwise and vllm")], Slo())) == []


@pytest.mark.parametrize("batching", ["Splitwise", "vllm"])
def test_parts_of_steps_that_come_from_formulas_are_estimated(batching: str) -> None:
    spec = worlds.spec(count=1, kv_tokens=400, batch=worlds.instance(batching))
    tables = replace(context_times.drawn("aiconfigurator", 1), options=())  # no launches, whose time is given
    spec = replace(spec, performance=tables)
    found = shares(measured(spec, worlds.trace([(0.0, 8, 20), (1e6, 9, 1)])).summary)
    assert sum(found.values()) == pytest.approx(1.0)
    assert 0.0 < found["estimated"] < 0.05  # 1 ms of steps of some 100 ms and more
    assert found["interpolated"] > 0.9


def test_an_answer_on_kernels_of_another_version_than_its_scheduler_says_so(outcome) -> None:
    runs = [outcome(batching="vllm", kernels="vllm 0.24.0")]
    assert caveats(terms_of(runs, Slo())) == [
        "Step times are of the kernels of vllm 0.24.0, and the scheduling is that of vllm 0.33.0."
    ]
    assert caveats(terms_of([outcome(batching="vllm", kernels="vllm 0.33.0")], Slo())) == []


def test_the_kernels_of_the_machine_that_slowdowns_are_relative_to_are_not_those_of_a_run() -> None:
    dice = Random(1)
    used, reference = (Deployment("tiny", "", 2, gpu, 1, 1, 1, "vllm") for gpu in ("box-gpu", "a100-80gb"))
    grids = tuple(context_times.grid_of_parts(deployment, dice) for deployment in (used, reference))
    told = [
        packed(grid.deployment, {**unpacked(grid), "source": {"engine": engine}})
        for grid, engine in zip(grids, ("vllm 0.24.0", "vllm 0.14.0"), strict=True)
    ]
    spec = replace(worlds.spec(), performance=PerformanceSpec("aiconfigurator", grids=tuple(told)))
    assert Point.kernels.fget(SimpleNamespace(spec=spec)) == "vllm 0.24.0"
