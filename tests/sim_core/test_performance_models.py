"""What holds for every performance model in the table, as each of its configuration files sets it up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
import yaml

from configs.compose import CONFIG_DIR, Composer
from sim_core import SimSpec, spec_from_config
from sim_core.performance import PERFORMANCE_MODELS
from sim_core.spec import Deployment, StepGridSpec
from tests.runs import measured
from tests.sim_core import worlds
from tests.sim_core.context_times import grid_of_parts

FILES = {path.stem: path for path in sorted((CONFIG_DIR / "performance_model").glob("*.yaml"))}
ONE_H100 = ["cluster=half_half", "cluster.servers.0.count=0", "cluster.servers.1.count=1", "start_state=baseline"]
PROMPTS = (1, 100, 2048, 9000)  # tokens; the last is beyond what was measured


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer()


def config_of(composer: Composer, name: str) -> dict[str, Any]:
    return composer.resolved([*ONE_H100, f"performance_model={name}", "applications.0.scheduler=token_jsq"])


def spec_of(composer: Composer, name: str) -> SimSpec:
    return of_config(config_of(composer, name))


def of_config(config: dict[str, Any]) -> SimSpec:
    return spec_from_config(config, CONFIG_DIR.parent, grids=drawn_grids)


def drawn_grids(used: Sequence[Deployment], others: Sequence[Deployment]) -> tuple[StepGridSpec, ...]:
    """Tables for any deployment, in place of those from outside of the simulator."""
    return tuple(grid_of_parts(deployment, Random(3)) for deployment in (*used, *others))


def test_every_model_has_a_configuration_file() -> None:
    assert {yaml.safe_load(path.read_text())["policy"] for path in FILES.values()} == set(PERFORMANCE_MODELS)


@pytest.mark.parametrize("name", FILES)
def test_prompts_and_tokens_of_a_request_alone_take_time_and_the_same_each_time(name: str, composer: Composer) -> None:
    spec = spec_of(composer, name)
    trace = worlds.trace([(1e6 * row, tokens, 3) for row, tokens in enumerate(PROMPTS)])  # each finds nobody there
    first, second = (measured(spec, trace).requests for _ in range(2))
    for name in ("ttft_s", "tbt_s", "e2e_s"):
        assert all(math.isfinite(seconds) and seconds > 0 for seconds in first[name])
        assert list(first[name]) == list(second[name])


@pytest.mark.parametrize("name", FILES)
def test_a_batch_of_prompts_and_decodes_is_served(name: str, composer: Composer) -> None:
    result = measured(spec_of(composer, name), worlds.trace([(row / 1024, 50 + row, 40) for row in range(64)]))
    assert (result.completed, result.rejected, result.unfinished) == (64, 0, 0)


@pytest.mark.parametrize("name", FILES)
def test_every_number_of_the_configuration_file_is_part_of_the_spec(name: str, composer: Composer) -> None:
    config = config_of(composer, name)
    digests = {of_config(config).digest()}
    numbers = [key for key, value in config["performance_model"].items() if isinstance(value, int | float)]
    for key in numbers:
        value = config["performance_model"][key]
        model = {**config["performance_model"], key: not value if isinstance(value, bool) else value * 2 or 1.0}
        digests.add(of_config({**config, "performance_model": model}).digest())
    assert len(digests) == 1 + len(numbers)
