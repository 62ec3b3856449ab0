"""How the benchmarks ran their engines: the settings of InferenceX's launch scripts, else the engines' own defaults.

From https://github.com/SemiAnalysisAI/InferenceX (benchmarks/single_node), as of 2026; those of Llama-3.1-70B as they
were before its scripts were removed. They need not be those of the day on which a point was measured. NVIDIA's own
runs name no settings: the engines' defaults hold. Nothing here was chosen by looking at errors.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.validation.points import Point, version_of
from sim_core.spec import Options

FRONT_S = 0.005  # of HTTP, tokenizer and detokenizer around a request
SERIAL_S = 0.001  # that the one front-end process of an engine needs for a request, one after the other
SERIAL_TOKEN_S = 1e-6  # and for each token of its prompt
STAGGER_S = 0.001  # from one client's first request to the next one's: one process sends them
ROUNDS = 10  # prompts a client
SPREAD = 0.8  # InferenceX: lengths are uniform from 0.8 of the nominal one to all of it
TRANSFER_S = 0.005  # of a KV cache between workers, beside the time of its bytes
TRANSFER_BYTES_PER_S = 50e9  # a network card of 400 Gb/s

# Layers of the models with experts that SGLang served, from their config.json.
LAYERS = {"DeepSeek": 61, "Qwen3-235B": 94, "Qwen3.5-397B": 60}

ASYNC_SINCE = (0, 14)  # the version of vLLM that made asynchronous scheduling the default
MEMORY = {"vllm": 0.9, "sglang": 0.85, "trtllm": 0.85}  # the share of memory of the launch scripts
NO_LIMIT = 1 << 20  # of requests
BATCH_WAIT = 20  # iterations: batch_wait_timeout_iters of the script for Llama-3.1-70B at 1,024 / 1,024 below TP 8
BATCH_WAIT_RATIO = 0.9  # batch_wait_max_tokens_ratio of the same


@dataclass(frozen=True, slots=True)
class Mechanism:
    """What is switched on for a diagnosis: `launch_s` a layer for prompts of SGLang's models with experts, or norms in
    one kernel with the all-reduce before them for TensorRT-LLM. Nothing, for a validation."""

    launch_s: float = 0.0
    fused_norms: bool = False

    def concerns(self, point: Point) -> bool:
        """Whether it changes a point."""
        is_launched = self.launch_s > 0.0 and point.backend == "sglang" and point.family in LAYERS
        return is_launched or (self.fused_norms and point.backend == "trtllm")

    def options(self, point: Point) -> Options:
        """The options of the performance model."""
        if not self.concerns(point):
            return ()
        return _options(launch_s=self.launch_s * LAYERS.get(point.family, 0), fused_norms=self.fused_norms)


@dataclass(frozen=True, slots=True)
class Engine:
    """What decides how one engine batches."""

    tokens: int  # of a step
    requests: int  # that run at a time
    receive_interval: int = 1  # SGLang: iterations between two looks for new requests
    batch_wait: int = 0  # TensorRT-LLM: iterations that prompts wait for others
    is_async: bool = False  # vLLM

    def options(self, policy: str, ranks: int) -> Options:
        """The options of the batching policy. Ranks of data-parallel attention have `tokens` of a step each, and with
        vLLM and TensorRT-LLM `requests` of their own; SGLang divides these among them."""
        tokens = self.tokens * ranks
        requests = self.requests if policy == "sglang" else self.requests * ranks
        if policy == "vllm":
            return _options(
                max_num_batched_tokens=max(tokens, requests),
                max_num_seqs=requests,
                async_scheduling=self.is_async,
                gpu_memory_utilization=1.0,
            )
        if policy == "sglang":
            return _options(
                chunked_prefill_size=tokens,
                max_prefill_tokens=max(tokens, 16384),
                max_running_requests=requests,
                mem_fraction_static=1.0,
                scheduler_recv_interval=self.receive_interval,
            )
        waits = {"batch_wait_timeout_iters": self.batch_wait, "batch_wait_max_tokens_ratio": BATCH_WAIT_RATIO}
        return _options(
            max_num_tokens=max(tokens, requests),
            max_batch_size=requests,
            free_gpu_memory_fraction=1.0,
            **(waits if self.batch_wait else {}),
        )


def _options(**values: float | str) -> Options:
    return tuple(values.items())


def engine_of(point: Point) -> Engine:
    """The settings of an aggregated point."""
    settings = {"vllm": _vllm, "sglang": _sglang, "trtllm": _trtllm}
    return settings[point.backend](point)


def _vllm(point: Point) -> Engine:
    tokens, requests = 8192, 256
    if point.is_inferencex:
        requests = 512
        if point.family in ("Llama-3.1-70B", "gpt-oss", "Kimi-K2.5"):
            requests = max(point.concurrency, 1)
        if point.family == "MiniMax-M2.5":
            tokens = 2 * point.isl if point.system.startswith("b") else 32768
    # InferenceX's scripts have set `async-scheduling: true` since its first runs, of October 2025 on vLLM 0.10.2
    is_async = point.is_inferencex or version_of(point.backend_version) >= ASYNC_SINCE
    return Engine(tokens, requests, is_async=is_async)


def _sglang(point: Point) -> Engine:
    if not point.is_inferencex:
        return Engine(8192, NO_LIMIT)
    requests = 128
    if point.system == "h200_sxm":
        requests = 512 if point.isl == point.osl == 1024 else 256
    interval = 1
    if point.system in ("b200_sxm", "b300_sxm"):
        interval = 30 if point.concurrency >= 16 else 10  # --scheduler-recv-interval
    return Engine(32768, requests, receive_interval=interval)


def _trtllm(point: Point) -> Engine:
    if not point.is_inferencex:
        return Engine(max(8192, point.isl), 2048)  # a prompt runs whole, and these runs served all of theirs
    if point.family == "gpt-oss":
        return Engine(20000, point.concurrency)
    if point.family == "Llama-3.1-70B":
        is_waiting = point.isl == point.osl == 1024 and point.engine is not None and point.engine.tensor < 8
        return Engine(16384, 2048, batch_wait=BATCH_WAIT if is_waiting else 0)
    tokens = -(-(point.concurrency + point.isl + 64) // 64) * 64
    return Engine(max(8192, tokens), 2048)


def prompt_engine_of(point: Point) -> Engine:
    """The settings of a worker that computes prompts alone; scripts of disaggregated runs differ in much."""
    return Engine(max(8192, point.isl), NO_LIMIT if point.backend == "sglang" else 2048)


def decode_engine_of(point: Point) -> Engine:
    """The settings of a worker that only decodes."""
    return Engine(max(8192, point.isl), NO_LIMIT if point.backend == "sglang" else 2048)


def spread_of(point: Point) -> float:
    """The least length of a request, as a share of the nominal one."""
    return SPREAD if point.is_inferencex else 1.0
