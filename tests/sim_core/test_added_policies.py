"""A policy that is added to its family's table works from its configuration alone, with options of its own."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import pytest

from configs.compose import CONFIG_DIR, Composer
from sim_core import SimSpec, SpecError, simulate, spec_from_config
from sim_core.batching import BATCHING
from sim_core.batching.orca import OrcaBatcher
from sim_core.performance import PERFORMANCE_MODELS
from sim_core.performance.base import PerformanceModel
from sim_core.performance.step_times import IterationTimes, TimeTable
from sim_core.request import Request
from sim_core.scheduling import SCHEDULERS
from sim_core.scheduling.base import Placement, Scheduler, SplitOptions, SplitScheduler
from sim_core.scheduling.view import View
from sim_core.spec import PROMPT, TOKEN, ServerGroupSpec, StartStateSpec
from sim_core.start_state import START_STATES
from sim_core.start_state.base import InstancePlan, StartState, slices
from tests.runs import measured
from tests.sim_core import worlds

TRACE = worlds.trace([(row / 8, 20, 5) for row in range(40)])
DELAYS = {"submit_task": 0, "submit_flow": 0, "finish_request": 0}


@dataclass(frozen=True)
class StickyOptions:
    run_length: int
    start_at: str = "first"


class Sticky(Scheduler):
    """So many requests to one instance before it is the turn of the next."""

    Options = StickyOptions
    placed = 0

    def place(self, request: Request, view: View) -> Placement:
        offset = 0 if self.options.start_at == "first" else 1
        replica = view.replicas[(self.placed // self.options.run_length + offset) % len(view.replicas)]
        self.placed += 1
        return Placement(replica, replica)


@dataclass(frozen=True)
class FirstOptions(SplitOptions):
    keep: bool = False


class FirstOfEach(SplitScheduler):
    """All prompts on one instance, all decodes on another."""

    Options = FirstOptions

    def place(self, request: Request, view: View) -> Placement:
        prompt, token = view.of_role(PROMPT)[0], view.of_role(TOKEN)[0]
        return Placement(prompt, prompt if self.options.keep else token)


@dataclass(frozen=True)
class WindowOptions:
    window: int

    def __post_init__(self) -> None:
        if self.window < 1:
            raise SpecError("must be at least 1", key="window", value=self.window)


class Windowed(OrcaBatcher):
    """ORCA with a batch of at most `window`."""

    __slots__ = ()
    Options = WindowOptions

    def refill(self) -> None:
        self.max_batch_size = min(self.max_batch_size, self.options.window)
        super().refill()


@dataclass(frozen=True)
class PerTokenOptions:
    base_s: float
    per_token_s: float


class PerToken(PerformanceModel):
    """A fixed time and a time per token."""

    Options = PerTokenOptions

    def step_times(self, model: str, hardware: str, tensor_parallelism: int) -> IterationTimes:
        table = TimeTable(lambda tokens: self.options.base_s + self.options.per_token_s * tokens)
        return IterationTimes(table, table, table)


@dataclass(frozen=True)
class SpareOptions:
    spare: int


class Spare(StartState):
    """As many instances as fit on all but the last machines."""

    Options = SpareOptions

    @classmethod
    def plans(cls, state: StartStateSpec, machines: list[ServerGroupSpec]) -> list[InstancePlan]:
        assert state.instance is not None
        kept = machines[: len(machines) - cls.options(state).spare]
        return [plan for machine in kept for plan in slices(machine, "", state.instance)]


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    overrides = ["cluster=half_half", "cluster.servers.0.count=0", "cluster.servers.1.count=3"]
    return Composer().resolved([*overrides, "start_state=baseline", "performance_model=constant"])


@pytest.fixture
def config(composed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A configuration to change, with all of the added policies in their tables."""
    monkeypatch.setitem(SCHEDULERS, "sticky", Sticky)
    monkeypatch.setitem(SCHEDULERS, "first_of_each", FirstOfEach)
    monkeypatch.setitem(BATCHING, "Windowed", Windowed)
    monkeypatch.setitem(PERFORMANCE_MODELS, "per_token", PerToken)
    monkeypatch.setitem(START_STATES, "spare", Spare)
    return copy.deepcopy(composed)


def built(config: dict[str, Any]) -> SimSpec:
    return spec_from_config(config, CONFIG_DIR.parent)


def with_scheduler(config: dict[str, Any], policy: str, **options: object) -> dict[str, Any]:
    common = {"policy": policy, "overheads": {}, "executor_overheads": DELAYS}
    config["orchestrator_repo"]["schedulers"]["added"] = common | options
    config["applications"][0]["scheduler"] = "added"
    return config


