"""What holds for every scheduler in the table; one that is added to the table is tested without an edit here."""

from __future__ import annotations

from collections import Counter

import pytest

from configs.compose import CONFIG_DIR, Composer
from sim_core import CapacityError, spec_from_config
from sim_core.scheduling import SCHEDULERS
from tests.runs import measured
from tests.sim_core import worlds
from tests.sim_core.worlds import splits

EVENLY = [(row / 8, 20, 10) for row in range(200)]
BUSY = [(row / 16, 20, 40) for row in range(64)]  # each stays for three seconds, six at most fit on a machine


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer()


@pytest.mark.parametrize("policy", SCHEDULERS)
def test_serves_everything_that_fits(policy: str) -> None:
    result = measured(worlds.spec(policy, count=4), worlds.trace(EVENLY))
    assert (result.completed, result.rejected, result.unfinished) == (200, 0, 0)


@pytest.mark.parametrize("policy", SCHEDULERS)
def test_a_busy_cluster_has_work_on_every_instance(policy: str) -> None:
    result = measured(worlds.spec(policy, count=4), worlds.trace(BUSY))
    assert result.completed == 64
    assert {*result.requests["prompt_instance"], *result.requests["token_instance"]} == {0, 1, 2, 3}


@pytest.mark.parametrize("policy", worlds.SPLITWISESIMS)
def test_splitwisesims_schedulers_spread_load_over_the_instances_of_a_role(policy: str) -> None:
    result = measured(worlds.spec(policy, count=4, kv_tokens=10_000), worlds.trace(BUSY))
    prompts, tokens = (Counter(result.requests[name]) for name in ("prompt_instance", "token_instance"))
    if policy == "mixed_pool":  # decodes go where memory is emptiest, and either pool may lend to the other
        assert set(prompts) | set(tokens) == {0, 1, 2, 3}
    elif splits(policy):
        assert (set(prompts), set(tokens)) == ({0, 1}, {2, 3})
    else:
        assert set(prompts) == {0, 1, 2, 3}
    assert max(prompts.values()) <= 40  # of 64


@pytest.mark.parametrize("policy", SCHEDULERS)
def test_a_cache_is_transferred_exactly_where_a_request_decodes_elsewhere(policy: str) -> None:
    requests = measured(worlds.spec(policy, count=4), worlds.trace(EVENLY)).requests
    transferred = [start == start for start in requests["transfer_start_s"]]
    places = zip(requests["prompt_instance"], requests["token_instance"], strict=True)
    assert transferred == [prompt != token for prompt, token in places]
    assert any(transferred) == splits(policy)


@pytest.mark.parametrize("policy", [*filter(splits, worlds.SPLITWISESIMS)])
def test_splitwisesims_split_schedulers_transfer_every_cache_under_a_light_load(policy: str) -> None:
    requests = measured(worlds.spec(policy, count=4), worlds.trace(EVENLY[:20])).requests
    assert all(start == start for start in requests["transfer_start_s"])


@pytest.mark.parametrize("policy", SCHEDULERS)
def test_one_token_ends_with_its_prompt_and_travels_nowhere(policy: str) -> None:
    result = measured(worlds.spec(policy, count=4), worlds.trace([(row / 4, 20, 1) for row in range(40)]))
    assert result.completed == 40
    requests = result.requests
    assert list(requests["e2e_s"]) == list(requests["ttft_s"])
    assert not any(start == start for start in [*requests["token_start_s"], *requests["transfer_start_s"]])


@pytest.mark.parametrize("policy", [*filter(splits, SCHEDULERS)])
def test_a_role_without_a_machine_is_an_error_at_once(policy: str) -> None:
    with pytest.raises(CapacityError, match="token phase"):
        measured(worlds.spec(policy, count=1), worlds.trace(EVENLY))


def test_draws_of_the_random_scheduler_come_from_the_seed() -> None:
    def chosen(seed: int) -> list[int]:
        requests = measured(worlds.spec("random", count=4, seed=seed), worlds.trace(EVENLY)).requests
        by_request = sorted(zip(requests["request_id"], requests["prompt_instance"], strict=True))
        return [int(instance) for _, instance in by_request]

    assert chosen(1) == chosen(1)
    assert chosen(1) != chosen(2)
    assert set(Counter(chosen(1)).values()) <= set(range(30, 71))


def test_overlapping_transfers_take_a_tenth() -> None:
    def transfer_s(policy: str) -> float:
        requests = measured(worlds.spec(policy, count=2), worlds.trace([(0.0, 64, 2)])).requests
        return requests["transfer_end_s"][0] - requests["transfer_start_s"][0]

    for policy in ("kv_jsq", "kv_token_jsq"):
        assert transfer_s(policy) == pytest.approx(64 / 1024)
        assert transfer_s(f"overlap_{policy}") == pytest.approx(6.4 / 1024)


def test_every_scheduler_has_a_configuration_file() -> None:
    assert {config["policy"] for config in worlds.scheduler_configs().values()} == set(SCHEDULERS)


@pytest.mark.parametrize("name", worlds.scheduler_configs())
def test_a_configured_scheduler_serves_a_request(name: str, composer: Composer) -> None:
    start = "splitwise" if splits(worlds.scheduler_configs()[name]["policy"]) else "baseline"
    overrides = [f"applications.0.scheduler={name}", f"start_state={start}", "cluster=half_half"]
    spec = spec_from_config(composer.resolved([*overrides, "performance_model=constant"]), CONFIG_DIR.parent)
    assert measured(spec, worlds.trace([(0.0, 100, 10)])).completed == 1
