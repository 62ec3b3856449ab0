"""Reads measured runs: a batch of prompts, and then of decodes, as SplitwiseSim's table has them."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sim_core.errors import SpecError, SpecWarning
from sim_core.performance.base import CurveKey, Needs
from sim_core.performance.measurements import KEY_COLUMNS, count_in, key_of, needed, read_rows, time_in
from sim_core.performance.plausible import MOST_FALL, plausible
from sim_core.section import Section
from sim_core.spec import CurveSpec, MeasuredSteps

if TYPE_CHECKING:
    from pathlib import Path

_SIZES = ("prompt_size", "batch_size", "token_size")


class MeasuredRuns(NamedTuple):
    """The measured runs of one (model, hardware, tensor parallelism)."""

    key: CurveKey
    # by prompt size, batch size and output size, the seconds of the batch's prompts, and of a token in the mean
    runs: Mapping[tuple[int, int, int], Sequence[tuple[float, float]]]


def read_runs(path: Path, source: str) -> dict[CurveKey, MeasuredRuns]:
    """The runs in a CSV file, by what they were measured on. `source` is the file's name in errors.

    Its columns are model, hardware, tensor_parallel, prompt_size, batch_size, token_size, and either prompt_time_s and
    token_time_s (s), or prompt_time and token_time (ms), as in SplitwiseSim's table.
    """
    found: dict[CurveKey, dict[tuple[int, int, int], list[tuple[float, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )

    def take(row: dict[str, str]) -> None:
        sizes = count_in(row, "prompt_size"), count_in(row, "batch_size"), count_in(row, "token_size")
        if "prompt_time_s" in row:
            times = time_in(row, "prompt_time_s"), time_in(row, "token_time_s")
        else:
            times = time_in(row, "prompt_time") / 1000, time_in(row, "token_time") / 1000
        found[key_of(row)][sizes].append(times)

    def wanted(columns: Sequence[str]) -> Sequence[str]:
        is_raw = "prompt_time" in columns and "prompt_time_s" not in columns
        times = ("prompt_time", "token_time") if is_raw else ("prompt_time_s", "token_time_s")
        return (*KEY_COLUMNS, *_SIZES, *times)

    read_rows(path, source, wanted, take)
    return {key: MeasuredRuns(key, runs) for key, runs in sorted(found.items())}


def needed_runs(config: Section, needs: Needs) -> tuple[MeasuredSteps, ...]:
    """The steps of the runs that a simulation needs, from the file that `config` names, without implausible runs.

    Raises SpecError where runs are missing; the reference machine's may be.
    """
    source, measured = needed(config, needs, read_runs)
    return tuple(steps_of(runs, source) for runs in measured)


def steps_of(runs: MeasuredRuns, source: str) -> MeasuredSteps:
    """The prompts and the decodes of plausible runs: medians by tokens, and by number and context.

    The time of a token is the mean over a run, so its context is that in the middle of the outputs.
    """
    left_out = _implausible(runs, source)
    prompts: dict[int, list[float]] = defaultdict(list)
    decodes: dict[tuple[int, int], list[float]] = defaultdict(list)
    for (prompt, batch, outputs), times in runs.runs.items():
        if prompt * batch not in left_out:
            prompts[prompt * batch] += [prompt_s for prompt_s, _ in times]
            decodes[batch, batch * (prompt + outputs // 2)] += [token_s for _, token_s in times]
    if len(prompts) < 2 or len({number for number, _ in decodes}) < 2:
        text = f"{_name(runs)}: runs with two batch sizes and two counts of batch tokens at least are needed"
        raise SpecError(text, source=source)
    from statistics import median  # which loads fractions and decimals

    return MeasuredSteps(
        *runs.key,
        tuple((tokens, 0, median(times)) for tokens, times in sorted(prompts.items())),
        tuple((*sizes, median(times)) for sizes, times in sorted(decodes.items())),
    )


def _implausible(runs: MeasuredRuns, source: str) -> set[int]:
    """The batch tokens of the runs that are left out, as a whole, by the rule of `db`. A warning lists them."""
    from statistics import median

    by_tokens: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for (prompt, batch, _), times in runs.runs.items():
        by_tokens[prompt * batch] += times
    tokens = tuple(sorted(by_tokens))
    prompt_s, token_s = (tuple(median(times[kind] for times in by_tokens[n]) for n in tokens) for kind in (0, 1))
    _, places = plausible(CurveSpec(*runs.key, tokens, prompt_s, token_s))
    if places:
        named = ", ".join(
            f"{tokens[place]} batch tokens (prompt {prompt_s[place]:.4g} s, token {token_s[place]:.4g} s)"
            for place in places
        )
        reason = f"with it more batch tokens would take over {MOST_FALL:.0%} less time"
        text = f"{source}: {_name(runs)}: left out as implausible: {named}; {reason}"
        warnings.warn(text, SpecWarning, stacklevel=2)
    return {tokens[place] for place in places}


def _name(runs: MeasuredRuns) -> str:
    model, hardware, parallelism = runs.key
    return f"{model} on {hardware} with tensor parallelism {parallelism}"
