"""The borrowed grammars, in one place: YAML and `${...}` from OmegaConf, axes and overrides from Hydra."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from math import ceil, isfinite
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    Quote,
    QuotedString,
    RangeSweep,
    Transformer,
)
from omegaconf import OmegaConf

from configs.arithmetic import evaluate
from configs.compose import register_resolvers
from configs.texts import TextSettings, elements, is_plainly_text
from sim_core.errors import SpecError
from sweep.experiment.written import as_text, first_line, noted, texts_in

MOST_POINTS = 200_000  # of a grid, and so values of an axis

_VARIABLE = re.compile(r"\$\{\s*([A-Za-z_]\w*)\s*\}")
_ROOT = re.compile(r"\$\{\s*([A-Za-z_]\w*)\s*(?=[.\[}])")
_NOT_EVAL = re.compile(r"\$\{(?!\s*eval\s*:)")
_PLAIN_EVAL = re.compile(r"\$\{eval:'([^'\\$]*)'\}")


def parse_override(text: str) -> Override:
    """One override in Hydra's grammar. Raises SpecError."""
    try:
        return OverridesParser.create().parse_overrides([text])[0]
    except Exception as error:  # Hydra answers odd input with whatever it stumbles over
        reason = f"not an override in Hydra's grammar, such as seed=1 ({first_line(error)})"
        raise SpecError(reason, key=text) from error


def axis_values(place: str, name: str, raw: Any, written: Any, texts: TextSettings) -> tuple[Any, ...]:
    """The values of the axis `name`: a YAML list as it is, a text in Hydra's sweep grammar, or a single value.
    `written` is `raw` as it is written, which is what counts where the axis is a setting that is a text.

    Raises SpecError, which names `place`, for what has no finite list of values, and for an empty one.
    """
    is_text = texts.is_text(name)
    if raw == "" or (raw is None and (not is_text or written in ("", "~"))):
        raise SpecError("has no values", key=place)
    values: tuple[Any, ...]
    if isinstance(raw, str):
        parsed = _parse_axis(place, texts.in_quotes(name, raw))
        values = override_values(parsed, place)
        if not parsed.is_sweep_override():  # the text stands in quotes: without them it were no text
            values = tuple(noted(value, raw, in_quotes=True) for value in values)
    else:
        items = list(zip(raw, written, strict=True)) if isinstance(raw, list) else [(raw, written)]
        given = (texts_in(name, value, text, texts.is_text) for value, text in items)
        values = tuple(noted(value, text) for value, (_, text) in zip(given, items, strict=True))
    if not values:
        raise SpecError("an axis without values makes an empty grid", key=place, value=raw)
    return values


def override_values(override: Override, key: str) -> tuple[Any, ...]:
    """What an override can be: its one value, or those of its choice or range; a number remembers how it is written.
    Raises SpecError."""
    value, text = override.value(), override.get_value_string()
    if isinstance(value, IntervalSweep):
        reason = "interval() has no list of values; say range(start, stop, step) or a, b, c"
        raise SpecError(reason, key=key, value=text)
    if not override.is_sweep_override():
        return (noted(_plain(value), text),)
    if not isinstance(value, ChoiceSweep | RangeSweep):
        reason = "only lists (a, b, c), choice() and range() make an axis"
        raise SpecError(reason, key=key, value=text)
    if isinstance(value, RangeSweep):
        _check_range(value, key, text)
        return _range_values(value)
    values = [_plain(item) for item in override.sweep_iterator(Transformer.identity)]
    parts = elements(text) if value.simple_form else []
    if len(parts) != len(values):
        return tuple(values)
    return tuple(noted(item, part) for item, part in zip(values, parts, strict=True))


def to_override(key: str, value: object) -> str:
    """`key=value` as Hydra's parser reads it back to the same value; `~key` without a value takes a key away."""
    if key.startswith("~") and value is None:
        return key
    return f"{key}={_literal(value)}"


