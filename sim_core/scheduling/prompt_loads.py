"""What the prompts that are placed on each replica have still to compute, and hold; and which replica may have cached
which of them."""

from __future__ import annotations

from bisect import bisect_left, insort

from sim_core.errors import SpecError
from sim_core.kv.base import ContentListener
from sim_core.kv.content import Content
from sim_core.replica import Replica
from sim_core.request import Request
from sim_core.scheduling.ranking import INDEX_BITS
from sim_core.scheduling.stems import Stem, Stems


class _Contents(ContentListener):
    """Keeps the parts of one replica's cache in the tree of texts."""

    __slots__ = ("_index", "_own", "_stems")

    def __init__(self, stems: Stems, index: int) -> None:
        self._stems = stems
        self._index = index
        self._own: dict[Content, Stem] = {}

    def came(self, content: Content) -> None:
        self._own[content] = self._stems.hold(content, self._index)

    def gone(self, content: Content) -> None:
        self._stems.forget(self._own.pop(content), self._index)


class PromptLoads:
    """The load of each replica, `at` its index, as a router counts it:

        compute * (tokens of placed prompts that were not cached at that time, until the first token is there)
        + hold * (tokens in full blocks of the prompts of open requests, those of several counted once)

    Replicas are in the order of their loads in `entries`: `load << INDEX_BITS | index`. Where a cache shares no
    prefixes, each request has blocks of its own.
    """

    __slots__ = (
        "_asked",
        "_cached",
        "_compute",
        "_hold",
        "_own",
        "_shares",
        "_to_compute",
        "at",
        "entries",
        "replicas",
        "size",
        "stems",
    )

    def __init__(self, compute: int, hold: int) -> None:
        self._compute = compute
        self._hold = hold
        self.at: list[int] = []
        self.entries: list[int] = []
        self.size = 1  # tokens of a block
        self.stems = Stems(1)
        self.replicas: list[Replica] = []
        self._shares: list[bool] = []  # whether a replica's cache has prefixes
        self._own: dict[Request, Stem] = {}  # of open requests
        self._to_compute: dict[Request, int] = {}  # tokens of placed prompts
        self._asked: Request | None = None  # what `_cached` is about
        self._cached: dict[int, int] = {}  # blocks by replica, of those that were asked for

    def grow(self, replica: Replica) -> None:
        """One more replica, without load."""
        size = replica.kv.block_size()
        if not self.replicas:
            self.size = size
            self.stems = Stems(size)
        elif size != self.size:
            raise SpecError(
                f"this scheduler counts KV blocks, and an instance has blocks of {size} tokens where others have "
                f"{self.size}: give them the same block_size",
                key="block_size",
                value=size,
            )
        self.replicas.append(replica)
        self._shares.append(replica.kv.listen(_Contents(self.stems, replica.index)))
        self.at.append(0)
        insort(self.entries, replica.index)

    def _change(self, index: int, by: int) -> None:
        entries, before = self.entries, self.at[index]
        self.at[index] = load = before + by
        del entries[bisect_left(entries, before << INDEX_BITS | index)]
        insort(entries, load << INDEX_BITS | index)

    # -- a request that is to be placed ------------------------------------------------------------------------------

    def look_up(self, request: Request) -> None:
        """Look up the text of a request: `stems.path` is its own from now on, as far as it is known."""
        self._asked = request
        self._cached.clear()
        content = request.content
        if content is not None:
            self.stems.find(content)

    def cached(self, index: int) -> int:
        """The blocks of the request that was looked up which a replica has cached now."""
        blocks = self._cached.get(index, -1)
        if blocks < 0:
            request = self._asked
            assert request is not None
            content = request.content
            blocks = 0
            if content is not None:
                blocks = self.replicas[index].kv.cached_tokens(content, request.prompt_tokens) // self.size
            self._cached[index] = blocks
        return blocks

    def most_cached(self, index: int, depth: int) -> int:
        """No fewer blocks than `cached` would say, without asking the replica. It has no part of the text behind the
        stem `depth` of its path."""
        return self._furthest(index, depth, True)

    def open_blocks(self, index: int, depth: int) -> int:
        """How many of the first blocks of the text are in prompts of requests that are open on a replica."""
        return self._furthest(index, depth, False)

    def _furthest(self, index: int, depth: int, is_held: bool) -> int:
        """How far a replica has the text, up to the stem `depth` of its path: in what it holds, or in open prompts."""
        stems = self.stems
        while depth >= 0:
            part = stems.path[depth].parts.get(index)
            if part is not None:
                spans = part.held if is_held else part.prompts
                if not spans.is_empty():
                    return min(spans.furthest, stems.ends[depth])
            depth -= 1
        return 0

    # -- counting ------------------------------------------------------------------------------------------------------

    def placed(self, request: Request) -> None:
        """A request has been placed."""
        index, tokens, content = request.prompt_instance.index, request.prompt_tokens, request.content
        new = blocks = tokens // self.size
        if content is not None and self._shares[index]:
            if self._asked is not request:
                self.look_up(request)
            tokens -= self.cached(index) * self.size
            self._own[request] = own = self.stems.stem_of(content)
            new = self.stems.add_prompt(own, index, blocks)
        self._asked = None
        self._to_compute[request] = tokens
        self._change(index, self._compute * tokens + self._hold * self.size * new)

    def prompt_finished(self, request: Request) -> None:
        """Its first token is there."""
        self._change(request.prompt_instance.index, -self._compute * self._to_compute.pop(request))

    def finished(self, request: Request) -> None:
        """Its last token is there."""
        index = request.prompt_instance.index
        blocks = request.prompt_tokens // self.size
        own = self._own.pop(request, None)
        if own is not None:
            blocks = self.stems.remove_prompt(own, index, blocks)
        self._change(index, -self._hold * self.size * blocks)
