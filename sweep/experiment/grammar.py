"""The grammars of experiment files: `${...}` from OmegaConf, axes and overrides from Hydra."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from math import ceil, inf
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
from configs.resolvers import only_our_resolvers
from configs.texts import TextSettings, elements, is_plainly_text
from sim_core.errors import SpecError
from sim_core.limits import limits
from sweep.experiment.written import as_text, first_line, noted, texts_in

MOST_POINTS = 200_000  # of a grid, and values of an axis
SHORT = 1000  # characters of a text that is within all limits

_VARIABLE = re.compile(r"\$\{\s*([A-Za-z_]\w*)\s*\}")
_ROOT = re.compile(r"\$\{\s*([A-Za-z_]\w*)\s*(?=[.\[}])")
_NOT_EVAL = re.compile(r"\$\{(?!\s*eval\s*:)")
_PLAIN_EVAL = re.compile(r"\$\{eval:'([^'\\$]*)'\}")


def parse_override(text: str) -> Override:
    """One override in Hydra's grammar. Raises SpecError."""
    return _parsed(text, "not an override in Hydra's grammar, such as seed=1", key=text)


def axis_values(place: str, name: str, raw: Any, written: Any, texts: TextSettings) -> tuple[Any, ...]:
    """The values of the axis `name`: of a YAML list, of a text in Hydra's sweep grammar, or a single value.

    `raw` is the value that YAML reads, `written` its text, which is used if the axis is a setting that takes texts.
    Raises SpecError, which names `place`, if there is no finite list of values, or an empty one.
    """
    is_text = texts.is_text(name)
    if raw == "" or (raw is None and (not is_text or written in ("", "~"))):
        raise SpecError("has no values", key=place)
    values: tuple[Any, ...]
    if isinstance(raw, str):
        quoted = texts.in_quotes(name, raw)
        reason = "not Hydra's sweep grammar; say a, b, c or range(start, stop, step)"
        parsed = _parsed(f"axis={quoted}", reason, key=place, value=quoted)
        values = override_values(parsed, place)
        if not parsed.is_sweep_override():  # YAML reads a single value as a text only if it is in quotes
            values = tuple(noted(value, raw, in_quotes=True) for value in values)
    else:
        items = list(zip(raw, written, strict=True)) if isinstance(raw, list) else [(raw, written)]
        values = tuple(noted(texts_in(name, value, text, texts.is_text), text) for value, text in items)
    if not values:
        raise SpecError("an axis without values makes an empty grid", key=place, value=raw)
    return values


def override_values(override: Override, key: str) -> tuple[Any, ...]:
    """The one value of an override, or those of its choice or range; numbers remember how they are written. Raises
    SpecError."""
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
    """`key=value`, which Hydra's parser reads back to the same value. `~key` without a value removes a key."""
    if key.startswith("~") and value is None:
        return key
    return f"{key}={_literal(value)}"


def references(value: object) -> Iterator[str]:
    """The first names of all `${name...}` inside a value, except resolvers such as `${eval:...}`."""
    if isinstance(value, str):
        yield from _ROOT.findall(value)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from references(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from references(item)


def outside_references(text: str) -> list[str]:
    """The parts of a text outside of its `${...}`, which may be nested."""
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
    """`value` with every `${variable}` replaced, and `${eval:...}` computed unless it refers to the configuration.

    Raises SpecError for refused arithmetic, and for a variable whose text is needed (in a text, or in a setting that
    `is_text`) but not known, see `as_text`.
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
    length = len(value)

    def text_of(found: re.Match[str]) -> str:
        nonlocal length
        name = found[1]
        if name not in variables:
            return found[0]
        text = str(variables[name]) if is_sum else as_text(variables[name], name, key)
        length += len(text)
        if length > SHORT:
            _check_most("characters", length, "characters with its ${...} replaced", key)
        return text

    text = _VARIABLE.sub(text_of, value)
    if len(text) > SHORT:
        _check_most("references", text.count("${"), "references ${...}", key)
    if "${" not in text or _NOT_EVAL.search(text):
        return text  # the other references are to the configuration, which Hydra resolves
    return _evaluate(text, key)


def check_size(value: object, key: str) -> None:
    """Raise SpecError for a value of too many values: lists that name others twice, and so on, would fill memory."""
    left, values, characters = [value], 0, 0
    while left:
        part = left.pop()
        values += 1
        characters += len(part) if isinstance(part, str) else 0
        _check_most("values", values, "values with its ${...} replaced", key)
        _check_most("characters", characters, "characters with its ${...} replaced", key)
        if isinstance(part, Mapping):
            left.extend(part.values())
        elif isinstance(part, list | tuple):
            left.extend(part)


def _check_most(limit: str, found: int, what: str, key: str) -> None:
    if found > getattr(limits(), limit):
        raise SpecError(limits().too_much(limit, found, what), key=key)


def _evaluate(text: str, key: str) -> Any:
    if plain := _PLAIN_EVAL.fullmatch(text):  # ten times as fast as OmegaConf's grammar, with the same value
        try:
            return evaluate(plain[1])
        except SpecError as error:
            raise SpecError(error.reason, key=key, value=text) from error
    try:
        with only_our_resolvers():
            return OmegaConf.create({"value": text})["value"]
    except Exception as error:  # a resolver may raise anything
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, SpecError):
            cause = cause.__cause__ or cause.__context__
        reason = cause.reason if cause else first_line(error)
        raise SpecError(reason, key=key, value=text) from error


def _range_values(sweep: RangeSweep) -> tuple[Any, ...]:
    """The values of a range without its stop, computed in decimals: range(0.1, 0.4, 0.1) ends with 0.3, and has neither
    0.30000000000000004 nor 0.4."""
    start, stop, step = (Decimal(repr(number)) for number in (sweep.start, sweep.stop, sweep.step))
    whole = isinstance(sweep.start, int) and isinstance(sweep.step, int)
    numbers = (start + i * step for i in range(max(0, ceil((stop - start) / step))))
    return tuple(int(number) if whole else float(number) for number in numbers)


def _check_range(sweep: RangeSweep, key: str, text: str) -> None:
    """Raise SpecError for a range without an end, or with more values than there may be points."""
    numbers = (sweep.start, sweep.stop, sweep.step)
    if not all(number is not None and abs(number) < inf for number in numbers):  # isfinite() refuses large integers
        raise SpecError("a range goes from a number to a number", key=key, value=text)
    start, stop, step = (Decimal(repr(number)) for number in numbers)
    if step == 0:
        raise SpecError("the step of a range must not be 0", key=key, value=text)
    if (count := ceil((stop - start) / step)) > MOST_POINTS:
        raise SpecError(f"an axis of {count} values, more than {MOST_POINTS}: shorten it", key=key, value=text)


def _parsed(text: str, reason: str, *, key: str, value: str | None = None) -> Override:
    try:
        return OverridesParser.create().parse_overrides([text])[0]
    except Exception as error:  # Hydra answers odd input with exceptions of any kind
        raise SpecError(f"{reason} ({first_line(error)})", key=key, value=value) from error


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
