"""Answers end in what to type: the engine's command for each kind of instance, and how many there are."""

from __future__ import annotations

import json

import pytest

from configs.compose import Composer
from sync.analysis.deployment import COMMANDS, deployments, serving_lines
from sync.analysis.deployment.chosen import how_to_serve, serving_markdown

POOLS = ("start_state=vllm_pools", "cluster=half_half", "applications.0.scheduler=kv_jsq")


def config(*overrides: str) -> str:
    """The resolved configuration; JSON is YAML, too."""
    return json.dumps(Composer().resolved(["model_repo=default", *overrides]), default=dict)


def test_instances_that_are_alike_are_counted_by_role_and_machine() -> None:
    prompts, decodes = deployments(config(*POOLS, "start_state.prompt.tensor_parallelism=4"))
    assert (prompts.role, prompts.sku, prompts.processors, prompts.count) == ("prompt", "dgx-a100", 4, 2)
    assert (decodes.role, decodes.sku, decodes.processors, decodes.count) == ("token", "dgx-h100", 8, 1)
    assert prompts.text() == "2 instances for prompts, each on 4 of the 8 GPUs of a dgx-a100"
    assert decodes.text() == "1 instance for decodes, on all GPUs of a dgx-h100"


def test_settings_at_their_defaults_are_left_out_but_for_those_that_engines_work_out_themselves() -> None:
    line = serving_lines(config("start_state=vllm"))[1]
    assert line == (
        "    vllm serve bloom-176b --tensor-parallel-size 8 --max-num-batched-tokens 8192 --max-num-seqs 1024"
    )


def test_vllm_gets_its_own_names_of_settings() -> None:
    changed = ("policy=priority", "async_scheduling=false", "enable_prefix_caching=false", "watermark=0.01")
    line = serving_lines(config("start_state=vllm", *(f"start_state.instance.{text}" for text in changed)))[1]
    assert line.endswith(
        "--max-num-seqs 1024 --scheduling-policy priority --no-async-scheduling --no-enable-prefix-caching "
        "--watermark 0.01"
    )


def test_the_two_pools_of_a_split_are_told_which_way_caches_go() -> None:
    lines = serving_lines(config(*POOLS))
    assert '"kv_role":"kv_producer"' in lines[1]
    assert '"kv_role":"kv_consumer"' in lines[3]


def test_sglang_runs_prompts_whole_by_a_number_below_zero_and_reads_some_settings_from_the_environment() -> None:
    changed = ("chunked_prefill_size=0", "disable_radix_cache=true", "init_new_token_ratio=0.5")
    line = serving_lines(config("start_state=sglang", *(f"start_state.instance.{text}" for text in changed)))[1]
    assert line.startswith(
        "    SGLANG_INIT_NEW_TOKEN_RATIO=0.5 python -m sglang.launch_server --model-path bloom-176b "
    )
    assert "--chunked-prefill-size -1 " in line
    assert line.endswith("--disable-radix-cache")


def test_tensorrt_llm_gets_a_file_of_settings_and_a_command() -> None:
    lines = serving_lines(config("start_state=trtllm", "start_state.instance.enable_chunked_prefill=true"))
    assert "    enable_chunked_prefill: true" in lines
    assert lines[-1].strip() == (
        "trtllm-serve bloom-176b --tp_size 8 --max_batch_size 2048 --max_num_tokens 8192 "
        "--extra_llm_api_options engine.yaml"
    )


@pytest.mark.parametrize("engine", sorted(COMMANDS))
def test_every_engine_says_how_many_gpus_serve_together(engine: str) -> None:
    line = serving_lines(config(f"start_state={engine}", "start_state.instance.tensor_parallelism=4"))[-1]
    assert {"sglang": "--tp-size 4", "trtllm": "--tp_size 4", "vllm": "--tensor-parallel-size 4"}[engine] in line


@pytest.mark.parametrize("text", ["", "a: [", "3", "{}", config("start_state=orca")])
def test_what_no_engine_serves_and_what_cannot_be_read_has_no_command(text: str) -> None:
    assert serving_lines(text) == []


def test_designs_are_served_as_their_runs_were_configured(outcome) -> None:
    runs = [outcome(design="a", config_yaml=config("start_state=vllm")), outcome(design="b", config_yaml="")]
    lines = how_to_serve(["a", "b", "c"], runs)
    assert lines[0] == "To serve as a was simulated:"
    assert [line.strip()[:10] for line in lines[1:]] == ["40 instanc", "vllm serve"]
    assert serving_markdown(lines)[0].startswith("```\nTo serve as a")
    assert serving_markdown([]) == []


@pytest.mark.parametrize(
    ("engine", "flags"),
    [
        ("vllm", "--tensor-parallel-size 1 --data-parallel-size 8 --enable-expert-parallel --kv-cache-dtype fp8"),
        ("sglang", "--tp-size 8 --dp-size 8 --enable-dp-attention --ep-size 8 --kv-cache-dtype fp8_e4m3"),
        ("trtllm", "--tp_size 8 --ep_size 8"),
    ],
)
def test_ranks_experts_and_the_caches_format_have_their_flags(engine: str, flags: str) -> None:
    wide = ("data_parallelism=8", "expert_parallelism=8")
    lines = serving_lines(
        config(
            f"start_state={engine}", "applications.0.kv_cache_dtype=fp8", "cluster.servers.0.sku=dgx-h200",
            "applications.0.model_architecture=deepseek-r1", "applications.0.model_size=deepseek-r1-fp8",
            *(f"start_state.instance.{text}" for text in wide),
        )
    )  # fmt: skip
    assert any(flags in line for line in lines)
    if engine == "trtllm":
        assert {"dtype: fp8", "enable_attention_dp: true"} <= {line.strip() for line in lines}


def test_ranks_and_experts_are_told_in_each_engines_words() -> None:
    model = ("applications.0.model_architecture=qwen3-235b", "applications.0.model_size=qwen3-235b-fp8")
    parallel = ("start_state.instance.data_parallelism=4", "start_state.instance.expert_parallelism=8")
    lines = {
        engine: "\n".join(serving_lines(config(f"start_state={engine}", *model, *parallel, "cluster=half_half")))
        for engine in COMMANDS
    }
    assert "--tensor-parallel-size 2 --data-parallel-size 4 --enable-expert-parallel" in lines["vllm"]
    assert "--tp-size 8 --dp-size 4 --enable-dp-attention --ep-size 8" in lines["sglang"]
    assert "enable_attention_dp: true" in lines["trtllm"]
    assert "--tp_size 8 --ep_size 8" in lines["trtllm"]
