"""The names in an experiment: settings of the configuration and variables, and the values of the variables."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from configs.compose import CONFIG_DIR
from configs.stored import MOST_OVERRIDES, PARAMETERS_OF, check_key, check_known
from configs.texts import TextSettings
from sim_core.errors import SpecError, choices, nearest
from sweep.experiment.file import Experiment, System, errors_named
from sweep.experiment.grammar import check_size, parse_override, references, substitute

_PLAIN_KEY = re.compile(r"(\+{0,2}|~)[A-Za-z_]\w*(\.\w+)*", re.ASCII)
MOST_STEPS = 100  # from a variable to one that it refers to, and on


class Names:
    """The top-level names of the configuration (`known`), and which of its settings are texts."""

    def __init__(self, config: Mapping[Any, Any]) -> None:
        self.known = frozenset(str(name) for name in config)
        self.texts = TextSettings(CONFIG_DIR)

    def is_setting(self, axis: str) -> bool:
        """Whether an axis sets something in the configuration; else it is a variable."""
        return axis in self.known or not axis.isidentifier()


def check_names(experiment: Experiment, names: Names) -> None:
    """Raise SpecError for a name that is used but not defined, or defined but not used."""
    unused = set(experiment.variables)
    for system in experiment.systems:
        unused -= _check_system(experiment, system, names)
    for name in sorted(unused):
        raise SpecError(f"no system uses ${{{name}}}", key=f"variables.{name}", source=experiment.source)


def check_own_keys(keys: Collection[str], names: Names, source: str = "") -> None:
    """Raise SpecError for the first key that a file may not set: what a sweep does not have, Hydra's own settings, and
    what is no setting. A name that is no setting may be a variable."""
    parameters = any(key.lstrip("+") == PARAMETERS_OF for key in keys)
    with errors_named(source):
        if len(keys) > MOST_OVERRIDES:
            raise SpecError(f"{len(keys)} settings of a run are more than {MOST_OVERRIDES}", key="overrides")
        for key in keys:
            own, package = key_and_package(key)
            check_key(own, package)
            if not own or key.startswith("+"):  # composing reports other unknown keys, with the nearest
                check_known(own, names.texts, parameters=parameters)


def key_and_package(text: str) -> tuple[str, str | None]:
    """The key of an override without signs such as `+`, and its package, as Hydra's grammar reads them."""
    if text.isidentifier() or _PLAIN_KEY.fullmatch(text):
        return text.lstrip("+~"), None
    if "=" in text:
        raise SpecError("a key has no =", key=text)
    override = parse_override(text if text.startswith("~") else f"{text}=1")
    return override.key_or_group, override.package


def merged(experiment: Experiment, system: System) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Overrides, variables and axes of a system, including those of the whole experiment."""
    parts = ("overrides", "variables", "axes")
    overrides, variables, axes = ({**getattr(experiment, part), **getattr(system, part)} for part in parts)
    return overrides, variables, axes


def without_unused(experiment: Experiment, names: Names) -> Experiment:
    """The experiment without unused variables and without axes that are unused variables."""
    systems = []
    for system in experiment.systems:
        overrides, variables, axes = merged(experiment, system)
        used, _ = _used(overrides, variables, axes)
        kept = {name: values for name, values in axes.items() if name in used or names.is_setting(name)}
        variables = {name: value for name, value in variables.items() if name in used}
        systems.append(replace(system, axes=kept, variables=variables))
    return replace(experiment, axes={}, variables={}, systems=tuple(systems))


def work_out(variables: Mapping[str, Any], axes: Mapping[str, Any]) -> dict[str, Any]:
    """The values of all variables, which may refer to one another and to the values of `axes`; these are included.

    Raises SpecError for a variable that refers to itself.
    """
    done = dict(axes)

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            raise SpecError(f"refers to itself: {' -> '.join((*trail, name))}", key=f"variables.{name}")
        if len(trail) > MOST_STEPS:
            raise SpecError(
                f"refers to another variable, that to another, over {MOST_STEPS} times", key=f"variables.{trail[0]}"
            )
        for other in references(variables[name]):
            if other in variables and other not in done:
                visit(other, (*trail, name))
        done[name] = substitute(variables[name], done, f"variables.{name}")
        if isinstance(done[name], list | dict):
            check_size(done[name], f"variables.{name}")

    for name in variables:
        if name not in done:
            visit(name, ())
    return done


def _check_system(experiment: Experiment, system: System, names: Names) -> set[str]:
    """The variables that a system uses. Raises SpecError for a wrong name."""
    overrides, variables, axes = merged(experiment, system)
    place = f"systems.{system.name}"
    check_own_keys([*overrides, *axes], names, experiment.source)
    for name in variables:
        if names.is_setting(name):
            reason = "is a setting of the configuration; set it under overrides, or choose another name"
            raise SpecError(reason, key=f"variables.{name}", source=experiment.source)
    used, undefined = _used(overrides, variables, axes)
    for name, key in undefined.items():
        if name not in names.known:
            reason = f"${{{name}}} is not defined{choices(name, [*axes, *variables])}"
            raise SpecError(reason, key=f"{place}: {key}", source=experiment.source)
    for name in axes:
        if name not in used and not names.is_setting(name):
            _refuse_where_others_use_it(name, experiment, system)
            reason = f"neither a setting of the configuration nor used as ${{{name}}}"
            reason += near_name(name, sorted(names.known | set(axes) - {name}))
            raise SpecError(reason, key=f"{place}: axes.{name}", source=experiment.source)
    for name in system.variables:
        if name not in used:
            raise SpecError(f"is not used as ${{{name}}}", key=f"{place}.variables.{name}", source=experiment.source)
    return used


def _refuse_where_others_use_it(axis: str, experiment: Experiment, system: System) -> None:
    """Raise SpecError, which says what to do, if only other systems use an axis of the whole experiment."""
    users = [other.name for other in experiment.systems if axis in _used(*merged(experiment, other))[0]]
    if axis not in system.axes and users:
        reason = f"system {system.name} does not use ${{{axis}}}: move the axis {axis} into the systems that do"
        raise SpecError(f"{reason} ({', '.join(users)})", key=f"axes.{axis}", source=experiment.source)


def _used(
    overrides: Mapping[str, Any], variables: Mapping[str, Any], axes: Mapping[str, Any]
) -> tuple[set[str], dict[str, str]]:
    """The variables and axes that the overrides use, and the other names in `${...}`, with the keys where they are."""
    used: set[str] = set()
    others: dict[str, str] = {}
    left = [(key, name) for key, value in overrides.items() for name in references(value)]
    while left:
        key, name = left.pop()
        if name not in variables and name not in axes:
            others[name] = key
        elif name not in used:
            used.add(name)
            if name not in axes:
                left += [(f"variables.{name}", other) for other in references(variables[name])]
    return used, others


def keys_using(name: str, overrides: Mapping[str, Any], variables: Mapping[str, Any]) -> list[str]:
    """The overrides whose values depend on `${name}`, also by way of variables."""
    reached, left = {name}, [name]
    while left:
        user = left.pop()
        users = [other for other, value in variables.items() if other not in reached and user in references(value)]
        reached.update(users)
        left += users
    return [key for key, value in overrides.items() if not reached.isdisjoint(references(value))]


def near_name(name: str, known: Sequence[str]) -> str:
    """A hint at the nearest known name, empty if none is near."""
    close = nearest(name, known)
    return f"; did you mean {close!r}?" if close else ""
