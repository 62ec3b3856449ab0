"""The borrowed grammars, in one place: YAML and `${...}` from OmegaConf, axes and overrides from Hydra."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
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
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from configs.arithmetic import evaluate
from configs.compose import register_resolvers
from sim_core.errors import SpecError

MOST_POINTS = 200_000  # of a grid, and so values of an axis

_VARIABLE = re.compile(r"\$\{\s*([A-Za-z_]\w*)\s*\}")
_ROOT = re.compile(r"\$\{\s*([A-Za-z_]\w*)\s*(?=[.\[}])")
_NOT_EVAL = re.compile(r"\$\{(?!\s*eval\s*:)")
_PLAIN_EVAL = re.compile(r"\$\{eval:'([^'\\$]*)'\}")
_PLAIN = re.compile(r"[A-Za-z_/][\w./-]*", re.ASCII)
_WORDS_WITH_MEANING = {"true", "false", "null", "nan", "inf"}


def read_yaml(text: str, source: str) -> Any:
    """The plain values of a YAML text, `${...}` left as it is. Raises SpecError: not YAML, or a key twice."""
    try:
        loaded = OmegaConf.load(io.StringIO(text))
        return OmegaConf.to_container(loaded, resolve=False)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{source}, line {mark.line + 1}" if mark else source
        raise SpecError(f"not YAML: {_first_line(getattr(error, 'problem', None) or error)}", source=place) from error
    except (OmegaConfBaseException, OSError) as error:  # OSError: a YAML text that is neither a mapping nor a list
        raise SpecError(f"cannot be read: {_first_line(error)}", source=source) from error


def parse_override(text: str) -> Override:
    """One override in Hydra's grammar. Raises SpecError."""
    try:
        return OverridesParser.create().parse_overrides([text])[0]
    except HydraException as error:
        reason = f"not an override in Hydra's grammar, such as seed=1 ({_first_line(error)})"
        raise SpecError(reason, key=text) from error


def axis_values(key: str, raw: object) -> tuple[Any, ...]:
    """The values of an axis: a YAML list as it is, a text in Hydra's sweep grammar, or a single value.

    Raises SpecError for what has no finite list of values, and for an empty one.
    """
    if raw is None or raw == "":
        raise SpecError("has no values", key=key)
    if isinstance(raw, list):
        values = tuple(raw)
    elif isinstance(raw, str):
        values = override_values(_parse_axis(key, raw), key)
    else:
        values = (raw,)
    if not values:
        raise SpecError("an axis without values makes an empty grid", key=key, value=raw)
    return values


def override_values(override: Override, key: str) -> tuple[Any, ...]:
    """What an override can be: its one value, or those of its choice or range. Raises SpecError."""
    value = override.value()
    if isinstance(value, IntervalSweep):
        reason = "interval() has no list of values; say range(start, stop, step) or a, b, c"
        raise SpecError(reason, key=key, value=override.get_value_string())
    if not override.is_sweep_override():
        return (_plain(value),)
    if not isinstance(value, ChoiceSweep | RangeSweep):
        reason = "only lists (a, b, c), choice() and range() make an axis"
        raise SpecError(reason, key=key, value=override.get_value_string())
    if isinstance(value, RangeSweep):
        _check_range(value, key, override.get_value_string())
        return _range_values(value)
    return tuple(_plain(v) for v in override.sweep_iterator(Transformer.identity))


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


def substitute(value: Any, variables: Mapping[str, object], key: str) -> Any:
    """`value` with every `${variable}` replaced, and `${eval:...}` worked out where nothing else is left to look up.

    Raises SpecError when the arithmetic is refused.
    """
    if isinstance(value, list):
        return [substitute(item, variables, key) for item in value]
    if isinstance(value, dict):
        return {name: substitute(item, variables, key) for name, item in value.items()}
    if not isinstance(value, str) or "${" not in value:
        return value
    whole = _VARIABLE.fullmatch(value.strip())
    if whole and whole[1] in variables:
        return variables[whole[1]]
    text = _VARIABLE.sub(lambda m: str(variables[m[1]]) if m[1] in variables else m[0], value)
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
        reason = cause.reason if cause else _first_line(error)
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
    except HydraException as error:
        reason = f"not Hydra's sweep grammar; say a, b, c or range(start, stop, step) ({_first_line(error)})"
        raise SpecError(reason, key=key, value=text) from error


def _literal(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and value.lower() not in _WORDS_WITH_MEANING:
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


def _first_line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and "hydra.cc" not in line]
    return lines[0] if lines else type(error).__name__
