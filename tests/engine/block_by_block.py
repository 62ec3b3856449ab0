"""vLLM's scheduler without any shortcut, to compare with: each block alone, each request alone, each pass made."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from benchmarks.engine_cases import Case
from sim_core.batching.vllm import VllmBatcher
from sim_core.batching.vllm_scheduler import VllmScheduler
from sim_core.batching.vllm_sequence import Sequence
from sim_core.batching.vllm_step import VllmStep
from sim_core.engine import Engine
from sim_core.kv.chain import Holding
from sim_core.kv.content import Content
from sim_core.kv.paged import Hit, PagedKv


class SingleBlocks(PagedKv):
    """Blocks with numbers, a queue of those that are free, and a hash for each full one, as vLLM has them."""

    def __init__(self, usable: int, block_size: int, caching: bool) -> None:
        super().__init__(usable, block_size, caching)
        self.queue = OrderedDict.fromkeys(range(1, usable + 1))
        self.users = dict.fromkeys(range(1, usable + 1), 0)
        self.hash_of: dict[int, int] = {}
        self.blocks_with: dict[int, dict[int, None]] = {}  # by hash, the first hashed first
        self.table: dict[Holding, list[int]] = {}
        self.content: dict[Holding, Content | None] = {}
        self.hashes: dict[Holding, list[int]] = {}
        self.known: dict[object, int] = {}  # the hash of a block, by the hash before it and its tokens
        self.hit: list[int] = []

    def enter(self, holding: Holding, content: Content | None) -> None:
        self.content[holding] = content
        self.table[holding] = []
        self.hashes[holding] = []

    def leave(self, holding: Holding) -> None:
        assert not self.table[holding]

    def hash_at(self, holding: Holding, place: int) -> int:
        hashes, content = self.hashes[holding], self.content[holding]
        while len(hashes) <= place:
            own = len(hashes)
            tokens = content.block(own * self.size, self.size) if content else (id(holding), own)
            block = (hashes[-1] if hashes else None, tokens)
            hashes.append(self.known.setdefault(block, len(self.known)))
        return hashes[place]

    def take(self, holding: Holding, blocks: int) -> None:
        for _ in range(blocks):
            block, _none = self.queue.popitem(last=False)
            if block in self.hash_of:
                alike = self.blocks_with[self.hash_of.pop(block)]
                del alike[block]
                self.evicted += 1
            self.users[block] = 1
            self.table[holding].append(block)
        self._settle(holding)

    def give_back(self, holding: Holding) -> None:
        front, end = [], []
        for block in reversed(self.table[holding]):
            self.users[block] -= 1
            if not self.users[block]:
                (end if block in self.hash_of else front).append(block)
        for block in reversed(front):
            self.queue[block] = None
            self.queue.move_to_end(block, last=False)
        self.queue.update(dict.fromkeys(end))
        self.table[holding] = []
        holding.hashed = 0
        self._settle(holding)

    def look_up(self, holding: Holding, most: int) -> Hit:
        self.hit = []
        for place in range(most if self.caching else 0):
            alike = self.blocks_with.get(self.hash_at(holding, place))
            if not alike:
                break
            self.hit.append(next(iter(alike)))
        hit = Hit()
        hit.blocks = len(self.hit)
        hit.idle = sum(not self.users[block] for block in self.hit)
        return hit

    def hold(self, holding: Holding, hit: Hit) -> None:
        for block in self.hit:
            self.queue.pop(block, None)
            self.users[block] += 1
        self.table[holding] = self.hit
        holding.hashed = len(self.hit)
        self._settle(holding)

    def hash(self, holding: Holding, upto: int) -> None:
        for place in range(holding.hashed, upto if self.caching else 0):
            block, number = self.table[holding][place], self.hash_at(holding, place)
            self.hash_of[block] = number
            self.blocks_with.setdefault(number, {})[block] = None
            holding.hashed = place + 1

    def _settle(self, holding: Holding) -> None:
        holding.blocks = len(self.table[holding])
        self.free = len(self.queue)


class OneByOne(VllmScheduler):
    """No request decodes as one of many, and no pass is skipped."""

    def _is_plain(self, threshold: int) -> bool:
        return False

    def alike(self) -> int:
        return 0

    def _sort_out(self, step: VllmStep, candidates: list[Sequence]) -> None:
        """None decodes alone."""

    def _holds_prompts(self) -> bool:
        self._loose = self.running[:]
        held = super()._holds_prompts()
        self._loose = []
        return held


class PlainCase(Case):
    """A case that is run without shortcuts."""

    def __init__(self, case: dict[str, Any]) -> None:
        super().__init__(case)
        config = case["config"]
        self.kv = SingleBlocks(config["num_gpu_blocks"] - 1, config["block_size"], config["enable_prefix_caching"])

    def batcher(self, engine: Engine) -> VllmBatcher:
        batcher = super().batcher(engine)
        batcher.scheduler = OneByOne(batcher.options, self.kv)
        return batcher
