"""Runs of designs at rates, for tests of answers; `run` is the fixture of that name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sync import Outcome

Make = Callable[..., Outcome]


def ladder(run: Make, system: str, held: dict[float, bool], **changes: Any) -> list[Outcome]:
    return [run(system, rate, within, **changes) for rate, within in held.items()]
