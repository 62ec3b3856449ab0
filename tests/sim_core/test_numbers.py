"""Every number of a configuration, set to what it should not be: the run works, or one line says why not.

The slow test tries 16 values for each of some fifty numbers, with a whole run for each.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from configs.compose import CONFIG_DIR, Composer
from configs.gpu_power import power_from_config
from sim_core.config import spec_from_config
from sim_core.errors import SimError, SpecError
from sim_core.simulation import Simulation
from sweep.single.debug import debug_outputs
from sweep.single.summary import one_line_summary, text_summary
from sync.files.perfetto.options import options_from_config
from sync.files.splitwisesim import write_outputs
from sync.results.measure import measure
from traces import workload

ROOT = CONFIG_DIR.parent
SPLIT = [
    "cluster=half_half", "cluster.servers.0.count=1", "cluster.servers.1.count=1", "start_state=splitwise",
    "start_state.split_type=heterogeneous",
]  # fmt: skip
WORLDS = {
    "one pool, constant times": ["start_state=orca", "cluster.servers.0.count=2"],
    "two pools, constant times, shared links": [*SPLIT, "applications.0.scheduler=kv_jsq", "network=shared"],
    "three pools, measured times": [*SPLIT, "applications.0.scheduler=mixed_pool", "performance_model=db"],
}
ODD = [0, -1, -0.0, 0.5, math.nan, math.inf, 1e308, 1e-308, 5e-324, 10**18, 10**400, True, "5", "x", None, [], {}]
USED = {
    "dgx-a100", "dgx-h100", "h100-80gb", "a100-80gb", "bloom-176b", "bloom-176b-fp16", "noop", "infiniband-hdr",
    "nvlink-4",
}  # fmt: skip


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer()


def numbers(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values that are no texts, those of entries of repositories that the worlds use."""
    if isinstance(node, dict | list):
        for name, value in node.items() if isinstance(node, dict) else enumerate(node):
            if path[:1] in (("hardware_repo",), ("model_repo",), ("orchestrator_repo",)) and len(path) == 2:
                schedulers = ("round_robin", "kv_jsq", "mixed_pool")
                if name not in USED and name not in schedulers:
                    continue
            yield from numbers(value, (*path, name))
    elif not isinstance(node, str):
        yield path


def with_value(config: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    changed = copy.deepcopy(config)
    node: Any = changed
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value
    return changed


def run(config: dict[str, Any], folder: Path) -> dict[str, float]:
    """A single run with all that it writes; what its summary says."""
    spec = spec_from_config(config, ROOT)
    picture = options_from_config(config), power_from_config(config)
    trace = workload.load(workload.ref_from_config(config, spec.seed), ROOT)
    simulation = Simulation(spec)
    with debug_outputs(folder, simulation, trace, *picture):
        result = measure(simulation.run(trace), spec)
    write_outputs(result, folder)
    assert one_line_summary(result)
    assert text_summary(spec, trace, result, 1.0, "here")
    assert spec.digest()
    return dict(result.summary)


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_an_odd_number_works_or_is_one_line_that_names_its_place(
    world: str, composer: Composer, tmp_path: Path
) -> None:
    config = composer.resolved(WORLDS[world])
    paths = list(numbers(config))
    assert len(paths) > 40
    for path in paths:
        for value in ODD:
            try:
                summary = run(with_value(config, path, value), tmp_path)
            except SimError as error:
                assert str(error).isprintable()
                assert len(str(error)) < 500
            else:
                assert not any(math.isinf(figure) for figure in summary.values()), (path, value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("performance_model.prompt_time=0", "performance_model.prompt_time=0: must be more than 0"),
        ("performance_model.token_time=0", "performance_model.token_time=0: must be more than 0"),
        ("performance_model.token_time=1e-300", "performance_model.token_time=1e-300: must be from 1e-12 to 1e+18"),
        ("performance_model.prompt_time=1e300", "performance_model.prompt_time=1e+300: must be from 1e-12 to 1e+18"),
        ("router.overheads.routing_delay=inf", "routing_delay=inf: must be a finite number"),
        ("cluster.servers.0.count=1e300", "must be at most 1e+18"),
        ("end_time=1_000_000_000_000_000_000_000", "end_time=1000000000000000000000: must be from 1e-12 to 1e+18"),
        ("seed=true", "seed=True: must be a whole number"),
    ],
)
def test_a_number_that_cannot_be_is_one_line(override: str, said: str, composer: Composer) -> None:
    with pytest.raises(SpecError) as caught:
        spec_from_config(composer.resolved([override]), ROOT)
    assert said in str(caught.value)


@pytest.mark.parametrize("option", ["transfer_bandwidth", "prompt_max_pending_batch_tokens"])
def test_an_option_without_which_a_scheduler_cannot_work_is_missed_by_name(option: str, composer: Composer) -> None:
    config = composer.resolved(WORLDS["three pools, measured times"])
    del config["orchestrator_repo"]["schedulers"]["mixed_pool"][option]
    with pytest.raises(SpecError, match=rf"orchestrator_repo.schedulers.mixed_pool.{option}: is missing"):
        spec_from_config(config, ROOT)


def test_heads_that_leave_no_kv_cache_are_refused(composer: Composer) -> None:
    config = composer.resolved([])
    config["model_repo"]["architectures"]["bloom-176b"] |= {"hidden_size": 4, "num_kv_heads": 1, "num_heads": 8}
    with pytest.raises(SpecError, match=r"architectures.bloom-176b.num_heads=8: must be at most"):
        spec_from_config(config, ROOT)


@pytest.mark.parametrize("where", [("trace", "filename"), ("trace", "dir")])
def test_a_name_that_a_file_has_without_quotes_is_one_line_that_says_so(
    where: tuple[str, str], composer: Composer
) -> None:
    config = with_value(composer.resolved([]), where, 20240510)
    with pytest.raises(SpecError, match=rf"{'.'.join(where)}=20240510: must be a name; .* needs quotes"):
        workload.ref_from_config(config, 0)


@pytest.mark.parametrize("repo", [
    "hardware_repo.skus", "hardware_repo.processors", "model_repo.architectures", "model_repo.sizes",
    "orchestrator_repo.schedulers", "orchestrator_repo.allocators",
])  # fmt: skip
@pytest.mark.parametrize("value", [True, 5, "dgx-a100", []])
def test_a_repository_that_is_no_mapping_is_one_line(repo: str, value: object, composer: Composer) -> None:
    config = with_value(composer.resolved(WORLDS["one pool, constant times"]), tuple(repo.split(".")), value)
    with pytest.raises(SpecError) as refused:
        spec_from_config(config, ROOT)
    assert str(refused.value) == f"{repo}={value!r}: must be a mapping of names to values"
