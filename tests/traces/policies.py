"""What distributions and arrivals are made in by their tests."""

from __future__ import annotations

from tests.traces.other_processes import ROOT
from traces.policy_text import Context
from traces.reader import read_csv
from traces.recipe_file import opener


def in_samples(size: str = "") -> Context:
    """Where the sample traces are found, and no other file."""
    return Context(size, opener(ROOT / "traces" / "samples", read_csv, confined=True))
