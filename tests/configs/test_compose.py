"""From overrides to settings: SplitwiseSim's command lines, its arithmetic, and every mistake in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from configs.compose import CONFIG_DIR, Composer, compose, resolve
from configs.resolvers import register_resolvers
from sim_core.errors import SpecError

# As in its example scripts: baseline, split over one kind of machine, over two kinds, over capped machines.
BASELINE = [
    "cluster=half_half", "cluster.servers.0.count=0", "cluster.servers.1.count=1", "applications.0.scheduler=token_jsq",
    "start_state=baseline", "performance_model=db", "trace.filename=test_trace", "debug=True", "seed=0",
]  # fmt: skip
HOMOGENEOUS = [
    "applications.0.scheduler=mixed_pool", "applications.0.model_architecture=llama2-70b",
    "applications.0.model_size=llama2-70b-fp16", "cluster=half_half", "cluster.servers.0.count=40",
    "cluster.servers.1.count=0", "start_state=splitwise", "start_state.prompt.num_instances=27",
    "start_state.token.num_instances=13", "performance_model=db", "trace.filename=rr_conv_80", "seed=0",
]  # fmt: skip
HETEROGENEOUS = [
    "applications.0.scheduler=mixed_pool", "cluster=half_half", "cluster.servers.0.count=26",
    "cluster.servers.1.count=25", "start_state=splitwise", "start_state.split_type=heterogeneous",
    "performance_model=db", "trace.filename=rr_conv_80", "seed=0",
]  # fmt: skip
CAPPED = [
    "applications.0.scheduler=mixed_pool", "cluster=hhcap_half_half", "cluster.servers.0.count=5",
    "cluster.servers.1.count=35", "start_state=splitwise_hhcap", "start_state.split_type=heterogeneous",
    "trace.filename=rr_conv_80", "performance_model=db", "seed=0",
]  # fmt: skip
EXAMPLES = {"baseline": BASELINE, "homogeneous": HOMOGENEOUS, "heterogeneous": HETEROGENEOUS, "capped": CAPPED}


def full(overrides: list[str]) -> Any:
    """What Hydra itself composes."""
    register_resolvers()
    with hydra.initialize_config_dir(str(CONFIG_DIR), version_base=None):
        return hydra.compose("config", overrides)


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer()


def error_of(composer: Composer, *overrides: str) -> str:
    with pytest.raises(SpecError) as error:
        composer.resolved(overrides)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("overrides", EXAMPLES.values(), ids=EXAMPLES)
def test_splitwisesims_own_command_lines_compose(overrides: list[str]) -> None:
    resolved = resolve(compose(overrides))
    for override in overrides:
        key, _, value = override.partition("=")
        if "." in key:
            node: Any = resolved
            for part in key.split("."):
                node = node[int(part)] if isinstance(node, list) else node[part]
            assert str(node) == value


def test_a_value_is_set_whatever_the_order_of_the_overrides(composer: Composer) -> None:
    forwards, backwards = composer.resolved(HETEROGENEOUS), composer.resolved(HETEROGENEOUS[::-1])
    assert forwards == backwards
    assert forwards["cluster"]["servers"] == [{"sku": "dgx-a100", "count": 26}, {"sku": "dgx-h100", "count": 25}]


def test_interpolations_follow_the_overrides(composer: Composer) -> None:
    resolved = composer.resolved(HOMOGENEOUS)
    assert resolved["start_state"]["state_type"] == "splitwise_27_13"
    assert composer.resolved(BASELINE)["applications"][0]["debug"] is True
    assert composer.resolved(CAPPED)["start_state"]["state_type"] == "splitwisehhcap_1_1"


@pytest.mark.parametrize("folder", ["somewhere", "somewhere/", "/tmp/else where", "/tmp/else where/"])
def test_the_traces_folder_may_end_in_a_slash_or_not(composer: Composer, folder: str) -> None:
    trace = composer.resolved([f"trace.dir='{folder}'", "trace.filename=mine"])["trace"]
    assert Path(trace["path"]) == Path(folder) / "mine.csv"


def test_the_run_folder_is_named_as_splitwisesim_names_it() -> None:
    assert compose(HOMOGENEOUS).output_dir == "results/0/splitwise_27_13/rr_conv_80/40_0/llama2-70b/mixed_pool"


def test_repositories_are_inlined_and_the_run_folder_is_left_out(composer: Composer) -> None:
    resolved = composer.resolved([])
    assert set(resolved) == {
        "cluster", "router", "arbiter", "hardware_repo", "model_repo", "orchestrator_repo", "performance_model",
        "network", "power_model", "applications", "trace", "start_state", "tracking", "end_time", "debug", "seed",
        "perfetto", "stop_at_backlog_s",
    }  # fmt: skip
    assert resolved["hardware_repo"]["skus"]["dgx-a100"]["tdp"] == 6500
    assert resolved["model_repo"]["architectures"]["bloom-176b"]["num_layers"] == 70
    assert resolved["orchestrator_repo"]["allocators"]["noop"]["policy"] == "noop"
    assert resolved["router"] == {"policy": "noop", "overheads": {"routing_delay": 0}}


def test_a_cluster_may_have_any_number_of_server_groups(composer: Composer) -> None:
    for count in (1, 3):
        groups = ["{sku: dgx-h100, count: 2}", "{sku: dgx-a100, count: 1}", "{sku: dgx-h100-pcap, count: 3}"][:count]
        resolved = composer.resolved([f"cluster.servers=[{','.join(groups)}]"])
        assert resolved["cluster"]["servers"][0] == {"sku": "dgx-h100", "count": 2}
        assert len(resolved["cluster"]["servers"]) == count


def test_a_repository_of_ones_own_is_read(composer: Composer, tmp_path: Path) -> None:
    (tmp_path / "small.yml").write_text("name: small\nmemory_size: 1024\n")
    (tmp_path / "notes.txt").write_text("not an entry")
    resolved = composer.resolved([f"hardware_repo.processors={tmp_path}"])
    assert resolved["hardware_repo"]["processors"] == {"small": {"name": "small", "memory_size": 1024}}


def test_a_file_of_a_repository_may_refer_to_its_own_values(composer: Composer, tmp_path: Path) -> None:
    (tmp_path / "twice.yaml").write_text("one: {memory_size: 4}\nmore: ['${one.memory_size}', \"${eval:'2 * 4'}\"]\n")
    resolved = composer.resolved([f"hardware_repo.processors={tmp_path}"])
    assert resolved["hardware_repo"]["processors"]["twice"] == {"one": {"memory_size": 4}, "more": [4, 8]}


def test_arithmetic_is_spelled_as_in_splitwisesims_experiments(composer: Composer) -> None:
    a100 = "cluster.servers.0.count=\"${eval:'int(4.76 * (40 - ${h100}) // 2.21)'}\""
    resolved = composer.resolved(["+h100=7", "cluster.servers.1.count=${h100}", a100])
    assert [group["count"] for group in resolved["cluster"]["servers"]] == [71, 7]
    rounded = composer.resolved(["+sweep=0.6000000000000001", "trace.filename=\"rr_code_${eval:'round(${sweep},1)'}\""])
    assert rounded["trace"]["filename"] == "rr_code_0.6"


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (["start_state=splitwize"], ["start_state='splitwize'", "did you mean 'splitwise'?", "unallocated"]),
        (["hydra/launcher=rya"], ["hydra/launcher='rya'", "did you mean 'ray'?"]),
        (["performance_model=csv"], ["performance_model='csv'", "one of: ", "constant", "db"]),
        (["clustr=half_half"], ["clustr='half_half'", "unknown key", "did you mean 'cluster'?"]),
        (["sede=1"], ["sede='1'", "did you mean 'seed'?"]),
        (["cluster.servers.0.cont=1"], ["did you mean 'cluster.servers.0.count'?", "sku, count"]),
        (["cluster.servers.5.count=1"], ["cluster.servers has: 0, 1"]),
        (["+applications.1={application_id: 1}"], ["applications.1='{", "has: 0", "choose applications="]),
        (["++cluster.servers.2.count=1"], ["cluster.servers.2.count='1'", "has: 0, 1", "cluster.servers=[...]"]),
        (["+applications.x=1"], ["applications.x='1'", "+ adds no entry to a list"]),
        (["applications.0.schedular=jsq"], ["did you mean 'applications.0.scheduler'?"]),
        (["start_state=splitwise", "start_state.num_instances=2"], ["did you mean 'start_state.", ".num_instances'?"]),
        (["start_state.split_type=homogeneous"], ["start_state has: state_type, application_id, instance"]),
        (["trace.filname=x"], ["did you mean 'trace.filename'?"]),
        (["seed.x=3"], ["seed.x='3'", "unknown key"]),
        (["~seed.x"], ["seed.x", "unknown key"]),
        (["+seed=1"], ["seed=1", "leave out the +"]),
        (["applications=[1]"], ["applications=[1]", "one of: ", "duo", "solo"]),
        (["seed"], ["cannot read the override 'seed'"]),
        (["=1"], ["cannot read the override '=1'"]),
        ([""], ["cannot read the override ''"]),
        (["a=b=[["], ["cannot read the override 'a=b=[['"]),
        (["seed=1,2"], ["seed='1,2'", "not several"]),
        (["seed=range(3)"], ["seed='range(3)'", "not several"]),
        (["seed=interval(0,1)"], ["seed='interval(0,1)'", "not several"]),
        (["seed=${nope}"], ["seed: ", "nope"]),
        (["seed=???"], ["seed: ", "issing"]),
        (["seed=${seed}"], ["seed: "]),
        (["cluster.servers.0.count=${eval:'1 / 0'}"], ["cluster.servers.0.count: ", "division by zero"]),
        (["seed=${eval:'open(1)'}"], ["seed: ", "'open(1)'", "int, round, min and max"]),
        (["hardware_repo.processors=configs/nowhere"], ["processors='configs/nowhere'", "no such folder"]),
        (["hardware_repo.processors=3"], ["hardware_repo.processors='3'", "no such folder"]),
        (["hardware_repo.processors=[3]"], ["hardware_repo.processors=", "path of a folder"]),
        (["hardware_repo.skus=docs_that_are_not_there"], ["hardware_repo.skus", "no such folder"]),
        (["applications.0.overheads={x: 1}"], ["applications.0.overheads.x: unknown key"]),
        (["start_state@other=orca"], ["start_state@other"]),
        (["hydra.run.dirr=x"], ["hydra.run.dirr"]),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else None,
)
def test_a_mistake_is_one_line_that_names_the_place_and_the_nearest_name(
    composer: Composer, overrides: list[str], parts: list[str]
) -> None:
    message = error_of(composer, *overrides)
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("text", "part"), [("- a\n- b\n", "mapping"), ("a: [1\n", "a.yaml"), ("", "mapping"), ("a: ${b}\n", "'b'")]
)
def test_a_broken_entry_of_a_repository_names_its_file(
    composer: Composer, tmp_path: Path, text: str, part: str
) -> None:
    (tmp_path / "a.yaml").write_text(text)
    message = error_of(composer, f"model_repo.sizes={tmp_path}")
    assert f"{tmp_path}/a.yaml" in message
    assert part in message


def test_an_empty_repository_is_a_mistake(composer: Composer, tmp_path: Path) -> None:
    assert "no YAML file" in error_of(composer, f"model_repo.sizes={tmp_path}")


CASES = [
    [],
    *EXAMPLES.values(),
    HOMOGENEOUS[::-1],
    ["cluster=isocost_hybrid", "cluster=solo_a100"],
    ["cluster.servers.0.count=3", "cluster.servers.0.count=4"],
    ["cluster.servers=[{sku: dgx-h100, count: 2}]", "cluster.servers.0.count=7"],
    ["cluster.servers.0={sku: dgx-h100, count: 5}"],
    ["cluster={power_budget: 5}", "cluster.power_budget=6"],
    ["cluster.power_budget=6", "cluster={power_budget: 5}"],
    ["+sweep=5", "cluster.servers.1.count=${sweep}", "cluster.servers.0.count=\"${eval:'40 - ${sweep}'}\""],
    ["+sweep=5", "++sweep=6", "++seed=${sweep}"],
    ["+fname=rr_code", "+rate=70", "trace.filename=${fname}_${rate}_2min"],
    ["+variables={a: 1, b: [1, 2]}", "+variables.c=3", "seed=${variables.c}"],
    ["trace.dir=traces/", "trace.filename=x"],
    ["trace.filename='a b,c=d'", "seed=0x10"],
    ["seed=1e3", "debug=true", "end_time=null"],
    ["seed='1'", "trace.filename=\"quoted\""],
    ["start_state=splitwise", "start_state.prompt.instance_names=[dgx-a100,dgx-h100]"],
    ["start_state=splitwise", "start_state.token.max_batch_tokens=${start_state.prompt.max_batch_tokens}"],
    ["start_state=orca", "+start_state.instance.max_batch_tokens=512"],
    ["~power_model"],
    ["~debug", "applications.0.debug=False"],
    ["~cluster.interconnects"],
    ["router.overheads.routing_delay=0.1"],
    ["router/overheads=zero", "router.overheads.routing_delay=0.2"],
    ["power_model.idle_power={a100-80gb: 1}"],
    ["applications.0={scheduler: jsq}"],
    ["hydra.run.dir=/tmp/somewhere", "seed=3"],
    ["hydra/launcher=joblib", "seed=4"],
    ["output_dir=mine", "seed=5"],
]  # fmt: skip


@pytest.mark.parametrize("overrides", CASES, ids=lambda overrides: " ".join(overrides) or "none")
def test_patched_configurations_equal_composed_ones(composer: Composer, overrides: list[str]) -> None:
    expected = full(overrides)
    patched = composer.compose(overrides)
    assert OmegaConf.to_container(patched) == OmegaConf.to_container(expected)
    assert OmegaConf.to_yaml(patched) == OmegaConf.to_yaml(expected)  # also in order, and interpolations as written
    assert composer.resolve(patched) == resolve(expected)
    assert repr(composer.resolve(patched)) == repr(resolve(expected))  # also in type: 1 is not True, nor 1.0


def test_configurations_do_not_leak_into_one_another(composer: Composer) -> None:
    before = composer.resolved(BASELINE)
    changed = composer.compose(BASELINE)
    changed.cluster.servers[0].count = 99
    resolved = composer.resolved(BASELINE)
    resolved["hardware_repo"]["skus"].clear()
    resolved["applications"][0]["scheduler"] = "spoiled"
    composer.resolved([*BASELINE, "cluster.servers.0.count=5", "+extra=1"])
    assert composer.resolved(BASELINE) == before


def test_composing_leaves_hydras_global_state_alone(composer: Composer) -> None:
    assert not GlobalHydra.instance().is_initialized()
    with hydra.initialize_config_dir(str(CONFIG_DIR), version_base=None):
        inside = GlobalHydra.instance().hydra
        compose(BASELINE)
        assert inside is not None
        assert GlobalHydra.instance().hydra is inside
        assert hydra.compose("config", ["seed=7"]).seed == 7
    assert not GlobalHydra.instance().is_initialized()


def test_importing_registers_nothing_and_registering_twice_is_fine() -> None:
    script = """
import sys
from configs import compose
from omegaconf import OmegaConf
assert not OmegaConf.has_resolver("eval")
compose.register_resolvers()
compose.register_resolvers()
assert OmegaConf.create({"a": "${eval:'2 * 3'}"}).a == 6
assert "ray" not in sys.modules and "mlflow" not in sys.modules
compose.compose(["hydra/launcher=basic"])
assert "ray" not in sys.modules and "mlflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], cwd=CONFIG_DIR.parent, check=True)
