"""Reads measured iteration times: a table of medians by batch tokens, or SplitwiseSim's table of single runs."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable
from math import inf
from typing import TYPE_CHECKING

from sim_core.errors import MOST_SHOWN, SpecError, SpecWarning, choices, one_line
from sim_core.limits import limits
from sim_core.performance.base import CurveKey, Needs
from sim_core.performance.plausible import MOST_FALL, plausible
from sim_core.regular_file import read_bytes
from sim_core.section import Section
from sim_core.spec import CurveSpec

if TYPE_CHECKING:
    from pathlib import Path

MOST_COUNT = 10**9  # of tokens, sequences and GPUs of one measurement
MOST_TIME = 10**9  # of one iteration, in the unit of its column
_KEY_COLUMNS = ("model", "hardware", "tensor_parallel")
_MEDIANS = (*_KEY_COLUMNS, "batch_tokens", "prompt_time_s", "token_time_s")
_RUNS = (*_KEY_COLUMNS, "prompt_size", "batch_size", "prompt_time", "token_time")  # times in ms


def read_curves(path: Path, source: str) -> dict[CurveKey, CurveSpec]:
    """The curves in a CSV file, by what they were measured on. `source` is the file's name in errors.

    Accepts columns model, hardware, tensor_parallel and either batch_tokens, prompt_time_s, token_time_s (s), or
    prompt_size, batch_size, prompt_time, token_time (ms, a row a measured run), of which it takes the median at
    each prompt_size * batch_size.
    """
    import csv  # these here, as `median` below: not needed at every start
    from io import StringIO

    points: dict[CurveKey, dict[int, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    try:
        text = read_bytes(path, "table_bytes").decode("utf-8-sig")
        reader = csv.DictReader(StringIO(text, newline=""))
        columns = reader.fieldnames or ()
        if len(columns) > limits().columns:
            raise SpecError(limits().too_much("columns", len(columns), "columns in its first line"), source=source)
        are_runs = "prompt_time" in columns
        for name in _RUNS if are_runs else _MEDIANS:
            if name not in columns:
                raise SpecError(f"column {name!r} is missing{choices(name, columns)}", source=source)
        for number, row in enumerate(reader, 1):
            try:
                key, batch_tokens, times = _run(row) if are_runs else _median(row)
            except ValueError as error:
                raise SpecError(f"row {number}: {error}", source=source) from error
            points[key][batch_tokens].append(times)
    except (OSError, ValueError, csv.Error) as error:  # ValueError: no UTF-8, or a name that no file can have
        reason = error.strerror if isinstance(error, OSError) else f"it is no CSV text in UTF-8 ({error})"
        raise SpecError(f"cannot be read: {reason}", key="performance_model.db_path", value=source) from error
    return {key: _curve(key, by_tokens, source) for key, by_tokens in points.items()}


def needed_curves(config: Section, needs: Needs) -> tuple[CurveSpec, ...]:
    """The curves that a run needs, from the file that `config` names, without their implausible points.

    Raises SpecError where one is missing; the reference machine's may be.
    """
    source = config.text("db_path")
    curves = needs.read_curves(needs.root / source, source)
    if missing := sorted(needs.used - curves.keys()):
        raise SpecError(_not_measured(missing[0], curves.keys()), key=config.path("db_path"), value=source)
    return tuple(_believed(curves[key], source) for key in sorted(curves.keys() & (needs.used | needs.reference)))


def _believed(curve: CurveSpec, source: str) -> CurveSpec:
    """The curve without its implausible points, with a warning that lists them. SpecError where too few are left."""
    believed, left_out = plausible(curve)
    if not left_out:
        return curve
    where = f"{curve.model} on {curve.hardware} with tensor parallelism {curve.tensor_parallelism}"
    points = ", ".join(
        f"{curve.batch_tokens[place]} batch tokens (prompt {curve.prompt_s[place]:.4g} s, "
        f"token {curve.token_s[place]:.4g} s)"
        for place in left_out
    )
    reason = f"more batch tokens would take over {MOST_FALL:.0%} less time"
    if len(believed.batch_tokens) < 2:
        raise SpecError(
            f"{where}: {points} left out, or {reason}; fewer than two points are left for a curve", source=source
        )
    warnings.warn(f"{source}: {where}: left out as implausible: {points}; with it {reason}", SpecWarning, stacklevel=2)
    return believed


def _not_measured(missing: CurveKey, measured: Iterable[CurveKey]) -> str:
    """A message: there are no measurements of `missing`, and which are nearest."""
    model, hardware, parallelism = missing
    models = sorted({name for name, _, _ in measured})
    if model not in models:
        return f"no measurements of {model}{choices(model, models)}"
    wanted = f"{hardware} with tensor parallelism {parallelism}"
    known = [f"{name} with tensor parallelism {count}" for other, name, count in sorted(measured) if other == model]
    return f"no measurements of {model} on {wanted}{choices(wanted, known)}"


def _key(row: dict[str, str]) -> CurveKey:
    return row["model"], row["hardware"], _count(row, "tensor_parallel")


def _run(row: dict[str, str]) -> tuple[CurveKey, int, tuple[float, float]]:
    batch_tokens = _count(row, "prompt_size") * _count(row, "batch_size")
    return _key(row), batch_tokens, (_time(row, "prompt_time") / 1000, _time(row, "token_time") / 1000)


def _median(row: dict[str, str]) -> tuple[CurveKey, int, tuple[float, float]]:
    return _key(row), _count(row, "batch_tokens"), (_time(row, "prompt_time_s"), _time(row, "token_time_s"))


def _time(row: dict[str, str], column: str) -> float:
    try:
        value = float(row[column])
    except (TypeError, ValueError):
        value = 0.0
    if not 0.0 < value < inf:
        raise ValueError(f"{column}={_cell(row, column)}: must be a number above 0")
    if value > MOST_TIME:
        raise ValueError(f"{column}={_cell(row, column)}: must be at most {MOST_TIME:,}")
    return value


def _count(row: dict[str, str], column: str) -> int:
    try:
        value = int(row[column])
    except (TypeError, ValueError):
        value = 0
    if value < 1:
        raise ValueError(f"{column}={_cell(row, column)}: must be a whole number of at least 1")
    if value > MOST_COUNT:
        raise ValueError(f"{column}={_cell(row, column)}: must be at most {MOST_COUNT:,}")
    return value


def _cell(row: dict[str, str], column: str) -> str:
    return one_line(repr(row[column]), MOST_SHOWN)


def _curve(key: CurveKey, by_tokens: dict[int, list[tuple[float, float]]], source: str) -> CurveSpec:
    if len(by_tokens) < 2:
        raise SpecError(f"{key[0]} on {key[1]}: a curve needs two counts of batch tokens at least", source=source)
    from statistics import median  # which loads fractions and decimals

    tokens = sorted(by_tokens)
    return CurveSpec(
        *key,
        batch_tokens=tuple(tokens),
        prompt_s=tuple(median(prompt for prompt, _ in by_tokens[n]) for n in tokens),
        token_s=tuple(median(token for _, token in by_tokens[n]) for n in tokens),
    )
