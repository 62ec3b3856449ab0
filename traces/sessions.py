"""Sessions: conversations of several turns, with think times and system prompts that sessions share.

The prompt of a turn is all that was said before it, answers included, and new tokens. A turn comes a think time after
the answer before it, for which so much is assumed a token: a trace does not know when the cluster answers.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple, Protocol

from sim_core.errors import TraceError
from sim_core.rng import Streams
from sim_core.section import Section
from traces.arrivals.base import NS_PER_S
from traces.distributions.base import Distribution, token_count
from traces.policy_text import Context, Opener, number_between

KEYS = ("turns", "think_ms", "answer_ms_per_token", "system_prompts", "system_tokens", "system_zipf", "context_tokens")
ANSWER_MS_PER_TOKEN = 30.0
MOST_SYSTEM_PROMPTS = 100_000
NS_PER_MS = NS_PER_S // 1000


class Sampler(Protocol):
    """Draws the new tokens of turns, and those of their answers: see `traces.recipe.Pairs.sample`."""

    def sample(self, streams: Streams, prefix: str, count: int) -> tuple[array[int], array[int]]: ...


class Turns(NamedTuple):
    """Columns of requests. Each has two runs of addresses (sim_core.prefixes), those of its system prompt and those of
    its session so far, with its own answer; a run of no tokens is none."""

    times_ns: array[int]
    prompt_tokens: array[int]
    output_tokens: array[int]
    system_first: array[int]
    system_tokens: array[int]
    session_first: array[int]
    session_tokens: array[int]


@dataclass(frozen=True)
class Sessions:
    """`context_tokens`: a session ends before the turn that would have more tokens, with its answer; None: no limit.

    The system prompt in place n is used n ** system_zipf times as seldom as the first one.
    """

    turns: Distribution
    think_ms: Distribution
    answer_ms_per_token: float
    system_tokens: Distribution | None
    system_prompts: int
    system_zipf: float
    context_tokens: int | None

    @classmethod
    def from_section(cls, section: Section, open_trace: Opener) -> Sessions | None:
        """The sessions that an application of a recipe describes; None where it has no `turns`."""
        if not section.has("turns"):
            for key in KEYS:
                if section.has(key):
                    raise section.error(key, "is of sessions, which have turns: say how many, turns=constant:tokens=4")
            return None
        from traces.distributions.table import distribution  # here: most traces have no sessions

        def drawn(key: str) -> Distribution:
            return distribution(section.value(key), Context("prompt", open_trace), section.path(key))

        prompts = section.integer("system_prompts", 0, 0)
        if prompts > MOST_SYSTEM_PROMPTS:
            raise section.error("system_prompts", f"must be at most {MOST_SYSTEM_PROMPTS:,}")
        if section.has("system_tokens") and not prompts:
            raise section.error("system_tokens", "needs system_prompts, the number of different ones")
        return cls(
            drawn("turns"),
            drawn("think_ms"),
            number_between(section, "answer_ms_per_token", 0.0, 1e6, ANSWER_MS_PER_TOKEN),
            drawn("system_tokens") if prompts else None,
            prompts,
            number_between(section, "system_zipf", 0.0, 10.0, 1.0),
            token_count(section, "context_tokens", 2) if section.has("context_tokens") else None,
        )

    def facts(self) -> object:
        """Everything that decides the sessions, for a digest, as values that JSON can hold."""
        return {
            "turns": self.turns.facts(),
            "think_ms": self.think_ms.facts(),
            "answer_ms_per_token": self.answer_ms_per_token,
            "system_tokens": self.system_tokens.facts() if self.system_tokens else None,
            "system_prompts": self.system_prompts,
            "system_zipf": self.system_zipf,
            "context_tokens": self.context_tokens,
        }

    def requests(
        self,
        starts_ns: Sequence[int],
        sizes: Sampler,
        streams: Streams,
        prefix: str,
        *,
        ends_ns: float,
        first_address: int,
        most: int,
    ) -> Turns:
        """The turns of the sessions that begin at `starts_ns`, session by session, as far as they come before
        `ends_ns`. TraceError where there are more than `most`."""
        counts = self.turns.sample(streams[f"{prefix}/turns"], len(starts_ns))
        if (all_turns := sum(counts)) > most:
            raise TraceError(f"the sessions have {all_turns:,} turns; at most {most:,} requests are made")
        new_tokens, outputs = sizes.sample(streams, prefix, all_turns)
        think_ms = self.think_ms.sample(streams[f"{prefix}/think_ms"], all_turns)
        systems = self._system_prompts(streams, prefix, len(starts_ns), first_address)
        address = max((first + tokens for first, tokens in systems), default=first_address)
        answer_ns_per_token = round(self.answer_ms_per_token * NS_PER_MS)
        turns = Turns(*(array("q") for _ in Turns._fields))
        turn = 0
        for start_ns, count, (system_first, system_tokens) in zip(starts_ns, counts, systems, strict=True):
            time_ns, history = start_ns, 0
            limit = self.context_tokens
            goes_on = True
            for number in range(turn, turn + count):
                prompt, output = system_tokens + history + new_tokens[number], outputs[number]
                goes_on = goes_on and time_ns < ends_ns and (limit is None or prompt + output <= limit)
                history += new_tokens[number] + output
                if goes_on:
                    row = (time_ns, prompt, output, system_first, system_tokens, address, history)
                    for column, value in zip(turns, row, strict=True):
                        column.append(value)
                time_ns += output * answer_ns_per_token + think_ms[number] * NS_PER_MS
            turn += count
            address += history  # also of turns that are left out, so that a shorter trace has the same addresses
        return turns

    def _system_prompts(self, streams: Streams, prefix: str, sessions: int, first: int) -> list[tuple[int, int]]:
        """The first address and the tokens of each session's system prompt."""
        if self.system_tokens is None:
            return [(first, 0)] * sessions
        tokens = self.system_tokens.sample(streams[f"{prefix}/system_tokens"], self.system_prompts)
        firsts = [first, *(first + end for end in accumulate(tokens))]
        shares = list(accumulate((place + 1) ** -self.system_zipf for place in range(self.system_prompts)))
        draw = streams[f"{prefix}/system_prompt"].random
        last = self.system_prompts - 1
        chosen = [min(bisect_right(shares, draw() * shares[-1]), last) for _ in range(sessions)]
        return [(firsts[place], tokens[place]) for place in chosen]
