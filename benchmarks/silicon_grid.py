"""How far the tables of step times are from aiconfigurator-core's own answers: `python benchmarks/silicon_grid.py`.

For each of some deployments it draws steps, asks the package for each, and prints the median, the 95th percentile and
the largest of the errors, in percent: of steps of decodes, of a prompt (whole, or a part after some context), of
several whole prompts, of prompts and decodes, and of all of these together. Several prompts after context each are
apart: the tables know of them only how many pairs of tokens their attention has.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from configs.silicon import names
from configs.silicon.facade import Engine, NoDataError
from configs.silicon.tables import tables_of
from sim_core.performance.aiconfigurator import text_of
from sim_core.performance.grid_times import GridTimes
from sim_core.performance.step_grid import grid_of, packed
from sim_core.spec import Deployment
from sim_core.step import Step

DEPLOYMENTS = (
    Deployment("llama-3.1-8b", "bf16", 2, "h100-80gb", 1, 1, 1, "vllm"),
    Deployment("llama-3.1-70b", "bf16", 2, "h100-80gb", 4, 1, 1, "vllm"),
    Deployment("llama-3.1-70b", "fp8", 1, "b200-180gb", 4, 1, 1, "trtllm"),
    Deployment("qwen3-32b", "fp8", 2, "h200-141gb", 2, 1, 1, "sglang"),
    Deployment("qwen3-235b", "fp8", 2, "h200-141gb", 8, 1, 8, "vllm"),
    Deployment("gpt-oss-120b", "fp4", 2, "h100-80gb", 4, 1, 1, "vllm"),
    Deployment("minimax-m2.5", "fp8", 2, "b200-180gb", 4, 1, 4, "vllm"),
    Deployment("deepseek-r1", "fp8", 2, "h200-141gb", 8, 1, 1, "sglang"),
    Deployment("kimi-k2.5", "int4", 2, "h200-141gb", 8, 1, 1, "vllm"),
)
STEPS = 500  # of each kind
APART = "prompts after context"
Drawn = Iterator[tuple[str, Step, float]]  # the kind, the step, and the package's milliseconds


def drawn(engine: Engine, *, has_mixed: bool, dice: Random) -> Drawn:
    """Steps of each kind, with sizes even on a scale of logarithms, and the package's own times."""

    def size(low: int, high: int) -> int:
        return int(low * (high / low) ** dice.random())

    for _ in range(STEPS):
        decodes, context = size(1, 1024), size(32, 32_768)
        yield "decodes", Step(decodes=decodes, decode_context=decodes * context), engine.decodes_ms(decodes, context)
        tokens, before = size(32, 8192), dice.choice((0, size(32, 32_768)))
        yield "a prompt", Step(tokens, prompt_context=before), engine.prompts_ms(1, tokens, before)
        prompts = dice.randint(2, 8)
        each = size(64, 8192 // prompts)
        yield "prompts", of_prompts(prompts, each, 0), engine.prompts_ms(prompts, each, 0)
        yield APART, of_prompts(prompts, each, before), engine.prompts_ms(prompts, each, before)
        if has_mixed:
            context = tokens + size(32, 8192)  # the package asks for a longer one than the prompt's
            decodes = size(1, 512)
            step = Step(tokens, decodes, decode_context=decodes * context)
            yield "mixed", step, engine.mixed_ms(tokens, decodes, context)


def of_prompts(number: int, tokens: int, context: int) -> Step:
    """A step of equal prompts."""
    step = Step(number * tokens, prompt_context=number * context)
    step.prompts, step.prompt_pairs = number, number * tokens * (2 * context + tokens)
    return step


def spread(errors: list[float]) -> str:
    """The median, the 95th percentile and the largest of errors."""
    ordered = sorted(abs(error) for error in errors)
    middle, high = ordered[len(ordered) // 2], ordered[int(0.95 * (len(ordered) - 1))]
    return f"{100 * middle:6.2f} {100 * high:6.2f} {100 * ordered[-1]:6.1f}"


def main() -> None:
    """Print the errors of each deployment, and of all together."""
    together: list[float] = []
    for deployment in DEPLOYMENTS:
        print(text_of(deployment))
        engine = None
        for way in names.ways(deployment):
            try:
                engine = Engine(way.model, way.system, way.backend, dict(way.arguments))
                break
            except NoDataError as error:
                reason = str(error)
        if engine is None:
            print(f"  no measurements: {reason[:100]}")
            continue
        started = time.perf_counter()
        tables = tables_of(engine, {})
        spec = packed(deployment, tables)
        print(f"  asked in {time.perf_counter() - started:.1f} s, {len(spec.packed) / 1000:.0f} kB")
        times, errors = GridTimes(grid_of(spec)), {}
        # with fused attention the package's mixed steps have no context of decodes: see docs/silicon.md
        for kind, step, milliseconds in drawn(engine, has_mixed=not tables["fused"], dice=Random(1)):
            errors.setdefault(kind, []).append(times.seconds(step, 1) * 1000 / milliseconds - 1)
        for kind, found in errors.items():
            print(f"  {kind:22}{spread(found)}")
        together += [error for kind, found in errors.items() if kind != APART for error in found]
    print(f"all but {APART}: {spread(together)}")


if __name__ == "__main__":
    main()
