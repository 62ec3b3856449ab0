"""Prefix affinity: each request on the replica that has least to compute and to hold with it, counting cached blocks.

The rule is that of the KV router of NVIDIA Dynamo 1.2.1 with its defaults; docs/schedulers.md says what is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sim_core.errors import SpecError
from sim_core.native import mypyc_attr
from sim_core.request import Request
from sim_core.scheduling.base import Placement, Scheduler, Start
from sim_core.scheduling.ranking import INDEX, INDEX_BITS
from sim_core.scheduling.view import View

FEW: Final = 16  # replicas; where more have a part of a text, the least loaded of all are looked at first


@dataclass(frozen=True, slots=True)
class PrefixAffinityOptions:
    """The weights of Dynamo's cost function, under its names."""

    overlap_score_credit: float = 1.0  # of a cached token, from 0 to 1
    prefill_load_scale: float = 1.0  # of a token to compute, beside one to hold

    def __post_init__(self) -> None:
        if self.overlap_score_credit > 1.0:
            raise SpecError("must be at most 1", key="overlap_score_credit", value=self.overlap_score_credit)


@mypyc_attr(allow_interpreted_subclasses=True)
class PrefixAffinity(Scheduler):
    """Both phases on the replica with the least cost in tokens:

        prefill_load_scale * (prompt tokens to compute there, with this prompt but for cached tokens)
        + (tokens in full blocks of the prompts of open requests, with this prompt; those of several count once)

    Of equal ones it takes the one with the least load, then the first. Costs are whole numbers, so ties are exact.
    """

    Options = PrefixAffinityOptions

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        scale, scale_unit = self.options.prefill_load_scale.as_integer_ratio()
        credit, credit_unit = self.options.overlap_score_credit.as_integer_ratio()
        # in units that make the weight of each token a whole number
        self._for_cached: int = scale * credit
        self._for_open: int = scale_unit * credit_unit
        self._loads = start.view.prompt_loads(scale * credit_unit, self._for_open)
        # the best replica so far
        self._best = -1
        self._cost = 0

    def place(self, request: Request, view: View) -> Placement:
        loads = self._loads
        loads.look_up(request)
        replica = view.replicas[self._cheapest(request) if request.content is not None else loads.entries[0] & INDEX]
        return Placement(replica, replica)

    def _cheapest(self, request: Request) -> int:
        """The replica with the least cost, of which only what depends on the replica is counted.

        It looks at those that have a part of the text, those with the longest ones first, and at the least loaded one.
        """
        loads = self._loads
        path, ends, at = loads.stems.path, loads.stems.ends, loads.at
        blocks = request.prompt_tokens // loads.size
        self._best = -1
        deepest = len(path) - 1
        for depth in range(deepest, -1, -1):
            parts = path[depth].parts
            most = min(ends[depth], blocks) * loads.size * (self._for_cached + self._for_open)
            if len(parts) > FEW and self._is_settled(most, deepest, blocks):
                return self._best
            behind = path[depth + 1].parts if depth < deepest else None
            if behind is not None and len(behind) == len(parts):
                continue  # those that have a part of a stem have one of the stem before it
            for index in list(parts):  # a replica that is asked may find that it has lost its part
                if (self._best < 0 or at[index] - most <= self._cost) and (behind is None or index not in behind):
                    self._consider(index, depth, blocks)
        self._consider(loads.entries[0] & INDEX, -1, blocks)
        return self._best

    def _is_settled(self, most: int, depth: int, blocks: int) -> bool:
        """Look at the replicas in the order of their loads, at some. Returns whether no other can be better than the
        best one by now, though it had a cost lower than its load by `most`."""
        loads = self._loads
        for place in range(min(FEW, len(loads.entries))):
            entry = loads.entries[place]
            index, load = entry & INDEX, entry >> INDEX_BITS
            if not self._is_better(load - most, load, index):
                return True
            self._consider(index, depth, blocks)
        return False

    def _consider(self, index: int, depth: int, blocks: int) -> None:
        """Take a replica if it is better than the best one so far. It has no part of the text behind `depth`."""
        loads = self._loads
        load = loads.at[index]
        cost = load - self._for_open * loads.size * min(loads.open_blocks(index, depth), blocks)
        for_cached = self._for_cached * loads.size
        if self._is_better(cost - for_cached * min(loads.most_cached(index, depth), blocks), load, index):
            cost -= for_cached * loads.cached(index)
            if self._is_better(cost, load, index):
                self._best, self._cost = index, cost

    def _is_better(self, cost: int, load: int, index: int) -> bool:
        best = self._best
        if best < 0 or cost != self._cost:
            return best < 0 or cost < self._cost
        other = self._loads.at[best]
        return load < other if load != other else index < best
