"""How links were used in a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class LinkUse(NamedTuple):
    """The bytes of KV cache that were sent, and how busy the network cards were.

    `busiest_share`: of the direction of a machine's network cards that sent the most for its bandwidth, the bytes over
    those that it could have sent in the whole run.
    """

    between_bytes: float  # between machines
    inside_bytes: float  # between instances of one machine
    busiest_share: float


def together(uses: Sequence[LinkUse]) -> LinkUse | None:
    """The use of the links of several applications, which share no machine; None without any."""
    if not uses:
        return None
    return LinkUse(
        sum(use.between_bytes for use in uses),
        sum(use.inside_bytes for use in uses),
        max(use.busiest_share for use in uses),
    )
