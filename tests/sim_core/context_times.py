"""Performance models whose times grow with context, drawn at random: their numbers are no multiples of anything."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from sim_core.performance.calibrated import scaled
from sim_core.performance.step_grid import FORMAT, packed
from sim_core.spec import Deployment, MeasuredSteps, PerformanceSpec, StepGridSpec

MODELS = ("linear", "table", "measured", "aiconfigurator")
ALL = (*MODELS, "calibrated")


def drawn(policy: str, seed: int, measured_as: str = "tiny", hardware: str = "box-gpu") -> PerformanceSpec:
    """A model of this policy, for the tiny worlds of tests."""
    dice = Random(seed)
    if policy == "calibrated":
        return scaled(drawn(dice.choice(MODELS), seed, measured_as, hardware), dice.uniform(0.5, 2.0), 0.0)
    if policy == "linear":
        return linear(dice)
    if policy == "aiconfigurator":
        return grids(dice, measured_as, hardware)
    spec = table(dice, measured_as, hardware)
    return spec if policy == "table" else measured(spec)


def linear(dice: Random) -> PerformanceSpec:
    """A time of each step of about 0.1 s, and of tokens of about 5, 20 and 0.1 ms."""
    sizes = {"base_s": 0.1, "prompt_token_s": 5e-3, "decode_s": 2e-2, "context_token_s": 1e-4}
    return PerformanceSpec("linear", options=tuple((name, size * dice.uniform(0.2, 2)) for name, size in sizes.items()))


def table(dice: Random, measured_as: str = "tiny", hardware: str = "box-gpu") -> PerformanceSpec:
    """Measured steps of some sizes. Their times scatter by a tenth, and some sizes were measured with one context."""
    prompts = [
        (tokens, context, (0.1 + 5e-3 * tokens + 1e-4 * context) * dice.uniform(0.9, 1.1))
        for tokens in sorted(dice.sample(range(1, 100), dice.randint(2, 4)))
        for context in sorted(dice.sample((0, 7, 31, 200), dice.randint(1, 3)))
    ]
    decodes = [
        (members, members * each, (0.1 + 2e-2 * members + 1e-4 * members * each) * dice.uniform(0.9, 1.1))
        for members in sorted(dice.sample(range(1, 10), dice.randint(2, 4)))
        for each in sorted(dice.sample((1, 8, 17, 40, 90, 300), dice.randint(1, 5)))
    ]
    return PerformanceSpec("table", steps=(MeasuredSteps(measured_as, hardware, 1, tuple(prompts), tuple(decodes)),))


def grids(dice: Random, measured_as: str = "tiny", hardware: str = "box-gpu") -> PerformanceSpec:
    """Tables of parts of steps, of one or of several ranks, whose times scatter by a tenth."""
    deployment = Deployment(measured_as, "", 2, hardware, 1, 1, 1, "vllm")
    is_fused = dice.random() < 0.5
    launches = (("launch_s", 0.2), ("fused_norms", True)) if is_fused else ()
    grid = grid_of_parts(deployment, dice, is_fused=is_fused)
    return PerformanceSpec("aiconfigurator", options=(("engine", "vllm"), *launches), grids=(grid,))


def grid_of_parts(deployment: Deployment, dice: Random, *, is_fused: bool = False) -> StepGridSpec:
    """The tables of a deployment whose steps take about 0.1 s, and tokens about 5, 20 and 0.1 ms."""

    def about(seconds: float) -> float:
        return seconds * dice.uniform(0.9, 1.1)

    tokens, batches, contexts = [1, 2, 5, 40, 41, 200, 1000], [1, 2, 3, 4, 8, 9, 30], [1, 17, 40, 300, 5000]
    prompts = [1, 8, 30, 100, 1000]
    spans = [[max(size // 4, 1), *(size + 2 * context for context in (1, 7, 200, 3000))] for size in prompts]
    tables = {
        "format": FORMAT,
        "source": {"package": "of a test"},
        "fused": is_fused,
        "shared": {
            "tokens": tokens,
            "seconds": [about(0.08 + 3e-3 * count) for count in tokens],
            "experts": [about(0.02 + 2e-3 * count) for count in tokens],
            "estimated": [1e-3] * len(tokens),
            "norms": [5e-4] * len(tokens),
        },
        "rest": {
            "tokens": batches,
            "seconds": [about(0.1 + 1e-2 * count) for count in batches],
            "estimated": [1e-3] * len(batches),
            "norms": [5e-4] * len(batches),
        },
        "decodes": {
            "tokens": batches,
            "sizes": contexts,
            "seconds": [[about(1e-2 * count + 1e-4 * count * each) for each in contexts] for count in batches],
        },
        "prompts": {
            "tokens": prompts,
            "sizes": spans,
            "seconds": [[about(1e-4 * size * span) for span in row] for size, row in zip(prompts, spans, strict=True)],
        },
    }
    return packed(deployment, tables)


def measured(table_spec: PerformanceSpec) -> PerformanceSpec:
    """The same measured steps as runs have them: no prompt has context before it."""
    (steps,) = table_spec.steps
    prompts = {tokens: seconds for tokens, _, seconds in steps.prompts}
    alone = tuple((tokens, 0, seconds) for tokens, seconds in prompts.items())
    return PerformanceSpec("measured", steps=(replace(steps, prompts=alone),))
