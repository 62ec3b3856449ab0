"""Small files in the formats of benchmarks: of the same shape as theirs, with invented figures."""

from __future__ import annotations

import json
from typing import Any

REQUESTS, ISL, OSL, TTFT_MS, TPOT_MS = 80, 1024, 64, 410.0, 46.5


def vllm(**changes: Any) -> str:
    return _json(
        {
            "date": "20260101-000000",
            "endpoint_type": "openai",
            "model_id": "tiny",
            "tokenizer_id": "tiny",
            "num_prompts": REQUESTS,
            "request_rate": "inf",
            "burstiness": 1.0,
            "max_concurrency": 8,
            "duration": 30.0,
            "completed": REQUESTS,
            "failed": 0,
            "total_input_tokens": REQUESTS * ISL,
            "total_output_tokens": REQUESTS * OSL,
            "mean_ttft_ms": TTFT_MS,
            "mean_tpot_ms": TPOT_MS,
        },
        changes,
    )


def sglang(**changes: Any) -> str:
    return _json(
        {
            "backend": "sglang",
            "dataset_name": "random",
            "request_rate": float("inf"),
            "max_concurrency": 8,
            "random_input_len": ISL,
            "random_output_len": OSL,
            "random_range_ratio": 1.0,
            "completed": REQUESTS,
            "total_input_tokens": REQUESTS * ISL,
            "total_output_tokens": REQUESTS * OSL,
            "mean_ttft_ms": TTFT_MS,
            "mean_tpot_ms": TPOT_MS,
        },
        changes,
    )


def guidellm(strategy: dict[str, Any] | None = None, **metrics: Any) -> str:
    def of(mean: float, **more: float) -> dict[str, Any]:
        return {"successful": {"mean": mean, **more}, "errored": {"mean": 0.0}}

    known = {
        "request_totals": {"successful": REQUESTS, "errored": 0, "incomplete": 0, "total": REQUESTS},
        "prompt_token_count": of(ISL, min=ISL, max=ISL),
        "output_token_count": of(OSL, min=OSL, max=OSL),
        "time_to_first_token_ms": of(TTFT_MS),
        "inter_token_latency_ms": of(TPOT_MS),
        "time_per_output_token_ms": of(TPOT_MS * 1.2),
    }
    strategy = {"type_": "concurrent", "streams": 8} if strategy is None else strategy
    run = {"type_": "generative_benchmark", "config": {"strategy": strategy}, "metrics": {**known, **metrics}}
    return json.dumps({"metadata": {"version": 1}, "args": {}, "benchmarks": [run]})


def aiperf(loadgen: dict[str, Any] | None = None, **changes: Any) -> str:
    return _json(
        {
            "request_latency": {"unit": "ms", "avg": 3000.0},
            "time_to_first_token": {"unit": "ms", "avg": TTFT_MS},
            "inter_token_latency": {"unit": "ms", "avg": TPOT_MS},
            "input_sequence_length": {"unit": "tokens", "avg": float(ISL), "min": float(ISL), "max": float(ISL)},
            "output_sequence_length": {"unit": "tokens", "avg": float(OSL), "min": float(OSL), "max": float(OSL)},
            "request_count": {"unit": "requests", "avg": float(REQUESTS)},
            "input_config": {
                "endpoint": {"model_names": ["tiny"], "streaming": True},
                "loadgen": {"concurrency": 8} if loadgen is None else loadgen,
            },
        },
        changes,
    )


def table(*rows: str, head: str = "isl,osl,concurrency,ttft_ms,tpot_ms,requests,model") -> str:
    rows = rows or (f"{ISL},{OSL},8,{TTFT_MS},{TPOT_MS},{REQUESTS},tiny",)
    return "\n".join([head, *rows]) + "\n"


def _json(found: dict[str, Any], changes: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in {**found, **changes}.items() if value is not None})
