"""A model is an architecture and a size that belongs to it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from configs.compose import CONFIG_DIR, Composer
from sim_core import SimSpec, SpecError, spec_from_config
from sim_core.memory import KvMemory, instance_memory
from sim_core.spec import InstanceSpec, ModelSpec, ProcessorSpec, ServerGroupSpec, StartStateSpec
from sim_core.start_state import START_STATES

SIZES = CONFIG_DIR / "model_repo" / "sizes"


def spec_of(architecture: str, size: str, *more: str) -> SimSpec:
    overrides = [f"applications.0.model_architecture={architecture}", f"applications.0.model_size={size}", *more]
    return spec_from_config(composer().resolved(overrides), CONFIG_DIR.parent)


@cache
def composer() -> Composer:
    return Composer()


def repository() -> dict[str, Any]:
    repo: dict[str, Any] = Composer().resolved([])["model_repo"]
    return repo


@pytest.mark.parametrize("architecture", sorted(repository()["architectures"]))
def test_each_architecture_runs_with_the_sizes_that_name_it_and_with_no_other(architecture: str) -> None:
    for name, size in repository()["sizes"].items():
        if architecture in size["architectures"]:
            assert spec_of(architecture, name).applications[0].model.weights_bytes == size["weights"]
        else:
            with pytest.raises(SpecError, match=f"^applications.0.model_size='{name}': these are weights of "):
                spec_of(architecture, name)


@pytest.mark.parametrize(
    ("architecture", "size", "said"),
    [
        ("bloom-176b", "llama2-70b-fp16",
         "these are weights of llama2-70b and llama2-70b-gqa, not of bloom-176b; take bloom-176b-fp16"),
        ("llama2-70b-gqa", "opt-30b-fp16",
         "these are weights of opt-30b, not of llama2-70b-gqa; take llama2-70b-fp16 or llama2-70b-gqa-fp16"),
    ],
)  # fmt: skip
def test_a_size_of_another_architecture_is_refused_and_those_that_belong_are_named(
    architecture: str, size: str, said: str
) -> None:
    with pytest.raises(SpecError) as error:
        spec_of(architecture, size)
    assert str(error.value) == f"applications.0.model_size={size!r}: {said}"


def test_a_size_file_of_a_users_own_that_names_no_architecture_goes_with_any_as_in_splitwisesim(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("weights: 4000000000\ndtype_size: 1\n")
    model = spec_of("opt-30b", "mine", f"model_repo.sizes={tmp_path}").applications[0].model
    assert (model.weights_bytes, model.bytes_per_element) == (4_000_000_000, 1)


def test_where_no_size_belongs_the_error_says_how_to_make_one_belong(tmp_path: Path) -> None:
    shutil.copy(SIZES / "opt-30b-fp16.yaml", tmp_path)
    with pytest.raises(SpecError, match=r"make a size for it, or add it to this one's architectures$"):
        spec_of("bloom-176b", "opt-30b-fp16", f"model_repo.sizes={tmp_path}")


# -- memory of attention by latents, of ranks, and of the engine ---------------------------------------------------

LATENTS = ModelSpec("m", "m", 10, 64, 8, 8, 1000, 2, kv_elements_per_layer=6, kv_parts=1, replicated_bytes=100)


def memory_of(model: ModelSpec, **instance: int) -> KvMemory:
    kind = InstanceSpec("vllm", 4, **instance)  # type: ignore[arg-type]
    state = StartStateSpec("baseline", instance=kind)
    machine = ServerGroupSpec("box", 1, (ProcessorSpec("gpu", 1000),) * 4)
    (plan,) = START_STATES["baseline"].plans(state, [machine])
    return instance_memory(model, plan)


def test_gpus_that_share_attention_by_latents_hold_copies_of_the_cache() -> None:
    assert LATENTS.kv_bytes_per_token == 120
    assert memory_of(LATENTS).kv_bytes_per_token == 4 * 120
    assert memory_of(LATENTS, data_parallelism=4).kv_bytes_per_token == 120
    assert memory_of(replace(LATENTS, kv_parts=2)).kv_bytes_per_token == 2 * 120
    assert memory_of(replace(LATENTS, kv_parts=8)).kv_bytes_per_token == 120


def test_each_rank_has_a_copy_of_the_weights_that_are_no_experts() -> None:
    assert memory_of(LATENTS, data_parallelism=4).weights_bytes == 1000 + 3 * 100


def test_what_an_engine_reserves_on_each_gpu_is_not_for_the_cache() -> None:
    assert memory_of(LATENTS, reserved_bytes=50).weights_bytes == 1000 + 4 * 50


@pytest.mark.parametrize("key", ["data_parallelism", "expert_parallelism"])
def test_ranks_and_experts_divide_the_gpus_of_an_instance(key: str) -> None:
    with pytest.raises(SpecError, match=rf"{key}=3: must divide tensor_parallelism \(4\)"):
        InstanceSpec("vllm", 4, **{key: 3})  # type: ignore[arg-type]
