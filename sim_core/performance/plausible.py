"""Finds the implausible points of a measured curve: more work does not take much less time.

Small falls are noise: the largest among the medians in data/ is 11% (a prompt of 256 tokens after one of 128), and
single runs differ from their median by up to 38%. A median that falls by more than MOST_FALL is not noise: the measured
runs did other work than their size says, for instance because the batch was served in parts.
"""

from __future__ import annotations

from collections.abc import Sequence

from sim_core.spec import CurveSpec

MOST_FALL = 0.2  # the largest plausible fall, as a share of the time at fewer tokens


def plausible(curve: CurveSpec) -> tuple[CurveSpec, tuple[int, ...]]:
    """The curve without its implausible points, and the places of these points in it.

    The points that stay are the largest set in which no time, of prompts or of tokens, is more than MOST_FALL below the
    time at fewer batch tokens. A point is left out as a whole. Where two sets are equally large, the one that keeps the
    points at fewer tokens stays.
    """
    left_out = tuple(sorted({*falling(curve.prompt_s), *falling(curve.token_s)}))
    if not left_out:
        return curve, ()
    kept = [place for place in range(len(curve.batch_tokens)) if place not in left_out]
    columns = (curve.batch_tokens, curve.prompt_s, curve.token_s)
    tokens, prompt_s, token_s = ([column[place] for place in kept] for column in columns)
    believed = CurveSpec(
        curve.model, curve.hardware, curve.tensor_parallelism, tuple(map(int, tokens)), tuple(prompt_s), tuple(token_s)
    )
    return believed, left_out


def falling(seconds: Sequence[float]) -> list[int]:
    """The places outside of the largest set without a fall."""
    best: dict[int, tuple[int, ...]] = {}  # by the place of its largest time, the best set so far
    for place, time_s in enumerate(seconds):
        grown: dict[int, tuple[int, ...]] = {place: (place,)}
        for most, members in best.items():
            if time_s >= seconds[most] * (1.0 - MOST_FALL):
                largest = most if seconds[most] >= time_s else place
                longer = (*members, place)
                if largest not in grown or _better(longer, grown[largest]):
                    grown[largest] = longer
        for largest, members in grown.items():
            if largest not in best or _better(members, best[largest]):
                best[largest] = members
    chosen: tuple[int, ...] = ()
    for members in best.values():
        if _better(members, chosen):
            chosen = members
    return sorted(set(range(len(seconds))) - set(chosen))


def _better(members: tuple[int, ...], than: tuple[int, ...]) -> bool:
    """Whether `members` has more points than `than`, or as many at fewer tokens."""
    return (-len(members), members) < (-len(than), than)
