"""What the caches of a run were worth, and what a cache without limits would have been."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sim_core.kv.base import EndlessCache
from sim_core.replica import Replica
from sim_core.trace import Trace
from sim_core.workload import content_of


class CacheUse(NamedTuple):
    """Counts of all replicas that take memory block by block, in tokens; see `CacheCounts`.

    `bound`: what requests would have hit had each of them found the blocks of all that came before it, in one cache
    that never loses a block. `bound_prompts`: the prompts of these requests, which are all that arrived and were not
    rejected. Where no replica has a prefix cache, `has_prefix_cache` is false, and there is nothing to hit.
    """

    has_prefix_cache: bool
    prompts: int
    hits: int
    recomputed: int
    preemptions: int
    evicted_blocks: int
    bound: int
    bound_prompts: int


def cache_use_of(
    replicas: Mapping[int, Sequence[Replica]], trace: Trace, arrived: int, rejected: Iterable[int]
) -> CacheUse | None:
    """The use of the caches of `replicas`, by application, where the first `arrived` rows of the trace have arrived,
    and those in `rejected` were not taken; None where no replica takes memory block by block."""
    counted = [replica.kv for members in replicas.values() for replica in members if replica.kv.counts is not None]
    if not counted:
        return None
    counts = [kv.counts for kv in counted if kv.counts is not None]
    turned_away = set(rejected)
    rows = [row for row in range(arrived) if row not in turned_away]
    caches = endless_caches(replicas)
    prompts = trace.prompt_tokens
    return CacheUse(
        has_prefix_cache=bool(caches),
        prompts=sum(count.prompts for count in counts if count.prefix_cache),
        hits=sum(count.hits for count in counts),
        recomputed=sum(count.recomputed for count in counts),
        preemptions=sum(count.preemptions for count in counts),
        evicted_blocks=sum(kv.evicted for kv in counted),
        bound=sum(hit_bounds(trace, caches, rows)),
        bound_prompts=sum(prompts[row] for row in rows if trace.application_id[row] in caches),
    )


def endless_caches(replicas: Mapping[int, Sequence[Replica]]) -> dict[int, list[EndlessCache]]:
    """By application: a new cache without limits for each kind of prefix cache among its replicas. Applications that
    have none are left out."""
    caches: dict[int, list[EndlessCache]] = {}
    for application_id, members in replicas.items():
        kinds: set[int] = set()
        for replica in members:
            counts, cache = replica.kv.counts, replica.kv.endless()
            if counts is not None and cache is not None and counts.block not in kinds:
                kinds.add(counts.block)
                caches.setdefault(application_id, []).append(cache)
    return caches


def hit_bounds(trace: Trace, caches: Mapping[int, Sequence[EndlessCache]], rows: Iterable[int]) -> list[int]:
    """The tokens that each of the requests in `rows` would hit, had the caches of its application served those before
    it; the most of them where it has several."""
    prefixes = trace.prefixes
    bounds = []
    for row in rows:
        own = caches.get(trace.application_id[row])
        content = None if prefixes is None else content_of(prefixes, row)
        if own is None or content is None:
            bounds.append(0)
        else:
            prompt, output = trace.prompt_tokens[row], trace.output_tokens[row]
            bounds.append(max([cache.add(content, prompt, output) for cache in own]))
    return bounds
