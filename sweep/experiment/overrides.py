"""Overrides from the command line, on top of an experiment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

from configs.stored import SINGLE_RUNS, check_key
from sim_core.errors import SpecError
from sweep.experiment.file import Experiment, System
from sweep.experiment.grammar import override_values, parse_override
from sweep.experiment.question import changed_question
from sweep.experiment.variables import Names, key_and_package, near_name
from sweep.experiment.written import plain


def with_extra(experiment: Experiment, extra: Sequence[str], names: Names) -> Experiment:
    """The experiment with overrides from the command line: `rate=10,20` takes the place of an axis of that name
    wherever there is one (or else of a variable), `seed=0,1` adds an axis, the others are settings of every point.

    Raises SpecError for an unknown name.
    """
    for text in extra:
        override = parse_override(names.texts.as_written(text))
        key = override.input_line.split("=", 1)[0].strip() if override.input_line else text
        check_key(*key_and_package(key))
        if override.is_delete():
            experiment = _set_everywhere(experiment, key, None)
            continue
        values = override_values(override, key)
        if not values:
            raise SpecError("an axis without values makes an empty grid", key=key, value=override.get_value_string())
        parts: list[Experiment | System] = [experiment, *experiment.systems]
        if any(key in part.axes for part in parts):
            experiment = _replace(experiment, key, values, "axes")
        elif any(key in part.variables for part in parts):
            experiment = _replace(experiment, key, values, "variables")
        elif key.isidentifier() and not names.is_setting(key):
            raise SpecError(_unknown(key, parts, names), key=key, value=override.get_value_string())
        elif len(values) > 1:
            experiment = replace(experiment, axes=experiment.axes | {key: values})
        else:
            experiment = _set_everywhere(experiment, key, values[0])
    return experiment


def with_find(experiment: Experiment, extra: Sequence[str]) -> tuple[Experiment, list[str]]:
    """The experiment with the overrides of its question, such as `find.width=2%`, and the other overrides. `~find`
    makes a grid of it. Raises SpecError."""
    others, changes = [], {}
    for text in extra:
        key, equals, _ = text.partition("=")
        key = key.strip()
        if key == "~find":
            experiment = replace(experiment, find=None)
        elif key != "find" and not key.startswith("find."):
            others.append(text)
        elif not equals or len(values := override_values(parse_override(text), key)) != 1:
            raise SpecError("one value is needed here, such as find.width=2%", key=key, value=text)
        elif key == "find":
            changes.update(values[0] if isinstance(values[0], dict) else {})
            if not isinstance(values[0], dict):
                raise SpecError("say what to find, such as find.least=cost", key=key, value=values[0])
        else:
            changes[key.removeprefix("find.")] = plain(values[0])
    return replace(experiment, find=changed_question(experiment.find, changes)) if changes else experiment, others


def values_in(extra: Sequence[str]) -> Iterator[object]:
    """The values in overrides of the command line; `with_extra` reports those that cannot be read."""
    for text in extra:
        with suppress(SpecError):
            override = parse_override(text)
            if not override.is_delete():
                yield from override_values(override, text)


def _unknown(key: str, parts: Sequence[Experiment | System], names: Names) -> str:
    own = list(dict.fromkeys(name for part in parts for name in (*part.axes, *part.variables)))
    hint = near_name(key, [*own, *sorted(names.known - SINGLE_RUNS.keys())])
    has = f" (the experiment has: {', '.join(own)})" if own else ""
    return f"neither an axis or variable of the experiment nor a setting{hint}{has}"


def _replace(
    experiment: Experiment, key: str, values: tuple[Any, ...], where: Literal["axes", "variables"]
) -> Experiment:
    def axes_with(part: Experiment | System) -> dict[str, tuple[Any, ...]]:
        return part.axes | {key: values} if key in getattr(part, where) else part.axes

    systems = tuple(replace(system, axes=axes_with(system)) for system in experiment.systems)
    return replace(experiment, axes=axes_with(experiment), systems=systems)


def _set_everywhere(experiment: Experiment, key: str, value: object) -> Experiment:
    systems = tuple(replace(system, overrides=system.overrides | {key: value}) for system in experiment.systems)
    return replace(experiment, systems=systems)
