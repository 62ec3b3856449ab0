"""Where iteration times come from, in words. A module of its own: a single run needs nothing else of answers."""

from __future__ import annotations

from collections.abc import Iterable

CONSTANT, MEASURED = "constant", "db"  # performance models by their names in configurations
CONSTANTS_WARNING = (
    "Iteration times are constants for testing and no hardware's; `performance_model: db` gives measured times."
)
CONSTANTS_WARNING_OF_A_RUN = CONSTANTS_WARNING.replace(": db", "=db")  # as the command line of a run has it
_WORDS = {
    MEASURED: "measured on machines (performance_model: db)",
    CONSTANT: "constants for testing (performance_model: constant)",
}


def are_constants(models: Iterable[str]) -> bool:
    """Whether the iteration times of any of these performance models are no hardware's."""
    return CONSTANT in models


def times_words(model: str) -> str:
    """Where the iteration times of a performance model come from."""
    return _WORDS.get(model, f"by performance_model: {model}")
