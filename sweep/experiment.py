"""Experiment files: what a person writes down to say which runs to make. Read strictly.

    name: my-first
    description: Does a second H100 machine pay off?
    overrides: {performance_model: db, start_state: baseline}   # settings of every point, as Hydra knows them
    variables: {budget: 8}                                      # names for ${...}, in overrides and variables
    axes: {rate: "range(5, 21, 5)"}                             # what varies: every combination is a point
    systems:                                                    # the designs compared; each may add to all of this
      one: {overrides: {cluster.servers.1.count: 1}}
      two: {overrides: {cluster.servers.1.count: 2}}

An axis is a setting of the configuration (`seed`, `applications.0.scheduler`) or a variable, used as `${rate}`.
What a system costs can be said instead of how many machines it has: see `sweep.budget` (`budget`, `machines`) and
`sweep.design` (`design`). Another SLO than the paper's is its `slo`: limits, or the name of a file (see `sync.slo`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sim_core.errors import SpecError, choices, nearest
from sim_core.slo import PAPER, Slo
from sweep.budget import Budget, parse_budget, parse_machines
from sweep.grammar import axis_values, read_yaml
from sweep.point import project_root
from sync.slo import slo_of_experiment

EXPERIMENT_KEYS = ("name", "description", "budget", "machines", "slo", "overrides", "variables", "axes", "systems")
SYSTEM_KEYS = ("description", "design", "overrides", "variables", "axes")
DESIGN_KEYS = ("baseline", "prompt", "token")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VARIABLE_NAME = re.compile(r"[A-Za-z_]\w*")
_LETTERS = "letters of the English alphabet, digits, dots, dashes and underscores"


@dataclass(frozen=True)
class Design:
    """Which SKUs do prompts and which decodes (see `sweep.design`); a baseline's do both."""

    prompt: str
    token: str
    is_baseline: bool = False


@dataclass(frozen=True)
class System:
    """One of the designs compared. Its entries take the place of the experiment's of the same name."""

    name: str
    overrides: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    axes: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    description: str = ""
    design: Design | None = None


@dataclass(frozen=True)
class Experiment:
    """An experiment file, read. `source` names the file in errors, `text` is what it says."""

    name: str
    systems: tuple[System, ...]
    description: str = ""
    overrides: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    axes: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    source: str = ""
    text: str = ""
    budget: Budget | None = None
    machines: dict[str, dict[str, float]] = field(default_factory=dict)
    slo: Slo = PAPER


def read_experiment(path: Path) -> Experiment:
    """Read an experiment file. Raises SpecError, in one line: no such file, not YAML, unknown or missing key."""
    source = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        found = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        raise SpecError(f"no such experiment file{choices(path.name, found)}", source=source) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot be read: {error}", source=source) from error
    return parse_experiment(text, source, (path.parent, project_root() / "configs"))


def parse_experiment(text: str, source: str, folders: Sequence[Path] = ()) -> Experiment:
    """The experiment that a YAML text says; files that it names are below one of `folders`. Raises SpecError as
    `read_experiment` does."""
    with errors_named(source):
        content = _mapping(read_yaml(text, source), "the file", EXPERIMENT_KEYS)
        if content.get("name") is None:
            raise SpecError("missing; results are kept under it", key="name")
        name = _name(content["name"], "name")
        systems = _mapping(content.get("systems"), "systems")
        if not systems:
            raise SpecError("missing; name at least one system", key="systems")
        slo = slo_of_experiment(content, source, folders)
        return Experiment(
            name=name,
            description=_text(content, "description"),
            systems=tuple(_system(str(key), value) for key, value in systems.items()),
            source=source,
            text=with_limits(text, slo) if isinstance(content.get("slo"), str) else text,
            budget=parse_budget(content.get("budget")),
            slo=slo,
            machines=parse_machines(_mapping(content.get("machines"), "machines")),
            **_settings(content, ""),
        )


