"""What the answer of a search stands on."""

from __future__ import annotations

from dataclasses import replace

from sync.analysis.terms import Terms


def of_search(terms: Terms) -> Terms:
    """The terms of an answer that a planner found. How many points are planned does not matter: a planner asks for the
    next ones as it goes, drops some, and says itself whether it has come to its end. Points that failed matter still.
    """
    return replace(terms, planned=None)
