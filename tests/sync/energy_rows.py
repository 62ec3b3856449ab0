"""GPUs of a run whose energy is 88 J: 50 J idle, 20 J with prompts, 18 J with decodes; 40 J by estimated power."""

from __future__ import annotations

from sync.results.energy import GpuRow

ROWS: list[GpuRow] = [
    {
        **{"processor": "a", "application_id": 0, "tensor_parallelism": 2},  # type: ignore[typeddict-item]
        **{"idle_s": 10.0, "prompt_s": 4.0, "token_s": 6.0, "idle_w": 1.0, "prompt_w": 5.0, "token_w": 3.0},
        "origin": "measured",
    },
    {
        **{"processor": "b", "application_id": -1, "tensor_parallelism": 0},  # type: ignore[typeddict-item]
        **{"idle_s": 20.0, "prompt_s": 0.0, "token_s": 0.0, "idle_w": 2.0, "prompt_w": 5.0, "token_w": 3.0},
        "origin": "estimated",
    },
]