def with_limits(text: str, slo: Slo) -> str:
    """The experiment's text with the limits in place of the name of their file: results keep the text, and no other
    file. Raises SpecError where the name is written in a way that cannot be replaced."""
    top = yaml.compose(text, yaml.SafeLoader)
    assert isinstance(top, yaml.MappingNode)  # it was read before
    place = next(value for key, value in top.value if key.value == "slo")
    limits, begin, end = slo.as_plain(), place.start_mark.index, place.end_mark.index
    new = text[:begin] + json.dumps(limits) + text[end:]  # JSON is YAML, too
    with suppress(SpecError):
        if "\n" not in text[begin:end] and read_yaml(new, "") == {**read_yaml(text, ""), "slo": limits}:
            return new
    raise SpecError("write the name of the file plainly, such as slo: slo/mine.yaml", key="slo", value=place.value)


def same_experiment(text: str, other: str) -> bool:
    """Whether two texts of experiments ask for the same points, whatever they say of them and judge them by."""

    def points_of(written: str) -> object:
        read = read_yaml(written, "")
        return {key: value for key, value in read.items() if key not in ("description", "slo")}

    try:
        return points_of(text) == points_of(other)
    except (SpecError, AttributeError):
        return text == other


@contextmanager
def errors_named(source: str) -> Iterator[None]:
    """Within this block a SpecError that names no file names `source`."""
    try:
        yield
    except SpecError as error:
        if error.source:
            raise
        raise SpecError(error.reason, key=error.key, value=error.value, source=source) from error


def _system(name: str, raw: object) -> System:
    key = f"systems.{_name(name, 'systems')}"
    content = _mapping(raw, key, SYSTEM_KEYS)
    design = _design(content.get("design"), f"{key}.design")
    return System(name=name, description=_text(content, "description"), design=design, **_settings(content, f"{key}."))


def _design(raw: object, key: str) -> Design | None:
    if raw is None:
        return None
    content = _mapping(raw, key, DESIGN_KEYS)
    for part, sku in content.items():
        if not isinstance(sku, str) or not sku:
            raise SpecError("name a machine, such as dgx-h100", key=f"{key}.{part}", value=sku)
    match content:
        case {"baseline": sku, **rest} if not rest:
            return Design(sku, sku, is_baseline=True)
        case {"prompt": prompt, "token": token, **rest} if not rest:
            return Design(prompt, token)
    raise SpecError("say either {baseline: SKU} or {prompt: SKU, token: SKU}", key=key, value=raw)


def _name(raw: object, key: str) -> str:
    name = str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw  # 2024 is a good name too
    if not isinstance(name, str):
        raise SpecError("a name is a text: write it in quotes", key=key, value=raw)
    if not _NAME.fullmatch(name):
        reason = f"a name has {_LETTERS}, begins with a letter or digit, and is no longer than 100"
        raise SpecError(reason, key=key, value=raw)
    return name


def _settings(content: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The three parts that an experiment and a system have in common."""
    variables = _mapping(content.get("variables"), f"{prefix}variables")
    for name in variables:
        if not _VARIABLE_NAME.fullmatch(name):
            reason = "a variable's name begins with a letter of the English alphabet; digits and underscores may follow"
            raise SpecError(reason, key=f"{prefix}variables.{name}")
    axes = _mapping(content.get("axes"), f"{prefix}axes")
    return {
        "overrides": _mapping(content.get("overrides"), f"{prefix}overrides"),
        "variables": variables,
        "axes": {name: axis_values(f"{prefix}axes.{name}", raw) for name, raw in axes.items()},
    }


def _mapping(raw: object, key: str, allowed: tuple[str, ...] = ()) -> dict[str, Any]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise SpecError("expected `name: value` lines", key=key, value=raw)
    for name in raw:
        if allowed and name not in allowed:
            place = "" if key == "the file" else f"{key}."
            is_setting = "overrides" in allowed and ("." in str(name) or nearest(name, allowed) is None)
            hint = "; a run's settings go below overrides:" if is_setting else ""
            raise SpecError(f"unknown key{choices(name, allowed)}{hint}", key=f"{place}{name}")
    return {str(name): value for name, value in raw.items()}


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key) or ""
    if not isinstance(value, str):
        raise SpecError("expected a text", key=key, value=value)
    return " ".join(value.split())
