"""Standstills: replicas that wait for memory which is never freed.

`sim_core.batching.standstill` says how a replica goes on where it can. This module finds replicas that wait for each
other, and describes the replicas that stand still when a run has ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sim_core.request import Host, Request
from sim_core.request_state import RequestState, Situation

Unfinished = tuple[int, Request, Situation]  # a request that was not completed, with its application's number
WAITING_STATES = (RequestState.WAITS_FOR_PROMPT, RequestState.WAITS_TO_SEND, RequestState.WAITS_TO_DECODE)


class StillInstance(NamedTuple):
    """A replica that stands still, and the requests that wait for its memory."""

    application_id: int
    name: str
    since_s: float  # when it first had no batch to run; it may have served smaller requests after that
    requests: int
    kv_tokens: int  # held
    kv_capacity: int
    needed_tokens: int  # the least memory that one of the requests needs to go on; 0: all wait for other replicas


class Standstill(NamedTuple):
    """The replicas that stand still at the end of a run, in order of application and index; at least one."""

    instances: tuple[StillInstance, ...]

    @property
    def requests(self) -> int:
        """How many requests wait for them."""
        return sum(instance.requests for instance in self.instances)

    @property
    def since_s(self) -> float:
        """When the first of them came to a standstill."""
        return min(instance.since_s for instance in self.instances)


def standstill_of(
    replicas: Mapping[int, Sequence[Host]], unfinished: Sequence[Unfinished], end_s: float
) -> Standstill | None:
    """The standstill of a run that has ended at `end_s`, by the replicas of each application; None without one."""
    waiting: dict[tuple[int, str], list[Unfinished]] = {}
    for entry in unfinished:
        number, _, situation = entry
        if situation.state in WAITING_STATES:
            waiting.setdefault((number, situation.instance), []).append(entry)
    still = []
    for number, members in replicas.items():
        for replica in members:
            requests, since_s = waiting.get((number, replica.name)), replica.still_since_s
            if requests and since_s is not None and replica.stands_still():
                still.append(_described(number, replica, min(since_s, end_s), requests))
    return Standstill(tuple(still)) if still else None


def _described(application_id: int, replica: Host, since_s: float, waiting: Sequence[Unfinished]) -> StillInstance:
    free = replica.kv.capacity - replica.kv.tokens
    needs = [_needed_tokens(request, situation.state) for _, request, situation in waiting]
    return StillInstance(
        application_id=application_id,
        name=replica.name,
        since_s=since_s,
        requests=len(waiting),
        kv_tokens=replica.kv.tokens,
        kv_capacity=replica.kv.capacity,
        needed_tokens=min((needed for needed in needs if needed > free), default=0),
    )


def _needed_tokens(request: Request, state: RequestState) -> int:
    if request.token_start_s is not None:  # preempted: all of its tokens are computed again
        return request.prompt_kv_tokens + request.decode_kv_tokens
    if state is RequestState.WAITS_TO_DECODE:
        return request.decode_kv_tokens
    if state is RequestState.WAITS_FOR_PROMPT and request.prompt_instance is request.token_instance:
        return request.prompt_kv_tokens + request.decode_kv_tokens
    return request.prompt_kv_tokens


def deadlocked(waiting: Iterable[Request]) -> list[Host]:
    """The replicas that wait for each other alone. `waiting`: the requests whose KV cache waits for memory at its
    destination. Each of the replicas holds such caches, runs nothing, and no other cache is on its way there."""
    idle = [request for request in waiting if request.prompt_instance.is_idle()]
    if not idle:
        return []
    leaving = Counter(request.prompt_instance for request in idle)
    stuck = {
        replica: None for replica, count in leaving.items() if count == replica.kv.in_transit - replica.kv.given_up
    }
    while True:
        free = {
            r.prompt_instance for r in idle if r.token_instance not in stuck or r.token_instance.kv.fits(r.kv_tokens)
        }
        staying = {replica: None for replica in stuck if replica not in free}
        if len(staying) == len(stuck):
            return list(stuck)
        stuck = staying
