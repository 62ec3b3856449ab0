"""Every file of a group composes, and SplitwiseSim's names are there with the values that its users expect.

The sets below hold SplitwiseSim's names. Files beside these are tested without an edit here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from configs.compose import CONFIG_DIR, Composer
from tests.sim_core.worlds import splits

GROUPS = {
    "cluster": {
        "dgx-a100", "dgx-h100", "half_half", "hhcap_half_half", "isocost_a100", "isocost_h100", "isocost_hybrid",
        "isocount_a100", "isocount_hybrid", "isopower_a100", "isopower_hybrid", "solo_a100", "solo_h100", "solo_hybrid",
    },
    "router": {"noop"},
    "arbiter": {"noop"},
    "hardware_repo": {"default"},
    "model_repo": {"default"},
    "orchestrator_repo": {"default"},
    "performance_model": {"constant", "db"},
    "power_model": {"constant"},
    "applications": {"solo"},
    "trace": {"test_trace"},
    "start_state": {"unallocated", "orca", "baseline", "splitwise", "splitwise_hhcap"},
    "tracking": {"none", "mlflow"},
}  # fmt: skip
SCHEDULERS = {
    "random", "round_robin", "jsq", "token_jsq", "kv_round_robin", "kv_round_robin_ethernet", "kv_jsq", "kv_token_jsq",
    "overlap_kv_jsq", "overlap_kv_token_jsq", "mixed_pool",
}  # fmt: skip
ARCHITECTURES = {"bloom-176b", "gpt3-175b", "llama-13b", "llama-33b", "llama2-70b", "opt-30b", "opt-66b"}
WITHOUT_A_KEY = {"hydra", "experiment", "__pycache__"}  # folders that give the configuration no key of their name
FOLDERS = sorted(path.name for path in CONFIG_DIR.iterdir() if path.is_dir() and path.name not in WITHOUT_A_KEY)
CHOICES = [(group, path.stem) for group in FOLDERS for path in sorted((CONFIG_DIR / group).glob("*.yaml"))]
YAML_FILES = sorted(CONFIG_DIR.rglob("*.yaml"))


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer()


@pytest.fixture(scope="module")
def default(composer: Composer) -> dict[str, Any]:
    return composer.resolved([])


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_a_group_has_every_name_that_splitwisesim_has(group: str) -> None:
    assert {path.stem for path in (CONFIG_DIR / group).glob("*.yaml")} >= GROUPS[group]


@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_every_choice_composes_and_resolves(composer: Composer, group: str, name: str) -> None:
    resolved = composer.resolved([f"{group}={name}"])
    chosen = yaml.safe_load((CONFIG_DIR / group / f"{name}.yaml").read_text())
    keys = set(chosen) - {"defaults"} if isinstance(chosen, dict) else set(chosen[0])
    assert keys <= set(resolved[group] if isinstance(chosen, dict) else resolved[group][0])


@pytest.mark.filterwarnings("ignore:\\s*'hydra/launcher/ray' is validated")  # ours extends the plugin's
@pytest.mark.parametrize("launcher", ["basic", "joblib", "ray"])
def test_every_launcher_composes(composer: Composer, launcher: str) -> None:
    assert composer.resolved([f"hydra/launcher={launcher}"]) == composer.resolved([])


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: str(path.relative_to(CONFIG_DIR)))
def test_no_file_names_code_except_hydras_own_launcher(path: Path) -> None:
    if path.relative_to(CONFIG_DIR).parts[0] != "hydra":
        assert "_target_" not in path.read_text()


def test_splitwisesims_schedulers_are_there_and_each_is_a_policy_of_its_own(default: dict[str, Any]) -> None:
    schedulers = default["orchestrator_repo"]["schedulers"]
    policies = {name: schedulers[name]["policy"] for name in SCHEDULERS}
    assert policies.pop("kv_round_robin_ethernet") == "kv_round_robin"
    assert all(name == policy for name, policy in policies.items())


@pytest.mark.parametrize("name", sorted(SCHEDULERS))
def test_schedulers_that_move_caches_say_between_what_and_how_fast(default: dict[str, Any], name: str) -> None:
    entry = default["orchestrator_repo"]["schedulers"][name]
    assert entry["executor_overheads"] == {"submit_task": 0, "submit_flow": 0, "finish_request": 0}
    moves = splits(entry["policy"])
    assert entry.get("transfer_bandwidth") == ((12.5 if "ethernet" in name else 200) if moves else None)
    assert entry.get("prompt_processors") == (["h100-80gb"] if moves else None)
    assert entry.get("token_processors") == (["a100-80gb"] if moves else None)


def test_splitwisesims_architectures_have_sizes_of_two_bytes_an_element(default: dict[str, Any]) -> None:
    repo = default["model_repo"]
    assert set(repo["architectures"]) >= ARCHITECTURES
    assert all(repo["sizes"][f"{name}-fp16"]["dtype_size"] == 2 for name in ARCHITECTURES)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES | {"llama2-70b-gqa"}))
def test_weights_are_about_what_the_architecture_implies(default: dict[str, Any], name: str) -> None:
    # A decoder has about 12 * hidden_size ** 2 parameters a layer.
    shape = default["model_repo"]["architectures"][name]
    implied = 2 * 12 * shape["hidden_size"] ** 2 * shape["num_layers"]
    assert default["model_repo"]["sizes"][f"{name}-fp16"]["weights"] == pytest.approx(implied, rel=0.1)


def test_llama_keeps_the_old_figures_and_gqa_has_the_true_ones(default: dict[str, Any]) -> None:
    old, true = (default["model_repo"]["architectures"][name] for name in ("llama2-70b", "llama2-70b-gqa"))
    assert (old["num_heads"], "num_kv_heads" in old) == (32, False)
    assert (true["num_heads"], true["num_kv_heads"]) == (64, 8)
    assert default["model_repo"]["sizes"]["llama2-70b-fp16"]["weights"] == 135_000_000_000
    assert default["model_repo"]["sizes"]["bloom-176b-fp16"]["weights"] == 329_000_000_000


def test_splitwisesims_hardware_is_there(default: dict[str, Any]) -> None:
    repo = default["hardware_repo"]
    for name in ("a100-40gb", "a100-80gb", "h100-80gb", "h100-80gb-pcap"):
        memory = int(name.split("-")[1].removesuffix("gb")) * 1024**3
        assert repo["processors"][name]["memory_size"] == memory
    for name, watts in {"dgx-a100": 6500, "dgx-h100": 10200, "dgx-h100-pcap": 7140}.items():
        assert (repo["skus"][name]["tdp"], repo["skus"][name]["processors"][0]["count"]) == (watts, 8)


def test_skus_are_made_of_processors_that_exist(default: dict[str, Any]) -> None:
    repo = default["hardware_repo"]
    for sku in repo["skus"].values():
        assert {group["name"] for group in sku["processors"]} <= set(repo["processors"])


@pytest.mark.parametrize("name", [name for group, name in CHOICES if group == "cluster"])
def test_clusters_are_made_of_skus_that_exist(composer: Composer, default: dict[str, Any], name: str) -> None:
    cluster = composer.resolved([f"cluster={name}"])["cluster"]
    assert {group["sku"] for group in cluster["servers"]} <= set(default["hardware_repo"]["skus"])
    assert sum(group["count"] for group in cluster["servers"]) > 0


def test_the_default_run_is_splitwisesims(default: dict[str, Any]) -> None:
    assert [group["count"] for group in default["cluster"]["servers"]] == [40, 0]
    assert default["start_state"]["state_type"] == "orca"
    assert default["performance_model"] == {"policy": "constant", "prompt_time": 1, "token_time": 10}
    assert default["applications"][0] == {
        "application_id": 0, "model_architecture": "bloom-176b", "model_size": "bloom-176b-fp16", "allocator": "noop",
        "scheduler": "round_robin", "overheads": {}, "debug": False, "kv_cache_dtype": "auto",
    }  # fmt: skip
    assert (default["seed"], default["debug"], default["end_time"]) == (0, False, None)


def test_the_sample_trace_and_the_performance_table_are_where_the_configuration_says(composer: Composer) -> None:
    resolved = composer.resolved(["performance_model=db"])
    assert (CONFIG_DIR.parent / resolved["trace"]["path"]).is_file()
    assert (CONFIG_DIR.parent / resolved["performance_model"]["db_path"]).is_file()
