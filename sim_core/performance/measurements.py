"""Reads measured iteration times: a table of medians by batch tokens, or SplitwiseSim's table of single runs."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import TYPE_CHECKING, TypeVar

from sim_core.errors import MOST_SHOWN, SpecError, SpecWarning, choices, one_line
from sim_core.performance.base import CurveKey, Needs, ReadFile
from sim_core.performance.plausible import MOST_FALL, plausible
from sim_core.section import Section
from sim_core.spec import CurveSpec

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

MOST_COUNT = 10**9  # of tokens, sequences and GPUs of one measurement
MOST_TIME = 10**9  # of one iteration, in the unit of its column
KEY_COLUMNS = ("model", "hardware", "tensor_parallel")
_MEDIANS = (*KEY_COLUMNS, "batch_tokens", "prompt_time_s", "token_time_s")
_RUNS = (*KEY_COLUMNS, "prompt_size", "batch_size", "prompt_time", "token_time")  # times in ms


def read_curves(path: Path, source: str) -> dict[CurveKey, CurveSpec]:
    """The curves in a CSV file, by what they were measured on. `source` is the file's name in errors.

    Accepts columns model, hardware, tensor_parallel and either batch_tokens, prompt_time_s, token_time_s (s), or
    prompt_size, batch_size, prompt_time, token_time (ms, a row a measured run), of which it takes the median at
    each prompt_size * batch_size.
    """
    points: dict[CurveKey, dict[int, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))

    def take(row: dict[str, str]) -> None:
        key, batch_tokens, times = _run(row) if "prompt_time" in row else _median(row)
        points[key][batch_tokens].append(times)

    read_rows(path, source, lambda columns: _RUNS if "prompt_time" in columns else _MEDIANS, take)
    return {key: _curve(key, by_tokens, source) for key, by_tokens in points.items()}


def read_rows(
    path: Path,
    source: str,
    wanted: Callable[[Sequence[str]], Sequence[str]],
    take: Callable[[dict[str, str]], None],
) -> None:
    """Give each row of a CSV file to `take`, which raises ValueError for one that is no measurement. `wanted`: the
    columns that a file must have, by those that it has."""
    import csv  # these here, as `median` below: not needed at every start
    from io import StringIO

    from sim_core.limits import limits
    from sim_core.regular_file import read_bytes

    try:
        text = read_bytes(path, "table_bytes").decode("utf-8-sig")
        reader = csv.DictReader(StringIO(text, newline=""))
        columns = reader.fieldnames or ()
        if len(columns) > limits().columns:
            raise SpecError(limits().too_much("columns", len(columns), "columns in its first line"), source=source)
        for name in wanted(columns):
            if name not in columns:
                raise SpecError(f"column {name!r} is missing{choices(name, columns)}", source=source)
        for number, row in enumerate(reader, 1):
            try:
                take(row)
            except ValueError as error:
                raise SpecError(f"row {number}: {error}", source=source) from error
    except (OSError, ValueError, csv.Error) as error:  # ValueError: no UTF-8, or a name that no file can have
        reason = error.strerror if isinstance(error, OSError) else f"it is no CSV text in UTF-8 ({error})"
        raise SpecError(f"cannot be read: {reason}", key="performance_model.db_path", value=source) from error


def needed(config: Section, needs: Needs, read: ReadFile[T]) -> tuple[str, list[T]]:
    """The name of the file that `config` gives, and what a run needs of it.

    Raises SpecError where measurements are missing; the reference machine's may be.
    """
    source = config.text("db_path")
    measured = needs.read(read, needs.root / source, source)
    if missing := sorted(needs.used - measured.keys()):
        raise SpecError(_not_measured(missing[0], measured.keys()), key=config.path("db_path"), value=source)
    return source, [measured[key] for key in sorted(measured.keys() & (needs.used | needs.reference))]


def needed_curves(config: Section, needs: Needs) -> tuple[CurveSpec, ...]:
    """The curves that a run needs, from the file that `config` names, without their implausible points."""
    source, curves = needed(config, needs, read_curves)
    return tuple(_believed(curve, source) for curve in curves)


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


def key_of(row: dict[str, str]) -> CurveKey:
    return row["model"], row["hardware"], count_in(row, "tensor_parallel")


def _run(row: dict[str, str]) -> tuple[CurveKey, int, tuple[float, float]]:
    batch_tokens = count_in(row, "prompt_size") * count_in(row, "batch_size")
    return key_of(row), batch_tokens, (time_in(row, "prompt_time") / 1000, time_in(row, "token_time") / 1000)


def _median(row: dict[str, str]) -> tuple[CurveKey, int, tuple[float, float]]:
    return key_of(row), count_in(row, "batch_tokens"), (time_in(row, "prompt_time_s"), time_in(row, "token_time_s"))


def time_in(row: dict[str, str], column: str) -> float:
    try:
        value = float(row[column])
    except (TypeError, ValueError):
        value = 0.0
    if not 0.0 < value < inf:
        raise ValueError(f"{column}={_cell(row, column)}: must be a number above 0")
    if value > MOST_TIME:
        raise ValueError(f"{column}={_cell(row, column)}: must be at most {MOST_TIME:,}")
    return value


def count_in(row: dict[str, str], column: str, least: int = 1) -> int:
    try:
        value = int(row[column])
    except (TypeError, ValueError):
        value = least - 1
    if value < least:
        raise ValueError(f"{column}={_cell(row, column)}: must be a whole number of at least {least}")
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
