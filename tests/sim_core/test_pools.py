"""Several replicas a machine, pools of unlike tensor parallelism, and several models side by side: what they hold, how
fast they are, and what they cost."""

from __future__ import annotations

import csv
import warnings
from array import array
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from configs.compose import CONFIG_DIR, Composer
from configs.machines import cost_and_power, read_machines
from sim_core import CapacityError, SimSpec, SpecError, Trace, spec_from_config
from sim_core.errors import SpecWarning
from sim_core.performance.curve import seconds_at
from sim_core.replica import Replica
from sim_core.simulation import Simulation
from sweep.single.summary import text_summary
from sync.results.measure import MeasuredRun
from tests.runs import measured
from tests.sim_core import worlds
from tests.sweep.points import points_of

ROOT = CONFIG_DIR.parent
GPU_BYTES, LLAMA_BYTES, LLAMA_KV_BYTES = 80 * 1024**3, 135_000_000_000, 2 * 8192 * 80 * 2
LLAMA = ["applications.0.model_architecture=llama2-70b", "applications.0.model_size=llama2-70b-fp16"]
# 8 GPUs at TP 2: tokens of KV cache of a replica, from the two GPUs' memory by the rule of each engine
HELD = {
    "baseline": (2 * GPU_BYTES - LLAMA_BYTES) // LLAMA_KV_BYTES,
    "orca": (2 * GPU_BYTES - LLAMA_BYTES) // LLAMA_KV_BYTES,
    "vllm": (int((0.92 * 2 * GPU_BYTES - LLAMA_BYTES) / (16 * LLAMA_KV_BYTES)) - 1) * 16,  # one block is never used
    "sglang": int((0.88 * 2 * GPU_BYTES - LLAMA_BYTES) / LLAMA_KV_BYTES),
    "trtllm": int(0.9 * (2 * GPU_BYTES - LLAMA_BYTES) / (32 * LLAMA_KV_BYTES)) * 32,
}
DUO = ["applications=duo", "cluster=half_half", "cluster.servers.0.count=2", "performance_model=db"]

composer = cache(Composer)

pytestmark = pytest.mark.filterwarnings("ignore:.*left out as implausible")  # of the measurements, not of machines


def spec_of(*overrides: str) -> SimSpec:
    return spec_from_config(composer().resolved(list(overrides)), ROOT)


def prompt_s(hardware: str, parallelism: int, tokens: int = 512, model: str = "llama2-70b") -> float:
    """The measured time of a prompt."""
    return column(model, hardware, parallelism, "prompt_time_s")[tokens]


def decode_s(hardware: str, parallelism: int, model: str = "llama2-70b") -> float:
    """The time of one decode alone, which is below the first point measured."""
    by_tokens = column(model, hardware, parallelism, "token_time_s")
    return seconds_at(list(by_tokens), list(by_tokens.values()), 1)


def column(model: str, hardware: str, parallelism: int, name: str) -> dict[int, float]:
    with (ROOT / "data" / "performance_curves.csv").open() as file:
        wanted = (model, hardware, str(parallelism))
        rows = [row for row in csv.DictReader(file)
                if (row["model"], row["hardware"], row["tensor_parallel"]) == wanted]  # fmt: skip
    return {int(row["batch_tokens"]): float(row[name]) for row in rows}


def times_of(result: MeasuredRun) -> Iterator[tuple[float, float]]:
    yield from zip(result.requests["ttft_s"], result.requests["tbt_s"], strict=True)


def dollars(spec: SimSpec) -> float:
    return cost_and_power(spec.machine_counts(), read_machines(ROOT))[0]


# -- several replicas a machine ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", HELD)
def test_eight_gpus_at_tp_2_are_four_replicas_with_the_memory_and_the_speed_of_two_gpus_each(state: str) -> None:
    spec = spec_of(*LLAMA, "cluster=half_half", "cluster.servers.0.count=0", "cluster.servers.1.count=2",
                   "performance_model=db", "applications.0.scheduler=round_robin", f"start_state={state}",
                   "start_state.instance.tensor_parallelism=2", "start_state.fill_machine=true")  # fmt: skip
    replicas = Simulation(spec).replicas[0]
    assert [replica.kv.capacity for replica in replicas] == [HELD[state]] * 2 * 4
    result = measured(spec, worlds.trace([(10.0 * row, 512, 3) for row in range(8)]))
    expected = (prompt_s("h100-80gb", 2), decode_s("h100-80gb", 2))
    assert list(times_of(result)) == [pytest.approx(expected)] * 8
    assert sorted(result.requests["prompt_instance"]) == list(range(8))  # each replica has served one
    assert result.instances["sku"] == ["dgx-h100"] * 8 and result.instances["processors"] == [2] * 8
    assert spec.machine_counts() == {"dgx-h100": 2}


