"""What policies that take memory block by block read of their configuration, and how many blocks they have."""

from __future__ import annotations

from typing import Any

from sim_core.batching.base import Batcher
from sim_core.errors import SpecError
from sim_core.memory import KvMemory
from sim_core.native import mypyc_attr
from sim_core.options import made, read_options, reads_configuration
from sim_core.section import Section
from sim_core.spec import InstanceSpec


@mypyc_attr(allow_interpreted_subclasses=True)
class PagedBatcher(Batcher):
    """A policy whose `Options` say by `active` how many requests may run at a time."""

    __slots__ = ()

    @classmethod
    @reads_configuration
    def read_limits(cls, config: Section) -> dict[str, Any]:
        options = read_options(cls.Options, config)
        return {"max_batch_size": cls.Options(**dict(options)).active, "options": options}

    @classmethod
    def options_of(cls, spec: InstanceSpec) -> Any:
        """The options of a replica."""
        return made(cls.Options, spec.options, f"batching policy {spec.policy!r}")


def blocks_in(free_bytes: int, block_tokens: int, memory: KvMemory, key: str, value: float) -> int:
    """How many blocks `free_bytes` hold, beside the weights. SpecError without one: `key` is to be raised."""
    blocks = free_bytes // (block_tokens * memory.kv_bytes_per_token)
    if blocks < 1:
        raise SpecError(
            f"no memory is left for the KV cache beside the weights (a block has {block_tokens} tokens): raise it",
            key=key,
            value=value,
        )
    return blocks
