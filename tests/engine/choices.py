"""Options of the engines' policies, and values of them that random worlds draw."""

from __future__ import annotations

CHOICES: dict[str, dict[str, list[object]]] = {  # by policy
    "vllm": {
        "policy": ["fcfs", "priority"], "async_scheduling": [False, True], "max_num_batched_tokens": [8, 16, 64],
        "max_num_seqs": [2, 4, 8], "max_num_active_seqs": [0, 2], "block_size": [1, 4],
        "enable_prefix_caching": [False, True], "long_prefill_token_threshold": [0, 5],
        "long_prefill_token_threshold_adaptive": [False, False, True], "scheduler_reserve_full_isl": [False, True],
        "watermark": [0.0, 0.0, 0.05], "prefill_schedule_interval": [1, 1, 3],
    },
    "sglang": {
        "chunked_prefill_size": [0, 16, 64], "max_prefill_tokens": [16, 64], "max_running_requests": [2, 64],
        "page_size": [1, 4], "enable_mixed_chunk": [False, True], "disable_radix_cache": [False, True],
        "init_new_token_ratio": [0.05, 0.7], "new_token_ratio_decay_steps": [5, 600],
        "clip_max_new_tokens_estimation": [3, 4096], "scheduler_recv_interval": [1, 1, 7],
    },
    "trtllm": {
        "max_batch_size": [2, 16], "max_num_tokens": [64, 8192], "tokens_per_block": [1, 4],
        "enable_chunked_prefill": [False, True], "enable_block_reuse": [False, True],
        "batch_wait_timeout_iters": [0, 0, 5], "batch_wait_max_tokens_ratio": [0.0, 0.25, 1.0],
    },
}  # fmt: skip