@pytest.mark.parametrize("state", ["baseline", "vllm", "sglang", "trtllm"])
def test_the_machines_of_a_filled_design_are_counted_and_paid_once(state: str) -> None:
    (point,) = points_of(f"""\
name: x
overrides: {{performance_model: db, applications.0.model_architecture: llama2-70b,
  applications.0.model_size: llama2-70b-fp16, trace.filename: rr_conv_4_10s, start_state: {state}}}
systems:
  four: {{design: {{baseline: dgx-h100}}, axes: {{machines: 2, start_state.instance.tensor_parallelism: 2}}}}
""")
    assert len(Simulation(point.spec).replicas[0]) == 8
    assert (point.machines, point.cost) == ({"dgx-h100": 2}, 2 * 38.08)


# -- pools of unlike tensor parallelism ----------------------------------------------------------------------------

POOLS = [*LLAMA, "cluster=half_half", "performance_model=db", "start_state.prompt.tensor_parallelism=4"]


@pytest.mark.parametrize("state", ["splitwise", "vllm_pools"])
@pytest.mark.parametrize("scheduler", ["mixed_pool", "kv_token_jsq"])
@pytest.mark.parametrize("token_sku", ["dgx-a100", "dgx-h100"])
def test_a_prompt_pool_at_tp_4_and_a_token_pool_at_tp_8_have_times_and_memory_of_their_own(
    state: str, scheduler: str, token_sku: str
) -> None:
    like = token_sku == "dgx-h100"
    own = ["start_state.split_type=homogeneous", "cluster.servers.0.count=0", "cluster.servers.1.count=2"]
    own = own if like else ["start_state.split_type=heterogeneous"]
    spec = spec_of(f"start_state={state}", *POOLS, *own, f"applications.0.scheduler={scheduler}")
    replicas = Simulation(spec).replicas[0]
    by_role = {"prompt": [4, 4], "token": [8]}
    for role, processors in by_role.items():
        members = [replica for replica in replicas if replica.role == role]
        assert [replica.processors for replica in members] == processors
        assert [replica.memory.capacity_tokens for replica in members] == [
            (count * GPU_BYTES - LLAMA_BYTES) // LLAMA_KV_BYTES for count in processors
        ]
    result = measured(spec, worlds.trace([(10.0 * row, 512, 3) for row in range(4)]))
    token = "h100-80gb" if like else "a100-80gb"
    for (ttft_s, _), start_s, end_s in zip(
        times_of(result), *(result.requests[name] for name in ("token_start_s", "token_end_s")), strict=True
    ):
        assert ttft_s == pytest.approx(prompt_s("h100-80gb", 4))
        assert end_s - start_s == pytest.approx(2 * decode_s(token, 8))
    assert dollars(spec) == pytest.approx(2 * 38.08 if like else 38.08 + 17.68)


@pytest.mark.parametrize(("prompt", "token"), [("Splitwise", "ORCA"), ("Splitwise", "vllm"), ("vllm", "sglang")])
def test_roles_may_batch_by_unlike_policies(prompt: str, token: str) -> None:
    policies = [f"start_state.prompt.instance_type={prompt}", f"start_state.token.instance_type={token}"]
    roles = ["start_state=splitwise", "start_state.split_type=heterogeneous", "applications.0.scheduler=kv_jsq"]
    spec = spec_of(*POOLS, *roles, *policies)
    (state,) = spec.start_states
    assert [kind.policy for kind in state.kinds] == [prompt, token]
    result = measured(spec, worlds.trace([(row / 4, 400 + row, 20) for row in range(40)]))
    assert result.completed == 40


def test_times_are_asked_for_only_where_instances_of_a_role_may_run() -> None:
    spec = spec_of("start_state=splitwise", *POOLS, "start_state.split_type=heterogeneous",
                   "applications.0.scheduler=mixed_pool")  # fmt: skip
    of_instances = {("h100-80gb", 4), ("a100-80gb", 8)}  # the latter is the reference machine, too
    assert {(curve.hardware, curve.tensor_parallelism) for curve in spec.performance.curves} == of_instances


# -- several models ------------------------------------------------------------------------------------------------


def of_both(rows: list[tuple[float, int, int]]) -> Trace:
    return replace(worlds.trace(rows), application_id=array("q", [row % 2 for row in range(len(rows))]))


def kept(spec: SimSpec, number: int) -> list[Replica]:
    return Simulation(spec).replicas[number]


