"""Points and comparisons for tests, and tables of step times that no package has measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.validation.errors import Comparison
from benchmarks.validation.package import Estimate, NoDataError
from benchmarks.validation.points import Parallelism, Point, Workers
from benchmarks.validation.runs import Outcome
from sim_core.performance.step_grid import FORMAT, packed
from sim_core.spec import Deployment, StepGridSpec

TOKENS = [1, 100_000]
PROMPT_TOKEN_S, STEP_S, CONTEXT = 1e-5, 0.01, [1, 1_000_000]


def point(**changes: Any) -> Point:
    """A point of vLLM with one client and fixed lengths, but for `changes`."""
    plain = Point(
        name="a", source="own.csv", is_inferencex=False, measured="", backend="vllm", backend_version="0.12.0",
        family="Llama-3.1-8B", system="h100_sxm", precision="fp8", isl=100, osl=11, concurrency=1, ttft_ms=10.0,
        tpot_ms=5.0, engine=Parallelism(),
    )  # fmt: skip
    return replace(plain, **changes)


def split(**changes: Any) -> Point:
    """A point with a worker for prompts and one for decodes."""
    return point(engine=None, prompts=Workers(1, Parallelism()), decodes=Workers(1, Parallelism()), **changes)


def compared(ttft: float, tpot: float, package: tuple[float, float] | None = None, **changes: Any) -> Comparison:
    """A comparison where the simulator says so many times what was measured, and the package, too."""
    made = point(**changes)
    outcome = Outcome(made.ttft_ms * ttft, made.tpot_ms * tpot)
    other = None if package is None else Estimate(made.ttft_ms * package[0], made.tpot_ms * package[1])
    return Comparison(made, outcome, other)


def grid(deployment: Deployment) -> StepGridSpec:
    """Tables in which a step takes STEP_S, and PROMPT_TOKEN_S for each token if it has prompts."""
    line = {
        "tokens": TOKENS,
        "seconds": [STEP_S + PROMPT_TOKEN_S * tokens for tokens in TOKENS],
        "estimated": [0, 0],
        "experts": [0.0, 0.0],
        "norms": [0.0, 0.0],
    }
    none = [[0.0] * len(CONTEXT)] * len(TOKENS)
    tables = {
        "format": FORMAT,
        "source": {"engine": f"{deployment.engine} 1"},
        "fused": False,
        "shared": line,
        "rest": {"tokens": TOKENS, "seconds": [STEP_S] * len(TOKENS), "estimated": [0, 0], "norms": [0, 0]},
        "decodes": {"tokens": TOKENS, "sizes": CONTEXT, "seconds": none},
        "prompts": {"tokens": TOKENS, "sizes": [CONTEXT] * len(TOKENS), "seconds": none},
    }
    return packed(deployment, tables)


class Tables:
    """In place of the package: tables of its own, and KV caches of `kv_tokens` a GPU."""

    def __init__(self, kv_tokens: int = 100_000) -> None:
        self.kv_tokens = kv_tokens
        self.new: dict[str, Any] = {}

    def grids(self, point: Point) -> list[StepGridSpec]:
        if point.family == "unknown":
            raise NoDataError("no kernels")
        return [
            grid(Deployment(point.family, "fp8", 1, "gpu", each.gpus, each.data, each.moe_expert, point.backend))
            for each in point.engines
        ]

    def kv_cache(self, grid: StepGridSpec, step_tokens: int, requests: int) -> tuple[int, int] | None:
        return (self.kv_tokens, 1000) if self.kv_tokens else None