def references(value: object) -> Iterator[str]:
    """The first names of all `${name...}` inside a value, resolvers such as `${eval:...}` left out."""
    if isinstance(value, str):
        yield from _ROOT.findall(value)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from references(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from references(item)


def outside_references(text: str) -> list[str]:
    """The parts of a text that stand outside of its `${...}`, which may hold others."""
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(text):
        if text.startswith("${", place):
            parts += [text[start:place]] if depth == 0 else []
            depth += 1
        elif sign == "}" and depth:
            depth -= 1
            start = place + 1
    return [*parts, text[start:]] if depth == 0 else parts


def substitute(
    value: Any, variables: Mapping[str, object], key: str, is_text: Callable[[str], bool] = lambda key: False
) -> Any:
    """`value` with every `${variable}` replaced, and `${eval:...}` worked out where nothing else is left to look up.

    Raises SpecError when the arithmetic is refused, and where a variable is not known as it is written though it is
    part of a text, or all of a setting that `is_text`.
    """
    if isinstance(value, list):
        return [substitute(item, variables, f"{key}.{place}", is_text) for place, item in enumerate(value)]
    if isinstance(value, dict):
        return {name: substitute(item, variables, f"{key}.{name}", is_text) for name, item in value.items()}
    if not isinstance(value, str) or "${" not in value:
        return value
    whole = _VARIABLE.fullmatch(value.strip())
    if whole and whole[1] in variables:
        name = whole[1]
        return as_text(variables[name], name, key) if is_text(key) else variables[name]
    is_sum = "${eval" in value.replace(" ", "")

    def text_of(found: re.Match[str]) -> str:
        name = found[1]
        if name not in variables:
            return found[0]
        return str(variables[name]) if is_sum else as_text(variables[name], name, key)

    text = _VARIABLE.sub(text_of, value)
    if "${" not in text or _NOT_EVAL.search(text):
        return text  # what is left refers to the configuration: Hydra's to resolve
    return _evaluate(text, key)


def _evaluate(text: str, key: str) -> Any:
    if plain := _PLAIN_EVAL.fullmatch(text):  # ten times as fast as by OmegaConf's grammar, which gives the same
        try:
            return evaluate(plain[1])
        except SpecError as error:
            raise SpecError(error.reason, key=key, value=text) from error
    register_resolvers()
    try:
        return OmegaConf.create({"value": text})["value"]
    except Exception as error:  # a resolver may raise anything: OmegaConf's, or arithmetic's own
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, SpecError):
            cause = cause.__cause__ or cause.__context__
        reason = cause.reason if cause else first_line(error)
        raise SpecError(reason, key=key, value=text) from error


def _range_values(sweep: RangeSweep) -> tuple[Any, ...]:
    """The values of a range, its stop left out: counted in decimals, so that range(0.1, 0.4, 0.1) has 0.3 in it, and
    neither 0.30000000000000004 nor 0.4."""
    start, stop, step = (Decimal(repr(number)) for number in (sweep.start, sweep.stop, sweep.step))
    whole = isinstance(sweep.start, int) and isinstance(sweep.step, int)
    numbers = (start + i * step for i in range(max(0, ceil((stop - start) / step))))
    return tuple(int(number) if whole else float(number) for number in numbers)


def _check_range(sweep: RangeSweep, key: str, told: str) -> None:
    """Raise SpecError for a range that has no end, or more values than there may be points."""
    numbers = (sweep.start, sweep.stop, sweep.step)
    if not all(number is not None and isfinite(number) for number in numbers):
        raise SpecError("a range goes from a number to a number", key=key, value=told)
    start, stop, step = (Decimal(repr(number)) for number in numbers)
    if step == 0:
        raise SpecError("the step of a range must not be 0", key=key, value=told)
    if (count := ceil((stop - start) / step)) > MOST_POINTS:
        raise SpecError(f"an axis of {count} values, more than {MOST_POINTS}: shorten it", key=key, value=told)


def _parse_axis(key: str, text: str) -> Override:
    try:
        return OverridesParser.create().parse_overrides([f"axis={text}"])[0]
    except Exception as error:  # Hydra answers odd input with whatever it stumbles over
        reason = f"not Hydra's sweep grammar; say a, b, c or range(start, stop, step) ({first_line(error)})"
        raise SpecError(reason, key=key, value=text) from error


def _literal(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if is_plainly_text(value):
            return value
        return QuotedString(text=value, quote=Quote.single).with_quotes()
    if isinstance(value, list | tuple):
        return "[" + ",".join(_literal(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{_literal(item)}" for name, item in value.items()) + "}"
    return repr(value)


def _plain(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain(name): _plain(item) for name, item in value.items()}
    return value
