"""The phases of a request, without gaps between them: queue, prompt, transfer, decode, preempted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sim_core.request import Request

Phase = tuple[str, float, float]  # name, start and end in seconds
Pauses = Sequence[tuple[float, float]]  # from and to, in seconds


def phases(request: Request, until_s: float, pauses: Pauses) -> Iterator[Phase]:
    """The phases from arrival to the last token, or to `until_s` for a request that is not complete.

    Between other phases the request queues: for its prompt, for memory on its token instance, or for its first decode.
    A pause up to `until_s` is one that lasts, and a phase whose step is chosen and begins later has not begun.
    """
    prompt_end_s = request.prompt_end_s
    steps: list[tuple[str, float | None, float | None]] = []
    since = request.prompt_start_s
    in_prompt = [pause for pause in pauses if prompt_end_s is None or pause[0] < prompt_end_s]
    for paused_s, resumed_s in in_prompt:
        steps += [("prompt", since, paused_s), ("preempted", paused_s, resumed_s)]
        since = resumed_s if resumed_s < until_s else None
    steps += [
        ("prompt", since, prompt_end_s),
        ("transfer", request.transfer_start_s, request.transfer_end_s),
    ]
    since = request.token_start_s
    for paused_s, resumed_s in pauses[len(in_prompt) :]:
        steps += [("decode", since, paused_s), ("preempted", paused_s, resumed_s)]
        since = resumed_s
    steps.append(("decode", since, request.token_end_s))
    reached_s = request.arrival_s
    for name, start_s, end_s in steps:
        if start_s is None or start_s > until_s:
            continue
        if start_s > reached_s:
            yield "queue", reached_s, start_s
        reached_s = until_s if end_s is None else end_s
        if reached_s > start_s or name in ("prompt", "transfer"):
            yield name, start_s, reached_s
    if request.token_end_s is None and until_s > reached_s:
        yield "queue", reached_s, until_s