def test_a_scheduler_has_its_options(config: dict[str, Any]) -> None:
    spec = built(with_scheduler(config, "sticky", run_length=4, start_at="second"))
    assert spec.applications[0].scheduler.options == (("run_length", 4), ("start_at", "second"))
    result = simulate(spec, TRACE)
    by_request = dict(zip(result.requests["request_id"], result.requests["prompt_instance"], strict=True))
    assert [by_request[row] for row in range(40)] == [(row // 4 + 1) % 3 for row in range(40)]


def test_a_scheduler_that_splits_transfers_with_its_bandwidth(config: dict[str, Any]) -> None:
    config["start_state"] = {
        "state_type": "splitwise",
        "split_type": "homogeneous",
        "prompt": config["start_state"]["instance"] | {"num_instances": 1},
        "token": config["start_state"]["instance"] | {"num_instances": 1},
    }
    result = simulate(built(with_scheduler(config, "first_of_each", transfer_bandwidth=200)), TRACE)
    assert result.completed == 40
    assert set(result.requests["token_instance"]) == {1}
    stays = simulate(built(with_scheduler(config, "first_of_each", transfer_bandwidth=200, keep=True)), TRACE)
    assert set(stays.requests["token_instance"]) == {0}
    assert all(start != start for start in stays.requests["transfer_start_s"])  # NaN


def test_a_batching_policy_has_its_options(config: dict[str, Any]) -> None:
    config["start_state"]["instance"] |= {"instance_type": "Windowed", "window": 2}
    narrow = built(config)
    config["start_state"]["instance"]["window"] = 64
    slow, fast = simulate(narrow, TRACE), simulate(built(config), TRACE)
    assert slow.completed == fast.completed == 40
    assert slow.end_s > fast.end_s
    config["start_state"]["instance"]["window"] = 0
    with pytest.raises(SpecError, match="window=0: must be at least 1"):
        built(config)


def test_a_performance_model_reads_its_own_section(config: dict[str, Any]) -> None:
    config["performance_model"] = {"policy": "per_token", "base_s": 0.5, "per_token_s": 0.25}
    spec = built(config)
    assert spec.performance.options == (("base_s", 0.5), ("per_token_s", 0.25))
    result = simulate(spec, worlds.trace([(0.0, 10, 1)]))
    assert list(result.requests["prompt_end_s"]) == [0.5 + 0.25 * 10]


def test_a_request_alone_has_slowdowns_of_one_by_times_that_depend_on_the_tokens_of_an_iteration(
    config: dict[str, Any],
) -> None:
    config["performance_model"] = {"policy": "per_token", "base_s": 0.5, "per_token_s": 0.25}
    requests = measured(built(config), worlds.trace([(0.0, 1000, 21)])).requests
    assert requests["tbt_s"][0] == pytest.approx(0.5 + 0.25)  # a decode is one token, however long the prompt is
    for metric in ("ttft", "tbt", "e2e"):
        assert requests[f"{metric}_slowdown"][0] == pytest.approx(1.0)


def test_a_start_state_reads_its_own_section(config: dict[str, Any]) -> None:
    instance = config["start_state"]["instance"]
    config["start_state"] = {"state_type": "spare", "spare": 2, "instance": instance}
    result = simulate(built(config), TRACE)
    assert len(result.instances["name"]) == 8 // instance["tensor_parallelism"]
    assert result.completed == 40


def test_a_scheduler_that_moves_requests_without_a_network_is_refused(config: dict[str, Any]) -> None:
    class Careless(Scheduler):
        def place(self, request: Request, view: View) -> Placement:
            return Placement(view.replicas[0], view.replicas[1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SCHEDULERS, "careless", Careless)
        with pytest.raises(SpecError, match="make it a SplitScheduler"):
            simulate(built(with_scheduler(config, "careless")), TRACE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "orchestrator_repo.schedulers.added.run_length: is missing"),
        ({"run_length": 0.5}, "run_length=0.5: must be a whole number"),
        ({"run_length": -1}, "run_length=-1: must be at least 0"),
        ({"run_length": 1, "start_at": 3}, "start_at=3: must be a name"),
        ({"run_length": 1, "run_lenght": 2}, "unknown key; did you mean 'run_length'?"),
        ({"run_length": 1, "transfer_bandwidth": 200}, "transfer_bandwidth: unknown key"),
    ],
)
def test_options_are_read_strictly(config: dict[str, Any], options: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError) as raised:
        built(with_scheduler(config, "sticky", **options))
    assert message in str(raised.value)


def test_options_of_a_spec_made_in_python_are_checked_too() -> None:
    spec = worlds.spec("mixed_pool")
    application = spec.applications[0]

    def with_options(**options: float) -> SimSpec:
        scheduler = replace(application.scheduler, options=tuple(options.items()))
        return replace(spec, applications=(replace(application, scheduler=scheduler),))

    with pytest.raises(SpecError, match=r"transfer_bandwith=1\.0: .* has no such option; did you mean"):
        simulate(with_options(transfer_bandwith=1.0), TRACE)
    with pytest.raises(SpecError, match=r"prompt_max_pending_batch_tokens: .* needs this option"):
        simulate(with_options(transfer_bandwidth=1.0), TRACE)


def test_specs_without_options_have_the_digest_that_they_had_before_there_were_any() -> None:
    spec = worlds.spec()
    assert '"options"' not in spec.canonical().replace('"options":[],"policy":"token_jsq"', "")
    state = spec.start_states[0]
    changed = replace(spec, start_states=(replace(state, options=(("spare", 1),)),))
    assert changed.digest() != spec.digest()
