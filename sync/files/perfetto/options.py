"""Which part of a run a Perfetto trace shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import inf
from typing import Any

from sim_core.record import record
from sim_core.section import Section


@record
class PerfettoOptions:
    """Which part of a run is written. The same run and options give the same file.

    Requests: the first `max_requests` of those that arrive from `start_s` to `end_s`, both counted from the first
    arrival. Iterations and counters: from `start_s` to `end_s`. When the file has grown to `max_megabytes` (of 10^6
    bytes) nothing more is written.
    """

    max_requests: int = 10_000
    start_s: float = 0.0
    end_s: float = inf
    max_megabytes: float = 48.0

    def described(self) -> dict[str, float | None]:
        """The options by their names in the configuration; None for no end."""
        return {f"perfetto.{key}": None if value == inf else value for key, value in asdict(self).items()}


def options_from_config(resolved: Mapping[str, Any]) -> PerfettoOptions:
    """The section `perfetto` of a resolved configuration. Raises SpecError."""
    section = Section(resolved, "").section("perfetto")
    start_s = section.number("start_s")
    options = PerfettoOptions(
        max_requests=section.integer("max_requests", 0),
        start_s=start_s,
        end_s=section.number("end_s", start_s, default=inf, above=True),
        max_megabytes=section.number("max_megabytes", above=True),
    )
    section.done()
    return options
