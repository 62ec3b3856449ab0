"""Start states: the instances of a machine, their processors and memory, and errors where something does not fit."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import chain

import pytest
import yaml

from configs.compose import CONFIG_DIR, Composer
from sim_core import CapacityError, SimSpec, SpecError, spec_from_config
from sim_core.errors import SpecWarning
from sim_core.replica import Replica
from sim_core.simulation import Simulation
from sim_core.spec import PROMPT, TOKEN, InstanceSpec
from sim_core.start_state import START_STATES
from tests.runs import measured
from tests.sim_core import worlds

LLAMA = ["applications.0.model_architecture=llama2-70b", "applications.0.model_size=llama2-70b-fp16"]
ONE_H100 = ["cluster=half_half", "cluster.servers.0.count=0"]
GPU_BYTES, LLAMA_BYTES, LLAMA_KV_BYTES = 80 * 1024**3, 135_000_000_000, 2 * 8192 * 80 * 2


composer = cache(Composer)  # one for all tests: making one takes longer than most of what follows


def spec_of(*overrides: str) -> SimSpec:
    return spec_from_config(composer().resolved(list(overrides)), CONFIG_DIR.parent)


def instances(*overrides: str) -> list[Replica]:
    return Simulation(spec_of(*overrides)).replicas[0]


def parallel(count: int, *more: str) -> list[str]:
    return [*LLAMA, *ONE_H100, "performance_model=db", f"start_state.instance.tensor_parallelism={count}", *more]


@pytest.mark.parametrize("state", ["baseline", "orca"])
@pytest.mark.parametrize(("count", "held"), [(2, 4), (4, 2), (8, 1)])
def test_a_filled_machine_holds_as_many_instances_as_fit_each_with_the_memory_of_its_own_processors(
    state: str, count: int, held: int
) -> None:
    with warnings.catch_warnings(action="error"):
        warnings.filterwarnings("ignore", message=".*left out as implausible")  # of the measurements, not of machines
        found = instances(*parallel(count, f"start_state={state}", "start_state.fill_machine=true"))
    assert [instance.processors for instance in found] == [count] * held
    assert [instance.tensor_parallelism for instance in found] == [count] * held
    capacity = (count * GPU_BYTES - LLAMA_BYTES) // LLAMA_KV_BYTES
    assert [instance.memory.capacity_tokens for instance in found] == [capacity] * held
    assert [instance.name for instance in found] == [f"h100-80gb_{index}" for index in range(held)]


def test_with_two_processors_an_instance_of_llama_holds_14037_tokens_and_a_machine_four_requests_of_8300() -> None:
    spec = spec_of(*parallel(2, "start_state.fill_machine=true"))
    result = measured(spec, worlds.trace([(0.0, 8000, 300)] * 4))
    assert {instance.memory.capacity_tokens for instance in Simulation(spec).replicas[0]} == {14_037}
    assert sorted(result.requests["prompt_instance"]) == [0, 1, 2, 3]
    assert set(result.requests["queue_s"]) == {0.0}
    assert result.instances["processors"] == [2, 2, 2, 2]
    assert result.instances["kv_peak_fraction"] == [8300 / 14_037] * 4


@pytest.mark.parametrize("state", ["baseline", "orca"])
def test_unless_it_is_filled_a_machine_is_one_instance_with_all_of_its_memory_as_in_splitwisesim_and_it_is_said(
    state: str,
) -> None:
    with pytest.warns(SpecWarning) as warned:
        found = instances(*parallel(2, f"start_state={state}"))
    assert [(instance.processors, instance.tensor_parallelism) for instance in found] == [(8, 2)]
    assert found[0].memory.capacity_tokens == (8 * GPU_BYTES - LLAMA_BYTES) // LLAMA_KV_BYTES
    of_machines = [text for warning in warned if "implausible" not in (text := str(warning.message))]
    assert of_machines == [
        "start_state.instance.tensor_parallelism=2: a machine is one instance, with the memory (at the price) of 8 "
        "GPUs and the speed of 2, as in SplitwiseSim; start_state.fill_machine=true makes it 4 of 2 GPUs each"
    ]


def test_a_baseline_that_fills_its_machine_is_as_many_instances_as_splitwises_states_make_of_it() -> None:
    split = ["start_state=splitwise", "start_state.split_type=homogeneous", "applications.0.scheduler=mixed_pool"]
    split += [f"start_state.{role}.tensor_parallelism=4" for role in ("prompt", "token")]
    two = [*LLAMA, *ONE_H100, "cluster.servers.1.count=2", "performance_model=db"]
    uniform = instances(*two, "start_state.instance.tensor_parallelism=4", "start_state.fill_machine=true")
    assert [i.memory for i in instances(*two, *split)] == [i.memory for i in uniform]


def test_processors_that_make_no_whole_instance_stay_idle() -> None:
    constant = ["performance_model=constant", "start_state.instance.tensor_parallelism=3"]
    found = instances(*LLAMA, *ONE_H100, *constant, "start_state.fill_machine=true")
    assert [instance.processors for instance in found] == [3, 3]


@pytest.mark.parametrize("fill", ["true", "false"])
def test_more_processors_than_a_machine_has_are_an_error(fill: str) -> None:
    with pytest.raises(SpecError, match=r"^start_state.instance.tensor_parallelism=16: a dgx-h100 has 8 processors"):
        instances(*parallel(16, "performance_model=constant", f"start_state.fill_machine={fill}"))


def test_filling_says_nothing_where_one_instance_fills_the_machine_anyway_so_digests_are_what_they_were() -> None:
    plain, filled = (spec_of("start_state=baseline", *more) for more in ([], ["start_state.fill_machine=true"]))
    assert filled == plain and "fill_machine" not in plain.canonical()
    assert "fill_machine" in spec_of(*parallel(2, "start_state.fill_machine=true")).canonical()


@pytest.mark.parametrize("fill", ["true", "false"])
@pytest.mark.parametrize("state", ["baseline", "orca"])
def test_weights_that_do_not_fit_are_an_error_that_says_how_many_processors_hold_them(state: str, fill: str) -> None:
    overrides = [*ONE_H100, "performance_model=constant", f"start_state={state}", f"start_state.fill_machine={fill}"]
    with pytest.raises(CapacityError) as error:
        instances(*overrides, "start_state.instance.tensor_parallelism=1")
    assert str(error.value) == (
        "start_state.instance.tensor_parallelism=1: bloom-176b does not fit: its weights take 329 GB, and "
        "1 x h100-80gb hold 86 GB; it needs 4 of them; set 4 or more"
    )
    assert instances(*overrides, "start_state.instance.tensor_parallelism=4")


def test_the_same_holds_for_the_instances_of_a_split() -> None:
    split = ["start_state=splitwise", "applications.0.scheduler=mixed_pool", "start_state.token.tensor_parallelism=2"]
    with pytest.raises(CapacityError, match=r"^start_state.token.tensor_parallelism=2: .* it needs 4 of them"):
        instances("cluster=half_half", "performance_model=constant", *split)


def test_weights_that_no_parallelism_of_the_machine_holds_are_said_to_need_another_machine() -> None:
    spec = worlds.spec(count=1)
    model = replace(spec.applications[0].model, weights_bytes=1_000_000)
    with pytest.raises(CapacityError, match=r"it needs 3 of them; a box has 1: take machines with more memory"):
        Simulation(replace(spec, applications=(replace(spec.applications[0], model=model),)))


def test_an_instance_on_processors_of_two_kinds_is_refused() -> None:
    spec = worlds.spec(count=1)
    box = spec.servers[0]
    other = replace(box.processors[0], name="other-gpu")
    with pytest.raises(SpecError, match=r"box-gpu and other-gpu.*two SKUs"):
        Simulation(replace(spec, servers=(replace(box, processors=(*box.processors, other)),)))


PLACES = {
    "start_state.instance": ["start_state=baseline"],
    "start_state.prompt": ["start_state=splitwise", "applications.0.scheduler=mixed_pool"],
    "start_state.token": ["start_state=splitwise", "applications.0.scheduler=mixed_pool"],
    "start_state.parts.0.token": ["start_state=several", "applications=duo"],
    "start_state.parts.1.instance": ["start_state=several", "applications=duo"],
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("stages", [2, 100])
def test_stages_of_a_pipeline_are_not_modelled_and_refused_wherever_they_are_said(place: str, stages: int) -> None:
    key = f"{place}.pipeline_parallelism"
    with pytest.raises(SpecError) as error:
        spec_of("cluster=half_half", *PLACES[place], f"{key}={stages}")
    assert str(error.value) == (
        f"{key}={stages}: pipelines are not modelled: must be 1; tensor_parallelism says over how many GPUs an "
        "instance extends"
    )


def test_a_spec_made_without_a_configuration_has_no_pipeline_either() -> None:
    with pytest.raises(SpecError, match="pipeline_parallelism=2: pipelines are not modelled"):
        InstanceSpec("ORCA", 1, 2, 8)


# -- what holds for every start state in the table, as each of its configuration files sets it up -----------------

FILES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((CONFIG_DIR / "start_state").glob("*.yaml"))}


def spec_of_file(name: str) -> SimSpec:
    """A spec with this start state on two machines of each kind that files name, and with a scheduler for its roles."""
    machines = ",".join(f"{{sku: {sku}, count: 2}}" for sku in ("dgx-a100", "dgx-h100", "dgx-h100-pcap"))
    overrides = [f"start_state={name}", f"cluster.servers=[{machines}]"]
    if "parts" in FILES[name]:
        overrides.append("applications=duo")
    spec = spec_of(*overrides)
    roles = any(instance.role for instance in Simulation(spec).replicas[0])
    return spec_of(*overrides, "applications.0.scheduler=mixed_pool") if roles else spec


def test_every_start_state_has_a_configuration_file() -> None:
    kinds = {str(file["state_type"]).split("_")[0] for file in FILES.values() if "parts" not in file}
    assert kinds == set(START_STATES)


@pytest.mark.parametrize("name", FILES)
def test_instances_take_no_more_processors_than_the_machines_have(name: str) -> None:
    spec = spec_of_file(name)
    taken: Counter[str] = Counter()
    for instance in chain.from_iterable(Simulation(spec).replicas.values()):
        assert instance.role in ("", PROMPT, TOKEN)
        assert 1 <= instance.tensor_parallelism <= instance.processors
        assert instance.memory.capacity_tokens > 0
        taken[instance.sku] += instance.processors
    assert taken <= Counter({group.sku: group.count * len(group.processors) for group in spec.servers})


@pytest.mark.parametrize("name", FILES)
def test_requests_are_served_where_there_are_instances_and_rejected_where_there_are_none(name: str) -> None:
    spec = spec_of_file(name)
    rows = worlds.trace([(float(row), 100, 10) for row in range(8)])
    result = measured(spec, rows)
    served = 8 if Simulation(spec).replicas[0] else 0
    assert (result.completed, result.rejected, result.unfinished) == (served, 8 - served, 0)
