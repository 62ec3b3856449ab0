"""The only file that imports aiconfigurator-core: an engine on GPUs, and the milliseconds of its operations."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sim_core.errors import SpecError

PACKAGE = "aiconfigurator-core"
INSTALL = "pip install 'aiconfigurator-core>=0.12,<0.13' (make demo installs it)"
Operations = list[tuple[str, float, float, str]]  # name, milliseconds, energy, and where they come from


class NoDataError(Exception):
    """The package has no measurements of what was asked; its text is the package's reason."""


def version() -> str:
    """The version of the package. SpecError where it is not installed."""
    from importlib import metadata  # here: not needed at every start

    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError as error:
        text = f"{PACKAGE} is not installed, from which the step times come: {INSTALL}"
        raise SpecError(text, key="performance_model", value="aiconfigurator") from error


class Engine:
    """One deployment, as the package knows it."""

    def __init__(self, model: str, system: str, backend: str, arguments: Mapping[str, Any]) -> None:
        """Raises NoDataError where the package has no measurements of it."""
        _said_less()
        try:
            from aiconfigurator_core.sdk.engine import EngineHandle
        except ImportError as error:
            text = f"{PACKAGE} cannot be loaded ({error}): {INSTALL}"
            raise SpecError(text, key="performance_model", value="aiconfigurator") from error
        try:
            self._handle = EngineHandle.compile(model, system, backend, **arguments)
            # what is missing shows in the first calls, and not before
            self._handle.predict_prefill_latency(1, 512)
            self._handle.decode_step_latency(4, 512, 2)
            self._handle.mixed_step_latency(512, 3, 512, 64)
        except Exception as error:  # the package raises errors of its own, ValueError, KeyError and RuntimeError
            raise NoDataError(" ".join(f"{type(error).__name__}: {error}".split())) from error

    def prompts(self, number: int, tokens: int, context: int) -> Operations:
        """The operations of a step of `number` prompts, each with `tokens` tokens after `context` tokens."""
        found: Operations = self._handle.run_static_per_op(
            batch_size=number, isl=tokens + context, osl=2, prefix=context
        )[0]
        return found

    def shared(self, tokens: int) -> tuple[Operations, Operations]:
        """Of a step with prompts, of so many tokens: the operations that the package counts as those that all tokens
        share, and the attention of prompts."""
        shared, attention, _ = self._handle.mixed_step_breakdown_per_op(tokens, 0, tokens, 2)
        return shared, attention

    def decodes(self, number: int, context: int) -> Operations:
        """The operations of a step of `number` decodes, each after `context` tokens."""
        found: Operations = self._handle.decode_step_per_op(number, max(context - 1, 1), 2)
        return found

    def decodes_ms(self, number: int, context: int) -> float:
        """The milliseconds of such a step."""
        return float(self._handle.decode_step_latency(number, max(context - 1, 1), 2))

    def prompts_ms(self, number: int, tokens: int, context: int) -> float:
        """The milliseconds of a step of prompts."""
        return float(self._handle.predict_prefill_latency(number, tokens + context, context))

    def mixed_ms(self, tokens: int, decodes: int, context: int) -> float:
        """The milliseconds of a step of one prompt without context, and of decodes after `context` tokens, which must
        be more than the prompt's."""
        return float(self._handle.mixed_step_latency(tokens, decodes, tokens, max(2, 2 * (context - tokens))))

    def fallback(self) -> str | None:
        """How the last answer was estimated; None where all of it was measured."""
        found: str | None = self._handle.last_provenance()
        return found


def engine_version(system: str, backend: str) -> str:
    """The version of the backend whose kernels were measured on the system."""
    from aiconfigurator_core.sdk import perf_database

    _said_less()
    return str((perf_database.get_version_slots(system, backend) or {}).get("current", ""))


def _said_less() -> None:
    """Let the package log errors alone: it warns of each table that it reads."""
    logging.getLogger("aiconfigurator_core").setLevel(logging.ERROR)
