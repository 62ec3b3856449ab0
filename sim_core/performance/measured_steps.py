"""Reads measured steps: a table with a row a step, of prompts or of decodes, with the context before it."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sim_core.errors import SpecError, SpecWarning
from sim_core.performance.base import CurveKey, Needs
from sim_core.performance.measurements import KEY_COLUMNS, count_in, key_of, needed, read_rows, time_in
from sim_core.performance.plausible import MOST_FALL, falling
from sim_core.section import Section
from sim_core.spec import MeasuredSteps

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = (*KEY_COLUMNS, "prompt_tokens", "decodes", "context_tokens", "seconds")
_Step = tuple[int, int, float]  # tokens, context, seconds
_Steps = dict[tuple[int, int], list[float]]  # by tokens and context


def read_steps(path: Path, source: str) -> dict[CurveKey, MeasuredSteps]:
    """The steps in a CSV file, by what they were measured on. `source` is the file's name in errors.

    Its columns are model, hardware, tensor_parallel, prompt_tokens, decodes, context_tokens and seconds. One of
    prompt_tokens and decodes is 0. Of rows that are alike but for their seconds it takes the median.
    """
    prompts: dict[CurveKey, _Steps] = defaultdict(lambda: defaultdict(list))
    decodes: dict[CurveKey, _Steps] = defaultdict(lambda: defaultdict(list))

    def take(row: dict[str, str]) -> None:
        tokens, members = count_in(row, "prompt_tokens", 0), count_in(row, "decodes", 0)
        if (tokens > 0) == (members > 0):
            raise ValueError(
                f"prompt_tokens={tokens}, decodes={members}: one of them must be 0, and the other one not; times of "
                "steps with both are worked out"
            )
        steps = prompts if tokens else decodes
        steps[key_of(row)][tokens or members, count_in(row, "context_tokens", 0)].append(time_in(row, "seconds"))

    read_rows(path, source, lambda _: COLUMNS, take)
    return {key: _measured(key, prompts[key], decodes[key], source) for key in sorted({*prompts, *decodes})}


def needed_steps(config: Section, needs: Needs) -> tuple[MeasuredSteps, ...]:
    """The steps that a run needs, from the file that `config` names, without implausible ones. Raises SpecError where
    one is missing; the reference machine's may be."""
    source, measured = needed(config, needs, read_steps)
    return tuple(_believed(each, source) for each in measured)


def _measured(key: CurveKey, prompts: _Steps, decodes: _Steps, source: str) -> MeasuredSteps:
    from statistics import median  # which loads fractions and decimals

    for column, steps in (("prompt_tokens", prompts), ("decodes", decodes)):
        if len({tokens for tokens, _ in steps}) < 2:
            raise SpecError(
                f"{key[0]} on {key[1]}: a table needs two counts of {column} at least, with the other column at 0",
                source=source,
            )
    by_size = (
        tuple((*size, median(seconds)) for size, seconds in sorted(steps.items())) for steps in (prompts, decodes)
    )
    return MeasuredSteps(*key, *by_size)


def _believed(steps: MeasuredSteps, source: str) -> MeasuredSteps:
    """The steps without implausible ones, with a warning that lists them. SpecError where too few are left.

    By the rule of `sim_core.performance.plausible`, more tokens of a prompt after as much context, or more context for
    as many decodes, do not take much less time.
    """
    of_prompts = _falling(steps.prompts, alike=1)
    of_decodes = _falling(steps.decodes, alike=0)
    if not of_prompts and not of_decodes:
        return steps
    where = f"{steps.model} on {steps.hardware} with tensor parallelism {steps.tensor_parallelism}"
    named = [
        f"{tokens} {unit} after {context} tokens of context ({seconds:.4g} s)"
        for unit, left_out in (("prompt tokens", of_prompts), ("decodes", of_decodes))
        for tokens, context, seconds in left_out
    ]
    reason = f"a larger step would take over {MOST_FALL:.0%} less time"
    prompts = tuple(step for step in steps.prompts if step not in of_prompts)
    decodes = tuple(step for step in steps.decodes if step not in of_decodes)
    if min(len({step[0] for step in kind}) for kind in (prompts, decodes)) < 2:
        text = f"{where}: {', '.join(named)} left out, or {reason}; steps of fewer than two sizes are left"
        raise SpecError(text, source=source)
    text = f"{source}: {where}: left out as implausible: {', '.join(named)}; with it {reason}"
    warnings.warn(text, SpecWarning, stacklevel=2)
    return replace(steps, prompts=prompts, decodes=decodes)


def _falling(steps: Sequence[_Step], alike: int) -> list[_Step]:
    """The steps that are left out. Those that are compared are alike in their tokens (`alike`: 0) or context (1)."""
    found: list[_Step] = []
    for value in sorted({step[alike] for step in steps}):
        compared = [step for step in steps if step[alike] == value]
        found += [compared[place] for place in falling([seconds for _, _, seconds in compared])]
    return found
