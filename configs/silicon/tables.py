"""Asks the facade for the parts of steps, on grids that are as fine as the measured kernels need.

Kernels of GEMMs take tiles of 128 tokens, so a step of one more token may take a third longer: shared work is asked at
each multiple of 128 and one beyond, and up to 512 tokens at each number. Attention of decodes is asked at every batch
size up to 512, of which some are slow. A step's prompts are asked as several whole ones, or as one after some context.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from configs.silicon.facade import Engine, Operations
from sim_core.performance.step_grid import FORMAT

GRID = 3  # of the grid below: tables on another one are asked anew
DIGITS = 7  # of a time: tables are texts
TILE = 128
SHARED_TOKENS = (
    *range(1, 512),
    *(tokens + more for tokens in range(512, 16_384 + 1, TILE) for more in (0, 1)),
    *range(16_384 + 512, 32_768 + 1, 512),
    65_536,
)
BATCHES = (*range(1, 513), *range(528, 1024 + 1, 16), *range(1088, 2048 + 1, 64), *range(2304, 4096 + 1, 256))
CONTEXTS = (1, *(part << power for power in range(6, 17) for part in (2, 3)), 262_144)
PROMPT_TOKENS = (1, 2, 4, 8, 16, 32, 64, 96, *range(TILE, 1024, TILE), *range(1024, 4096, 256), *range(4096, 8192, 512))
PROMPT_TOKENS += (*range(8192, 16_384, 1024), *(16_384, 24_576, 32_768, 49_152, 65_536))
TILED = tuple(tokens + 1 for tokens in PROMPT_TOKENS if TILE <= tokens < 8192)  # where attention has projections
PROMPTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)  # whole ones in a step
BEFORE = (*(part << power for power in range(6, 17) for part in (2, 3)), 262_144)  # tokens of context of one prompt
ALL_REDUCE, NORM = "_ar_", "add_norm"  # in the package's names of operations
FORMULAS = ("empirical", "estimated", "sol")  # the package's names of what was not measured


class _Parts(NamedTuple):
    """Milliseconds of operations: of all, of those that were not measured, of the experts', and of norms, where an
    all-reduce is before them."""

    all_ms: float
    formula_ms: float
    experts_ms: float
    norms_ms: float


def tables_of(engine: Engine, source: dict[str, Any]) -> dict[str, Any]:
    """The tables of a deployment, as `sim_core.performance.step_grid` describes them."""
    of_prompts = _differing(engine.prompts(1, 512, 0), engine.prompts(1, 512, 8192))
    of_decodes = _differing(engine.decodes(64, 128), engine.decodes(64, 8192))
    shared = [_without(engine.shared(tokens)[0], of_prompts) for tokens in SHARED_TOKENS]
    rest = [_without(engine.decodes(batch, 128), of_decodes) for batch in BATCHES]
    decodes = [
        [_s(engine.decodes_ms(batch, context) - part.all_ms) for context in CONTEXTS]
        for batch, part in zip(BATCHES, rest, strict=True)
    ]
    is_fused = any(name in of_prompts for name, *_ in engine.shared(512)[0])
    sizes = sorted({*PROMPT_TOKENS, *(TILED if is_fused else ())})
    spans, prompts = _prompts(sizes, lambda *prompt: _only(engine.prompts(*prompt), of_prompts))
    return {
        "format": FORMAT,
        "source": source | {"estimated": engine.fallback() or ""},
        "fused": is_fused,
        "shared": {
            "tokens": SHARED_TOKENS,
            "seconds": [_s(part.all_ms - part.experts_ms) for part in shared],
            "experts": [_s(part.experts_ms) for part in shared],
            "estimated": [_s(part.formula_ms) for part in shared],
            "norms": [_s(part.norms_ms) for part in shared],
        },
        "rest": {
            "tokens": BATCHES,
            "seconds": [_s(part.all_ms) for part in rest],
            "estimated": [_s(part.formula_ms) for part in rest],
            "norms": [_s(part.norms_ms) for part in rest],
        },
        "decodes": {"tokens": BATCHES, "sizes": CONTEXTS, "seconds": decodes},
        "prompts": {"tokens": sizes, "sizes": spans, "seconds": prompts},
    }


def _prompts(
    sizes: Sequence[int], attention_ms: Callable[[int, int, int], float]
) -> tuple[list[list[int]], list[list[float]]]:
    """For each number of tokens the spans, and the seconds of the attention of prompts with so many pairs a token: a
    prompt after some context, or several whole ones."""
    all_spans: list[list[int]] = []
    rows: list[list[float]] = []
    for tokens in sizes:
        # where a number of prompts does not divide the tokens, there are up to an eighth more of them
        numbers = [number for number in reversed(PROMPTS) if tokens % number == 0 or tokens >= 8 * number]
        whole = [(number, -(-tokens // number), 0) for number in numbers]
        prompts = whole + [(1, tokens, context) for context in BEFORE]
        all_spans.append([size + 2 * context for _, size, context in prompts])
        rows.append([_s(attention_ms(*prompt)) for prompt in prompts])
    return all_spans, rows


def _differing(first: Operations, second: Operations) -> frozenset[str]:
    """The operations whose time differs between two steps that differ in context alone: attention."""
    times = {name: milliseconds for name, milliseconds, *_ in first}
    return frozenset(name for name, milliseconds, *_ in second if times.get(name) != milliseconds)


def _without(operations: Operations, left_out: frozenset[str]) -> _Parts:
    """The milliseconds of the other operations."""
    others = [(name, ms, origin) for name, ms, _, origin in operations if name not in left_out]
    reduces = any(ALL_REDUCE in name and ms > 0.0 for name, ms, _ in others)
    return _Parts(
        all_ms=sum(ms for _, ms, _ in others),
        formula_ms=sum(ms for _, ms, origin in others if origin in FORMULAS),
        experts_ms=sum(ms for name, ms, _ in others if "moe" in name),
        norms_ms=sum(ms for name, ms, _ in others if NORM in name) if reduces else 0.0,
    )


def _only(operations: Operations, kept: frozenset[str]) -> float:
    return sum(ms for name, ms, *_ in operations if name in kept)


def _s(milliseconds: float) -> float:
    """Seconds, with as many digits as the tables have. The package's times never are negative; differences may be."""
    return float(f"{max(milliseconds, 0.0) / 1000:.{DIGITS}g}")