def test_two_models_have_engines_schedulers_and_machines_of_their_own() -> None:
    spec = spec_of(*DUO, "start_state=several_engines")
    result = measured(spec, of_both([(10.0 * row, 512, 3) for row in range(8)]))
    assert [(replica.role, replica.sku) for replica in kept(spec, 0)] == [("prompt", "dgx-h100"), ("token", "dgx-a100")]
    assert [replica.kv.capacity for replica in kept(spec, 1)] == [HELD["vllm"]] * 4
    assert {replica.sku for replica in kept(spec, 1)} == {"dgx-a100"}
    bloom = prompt_s("h100-80gb", 8, model="bloom-176b"), decode_s("a100-80gb", 8, "bloom-176b")
    llama = prompt_s("a100-80gb", 2), decode_s("a100-80gb", 2)
    for number, (ttft_s, tbt_s), start_s, end_s in zip(
        result.requests["application_id"], times_of(result),
        *(result.requests[name] for name in ("token_start_s", "token_end_s")), strict=True
    ):  # fmt: skip
        expected = llama if number else bloom
        assert ttft_s == pytest.approx(expected[0])
        assert (tbt_s if number else (end_s - start_s) / 2) == pytest.approx(expected[1])
    assert spec.machine_counts() == {"dgx-a100": 2, "dgx-h100": 1}
    assert dollars(spec) == pytest.approx(2 * 17.68 + 38.08)


def test_figures_are_by_application_in_the_summary_and_on_the_screen() -> None:
    spec, trace = spec_of(*DUO, "start_state=several_engines"), of_both([(row / 4, 512, 9) for row in range(20)])
    result = measured(spec, trace)
    head, *lines = text_summary(spec, trace, result, 1.0, "out").splitlines()
    assert "(0: bloom-176b, mixed_pool; 1: llama2-70b, token_jsq)" in head
    for number in (0, 1):
        ttft_s = result.summary[f"application_{number}/ttft/p99_s"]
        (line,) = (line for line in lines if line.startswith(f"app {number} "))
        assert line.startswith(f"app {number}      10 completed, p99 TTFT {ttft_s:.3f}s, TBT ")


def test_a_model_is_not_asked_for_times_at_the_tensor_parallelism_of_another() -> None:
    spec = spec_of(*DUO, "start_state=several_engines")
    found = {(curve.model, curve.tensor_parallelism) for curve in spec.performance.curves}
    assert found == {("bloom-176b", 8), ("llama2-70b", 2), ("llama2-70b", 8)}  # 8: also the reference machine


WRONG = {
    "start_state.parts.1.instance.tensor_parallelism=1":
        "start_state.parts.1.instance.tensor_parallelism=1: llama2-70b does not fit",
    "start_state.parts.1.instance.tensor_parallelism=16":
        "start_state.parts.1.instance.tensor_parallelism=16: a dgx-a100 has 8 processors",
    "start_state.parts.0.token.tensor_parallelism=2":
        "start_state.parts.0.token.tensor_parallelism=2: bloom-176b does not fit",
    "start_state.parts.0.machines.dgx-a100=3":
        "start_state.parts.0.machines.dgx-a100=3: application 0 asks for 3 dgx-a100 and 2 are left",
    "+start_state.parts.0.machines.dgx-a10=1":
        "start_state.parts.0.machines.dgx-a10=1: application 0 asks for 1 dgx-a10, and the cluster has none; did you "
        "mean 'dgx-a100'?",
    "start_state.parts.0.split_type=homogeneous start_state.parts.0.token.num_instances=4":
        "start_state.parts.0.prompt.num_instances=1: 1 prompt + 4 token machines are asked for and application 0 takes "
        "2; lower num_instances or raise its machines",
    "applications.1.scheduler=mixed_pool": "start_state.parts.1.prompt: scheduler 'mixed_pool' needs an instance",
    "start_state.parts.1.application_id=5": "start_state.parts.1.application_id=5: there is no such application",
}  # fmt: skip


@pytest.mark.parametrize("overrides", WRONG)
def test_errors_name_the_part_of_the_start_state_and_the_fix(overrides: str) -> None:
    with pytest.raises(SpecError) as error:
        Simulation(spec_of(*DUO, "performance_model=constant", "start_state=several_engines", *overrides.split()))
    assert str(error.value).startswith(WRONG[overrides])


def test_the_error_of_a_part_is_of_the_kind_that_it_was() -> None:
    with pytest.raises(CapacityError):
        Simulation(spec_of(*DUO, "start_state=several_engines", "start_state.parts.0.machines.dgx-a100=3"))


def test_warnings_name_the_part_too() -> None:
    with pytest.warns(SpecWarning, match=r"^start_state.parts.1.instance.tensor_parallelism=2: .*parts.1.fill_machine"):
        Simulation(spec_of(*DUO, "start_state=several_engines", "start_state.parts.1.fill_machine=false"))


def test_an_application_for_which_no_machine_is_left_is_said() -> None:
    spec = spec_of(*DUO, "start_state=several_engines", "start_state.parts.0.machines.dgx-a100=2")
    with pytest.warns(SpecWarning, match=r"^start_state.parts.1: no machine is left for application 1"):
        result = measured(spec, of_both([(row / 4, 512, 3) for row in range(4)]))
    assert (result.completed, result.rejected) == (2, 2)
    with warnings.catch_warnings(action="error"):
        Simulation(spec_of("start_state=unallocated"))  # which is meant
