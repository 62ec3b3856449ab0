"""Several distributions, each for its share of the requests."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import nan

from sim_core.errors import SpecError
from traces.distributions.base import Distribution
from traces.policy_text import Context

MIN_WEIGHT = 1e-9
MOST_PARTS = 100
Parser = Callable[[str, Context, str], Distribution]


@dataclass(frozen=True)
class Mixture(Distribution):
    """`parts` are (share, distribution), the shares adding up to 1."""

    name = "mixture"
    form = "0.7*lognormal:mean=800,sigma=1 + 0.3*constant:tokens=4000"
    parts: tuple[tuple[float, Distribution], ...]

    @classmethod
    def of_texts(cls, body: str, context: Context, key: str, parse: Parser) -> Mixture:
        """From WEIGHT*DISTRIBUTION + WEIGHT*DISTRIBUTION + ...; weights are scaled to add up to 1."""
        parts: list[tuple[float, Distribution]] = []
        texts = re.split(r"\s\+\s", body)
        if len(texts) > MOST_PARTS or body.count("mixture:") > MOST_PARTS:  # each takes time for every size
            raise SpecError(f"a mixture has at most {MOST_PARTS} parts", key=key)
        for number, text in enumerate(texts, 1):
            place = f"{key}.{number}"
            weight, star, inner = text.partition("*")
            try:
                share = float(weight) if star else nan
            except ValueError:
                share = nan
            if share != 0.0 and not MIN_WEIGHT <= share <= 1.0 / MIN_WEIGHT:
                limits = f"0 or from {MIN_WEIGHT:g} to {1.0 / MIN_WEIGHT:g}"
                raise SpecError(f"must be WEIGHT*DISTRIBUTION, WEIGHT {limits}", key=place, value=text.strip())
            part = parse(inner.strip(), context, place)
            if share:  # a part without weight is never drawn
                parts.append((share, part))
        if not parts:
            raise SpecError("all weights are 0: give one part a WEIGHT more than 0", key=key, value=body)
        total = sum(share for share, _ in parts)
        return cls(tuple((share / total, part) for share, part in parts))

    def facts(self) -> object:
        return {"mixture": [[share, part.facts()] for share, part in self.parts]}

    def cdf(self, tokens: int) -> float:
        at_most = [(share, part.cdf(tokens)) for share, part in self.parts]
        # exactly 0 or 1 where all parts are: the weights' sum may be off in its last bit
        return 1.0 - sum(share * (1.0 - p) for share, p in at_most) if any(p for _, p in at_most) else 0.0
