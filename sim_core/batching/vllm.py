"""vLLM 0.33.0: chunked prefill, blocks on demand, a prefix cache, and preemption by recomputation.

The rules are in `vllm_scheduler`; the loop that calls them is `sim_core.engine_replica`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sim_core.batching.paged_batcher import PagedBatcher
from sim_core.batching.vllm_options import VllmOptions
from sim_core.batching.vllm_scheduler import VllmScheduler
from sim_core.engine import Engine
from sim_core.errors import InvariantError, SpecError
from sim_core.kv.base import KvCache
from sim_core.kv.paged import PagedKv
from sim_core.memory import KvMemory
from sim_core.native import mypyc_attr
from sim_core.request import Task
from sim_core.spec import InstanceSpec
from sim_core.step import Step


@mypyc_attr(allow_interpreted_subclasses=True)
class VllmBatcher(PagedBatcher):
    """vLLM's scheduler as the policy of a replica that runs an engine's loop.

    A request is one sequence, prompt and decode together, so the tasks of a request come as its prompt.
    """

    __slots__ = ("scheduler",)

    Options = VllmOptions
    runs_on = "loop"

    def __init__(self, spec: InstanceSpec, engine: Engine, kv: KvCache) -> None:
        super().__init__(spec, engine, kv)
        assert isinstance(kv, PagedKv)
        self.longest = self.options.longest
        self.scheduler = VllmScheduler(self.options, kv)

    @classmethod
    def kv_cache(cls, spec: InstanceSpec, memory: KvMemory) -> PagedKv:
        options: VllmOptions = cls.options_of(spec)
        free_bytes = int(memory.total_bytes * options.gpu_memory_utilization) - memory.weights_bytes
        blocks = free_bytes // (options.block_size * memory.kv_bytes_per_token) - 1  # vLLM never uses the first block
        longest = -(-options.max_model_len // options.block_size)
        if blocks < max(longest, 1):
            raise SpecError(
                f"the KV cache has {max(blocks, 0)} blocks of {options.block_size} tokens, and "
                f"a sequence of max_model_len ({options.max_model_len}) needs {longest}: lower max_model_len, or "
                "raise gpu_memory_utilization",
                key="gpu_memory_utilization",
                value=options.gpu_memory_utilization,
            )
        tokens = options.max_model_len or blocks * options.block_size
        if not options.enable_chunked_prefill and options.max_num_batched_tokens < tokens:
            limit = "max_model_len" if options.max_model_len else "what the memory holds, as max_model_len is 0"
            raise SpecError(
                f"without enable_chunked_prefill a step must have room for the longest sequence, of {tokens} tokens "
                f"({limit}): raise it, set max_model_len to it, or set enable_chunked_prefill to true",
                key="max_num_batched_tokens",
                value=options.max_num_batched_tokens,
            )
        return PagedKv(blocks, options.block_size, options.enable_prefix_caching)

    # -- what is asked of every policy ---------------------------------------------------------------------------------

    def queue_length(self) -> int:
        return self.scheduler.waiting.length + len(self.scheduler.loaded)

    def has_waiting(self) -> bool:
        return self.queue_length() > 0

    def is_empty(self) -> bool:
        return not self.scheduler.running

    def members(self) -> list[Task]:
        scheduler = self.scheduler
        if not scheduler.in_flight:
            return []
        return [sequence.present_task() for sequence in scheduler.sequences_of(scheduler.in_flight[0])]

    def waiting(self) -> Iterator[Task]:
        for sequence in (*self.scheduler.loaded, *self.scheduler.waiting.all()):
            yield sequence.present_task()

    def queued(self) -> Iterator[Task]:
        return self.waiting()

    def iterations(self) -> int:
        return self.scheduler.steps_ended()

    def batches(self) -> int:
        return self.scheduler.steps

    # -- what replicas with a loop do not ask --------------------------------------------------------------------------

    def add(self, task: Task) -> None:
        raise InvariantError(_OTHER)

    def add_behind(self, task: Task, prompt: Task) -> None:
        raise InvariantError(_OTHER)

    def wait(self, task: Task) -> None:
        raise InvariantError(_OTHER)

    def wants(self, task: Task) -> bool:
        raise InvariantError(_OTHER)

    def next_step(self) -> Step | None:
        raise InvariantError(_OTHER)

    def ended(self, steps: int) -> list[Task]:
        raise InvariantError(_OTHER)


_OTHER = "this policy runs on a replica with an engine's loop"
