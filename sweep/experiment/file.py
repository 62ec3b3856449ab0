"""Reads experiment files, in which a person says which runs to make. Unknown keys are errors.

    name: my-first
    description: Does a second H100 machine pay off?
    overrides: {performance_model: db, start_state: baseline}   # settings of every point, as Hydra knows them
    variables: {budget: 8}                                      # names for ${...}, in overrides and variables
    axes: {rate: "range(5, 21, 5)"}                             # what varies: every combination is a point
    systems:                                                    # the designs to compare; each may add to the above
      one: {overrides: {cluster.servers.1.count: 1}}
      two: {overrides: {cluster.servers.1.count: 2}}

An axis is a setting of the configuration (`seed`, `applications.0.scheduler`) or a variable, used as `${rate}`.
Instead of numbers of machines, an experiment can have a `budget` (see `sweep.experiment.budget`, also for `machines`)
and a system a `design` (see `sweep.experiment.design`). `slo` sets other limits than the paper's, or names a file of
limits (see `sync.results.slo_file`). With `find` the experiment is no grid: it asks for the highest rate or the
cheapest cluster, which a search finds (see `sweep.experiment.question`). `plugins` names files with policies of a
user's own (see `sweep.experiment.plugins`).
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

from configs.bounded import read_text as read_file_text
from configs.compose import CONFIG_DIR
from configs.names import check_value
from configs.texts import TextSettings
from sim_core.errors import SpecError, choices, nearest
from sim_core.spec import PluginSpec
from sweep.experiment.budget import Budget, parse_budget, parse_machines
from sweep.experiment.grammar import axis_values
from sweep.experiment.point import project_root
from sweep.experiment.question import MEASURES, Question, parse_question
from sweep.experiment.written import YamlText, noted, read_text, texts_in
from sync.results.slo import PAPER, Slo
from sync.results.slo_file import slo_of_experiment

EXPERIMENT_KEYS = (
    *("name", "description", "plugins", "find", "budget", "machines", "slo"),
    *("overrides", "variables", "axes", "systems"),
)
SYSTEM_KEYS = ("description", "design", "overrides", "variables", "axes")
DESIGN_KEYS = ("baseline", "prompt", "token")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VARIABLE_NAME = re.compile(r"[A-Za-z_]\w*")
_LETTERS = "letters of the English alphabet, digits, dots, dashes and underscores"


@dataclass(frozen=True)
class Design:
    """The SKUs of prompt and of token machines (see `sweep.experiment.design`); in a baseline they are the same."""

    prompt: str
    token: str
    is_baseline: bool = False


@dataclass(frozen=True)
class System:
    """One of the designs to compare. Its entries replace the experiment's entries of the same name."""

    name: str
    overrides: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    axes: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    description: str = ""
    design: Design | None = None


@dataclass(frozen=True)
class Experiment:
    """What an experiment file says. `source` names the file in errors, `text` is its content; files that it names may
    be below one of `folders`, besides the project; None: anywhere. `find` is what a search is to find; None: the
    experiment is a grid. `plugin_files` are the files that it names under `plugins`, and `plugins` those that were
    loaded, by path: reading an experiment runs no code."""

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
    find: Question | None = None
    folders: tuple[Path, ...] | None = None
    plugin_files: tuple[str, ...] = ()
    plugins: Mapping[str, PluginSpec] = field(default_factory=dict)


def read_experiment(path: Path) -> Experiment:
    """Read an experiment file. Raises SpecError for a missing file, bad YAML, and an unknown, missing or bad entry."""
    source = str(path)
    try:
        text = read_file_text(path, source)
    except FileNotFoundError as error:
        files = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        raise SpecError(f"no such experiment file{choices(path.name, files)}", source=source) from error
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        raise SpecError(f"cannot be read: {getattr(error, 'strerror', None) or error}", source=source) from error
    return parse_experiment(text, source, (path.parent, project_root() / "configs"))


def parse_experiment(text: str, source: str, folders: Sequence[Path] | None = None) -> Experiment:
    """The experiment in a YAML text; files that it names are below one of `folders`, or the project. Without `folders`
    the text is the caller's own, and its settings may name any file. Raises SpecError as `read_experiment` does."""
    with errors_named(source):
        both = read_text(text, source)
        content = _mapping(both.values, "the file", EXPERIMENT_KEYS)
        if content.get("name") is None:
            raise SpecError("missing; results are kept under it", key="name")
        name = _name(content["name"], "name", both.written["name"])
        systems = _mapping(content.get("systems"), "systems")
        if not systems:
            raise SpecError("missing; name at least one system", key="systems")
        limits = content.get("slo")
        slo = slo_of_experiment(content, source, folders or ())
        texts = TextSettings(CONFIG_DIR)
        return Experiment(
            name=name,
            description=_text(both, "description"),
            systems=tuple(_system(key, _part(_part(both, "systems"), key), texts) for key in systems),
            source=source,
            text=with_limits(text, slo) if isinstance(limits, str) else text,
            budget=parse_budget(content.get("budget")),
            slo=slo,
            find=parse_question(content.get("find")),
            folders=None if folders is None else tuple(folders),
            plugin_files=_plugin_files(content.get("plugins")),
            machines=parse_machines(_mapping(content.get("machines"), "machines")),
            **_settings(both, "", texts),
        )


def with_limits(text: str, slo: Slo) -> str:
    """The experiment's text with the limits in place of the name of their file, since results keep only this text.
    Raises SpecError if the name is written in a way that cannot be replaced."""
    top = yaml.compose(text, yaml.SafeLoader)
    assert isinstance(top, yaml.MappingNode)  # it was read before
    place = next(value for key, value in top.value if key.value == "slo")
    limits, begin, end = slo.as_plain(), place.start_mark.index, place.end_mark.index
    new = text[:begin] + json.dumps(limits) + text[end:]  # JSON is YAML, too
    with suppress(SpecError):
        if "\n" not in text[begin:end] and read_text(new, "").values == {**read_text(text, "").values, "slo": limits}:
            return new
    raise SpecError("write the name of the file plainly, such as slo: slo/mine.yaml", key="slo", value=place.value)


def same_experiment(text: str, other: str) -> bool:
    """Whether two texts of experiments ask for the same points, perhaps with another description or SLO. Questions for
    the same measure do, however sure and narrow their answers are to be: a finer search goes on from a coarser one."""

    def grid(content: str) -> object:
        read = read_text(content, "")
        trees = []
        for tree in (read.values, read.written):
            kept = {key: value for key, value in tree.items() if key not in ("description", "slo")}
            if isinstance(find := kept.get("find"), dict):
                kept["find"] = {key: value for key, value in find.items() if key in MEASURES}
            trees.append(kept)
        return trees

    try:
        return grid(text) == grid(other)
    except (SpecError, AttributeError):
        return text == other


@contextmanager
def errors_named(source: str) -> Iterator[None]:
    """Within this block a SpecError without a source gets this one."""
    try:
        yield
    except SpecError as error:
        if error.source:
            raise
        raise SpecError(error.reason, key=error.key, value=error.value, source=source) from error


def _system(name: str, raw: YamlText, texts: TextSettings) -> System:
    key = f"systems.{_name(name, 'systems', name)}"
    content = _mapping(raw.values, key, SYSTEM_KEYS)
    raw = YamlText(content, raw.written if content else {})
    design = _design(_part(raw, "design"), f"{key}.design")
    description = _text(raw, "description")
    return System(name=name, description=description, design=design, **_settings(raw, f"{key}.", texts))


def _design(raw: YamlText, key: str) -> Design | None:
    if raw.values is None:
        return None
    _mapping(raw.values, key, DESIGN_KEYS)
    for part, sku in raw.values.items():
        if not isinstance(sku, str) or not sku:
            reason = "name a machine, such as dgx-h100 (a name that looks like a number, in quotes)"
            raise SpecError(reason, key=f"{key}.{part}", value=raw.written[part])
    match raw.values:
        case {"baseline": sku, **rest} if not rest:
            return Design(sku, sku, is_baseline=True)
        case {"prompt": prompt, "token": token, **rest} if not rest:
            return Design(prompt, token)
    raise SpecError("say either {baseline: SKU} or {prompt: SKU, token: SKU}", key=key, value=raw.values)


def _plugin_files(raw: object) -> tuple[str, ...]:
    names = [] if raw is None else raw
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise SpecError("expected a list of files, such as [my_policy.py]", key="plugins", value=raw)
    check_value(names, "plugins")
    return tuple(names)


def _part(raw: YamlText, key: str) -> YamlText:
    """The value of a key, None if it is missing."""
    if raw.values is None or key not in raw.values:
        return YamlText(None, None)
    return YamlText(raw.values[key], raw.written[key])


def _name(raw: object, key: str, written: str) -> str:
    if isinstance(raw, bool) or not isinstance(raw, int | str):
        shown = written if isinstance(raw, float) and repr(raw) != written else raw
        raise SpecError("a name is a text: write it in quotes", key=key, value=shown)
    if not _NAME.fullmatch(written):
        reason = f"a name has {_LETTERS}, begins with a letter or digit, and is no longer than 100"
        raise SpecError(reason, key=key, value=written)
    return written


def _settings(raw: YamlText, prefix: str, texts: TextSettings) -> dict[str, Any]:
    """The overrides, variables and axes of an experiment or a system."""
    parts = {name: _part(raw, name) for name in ("overrides", "variables", "axes")}
    content = {name: _mapping(part.values, f"{prefix}{name}") for name, part in parts.items()}
    for name in content["variables"]:
        if not _VARIABLE_NAME.fullmatch(name):
            reason = "a variable's name begins with a letter of the English alphabet; digits and underscores may follow"
            raise SpecError(reason, key=f"{prefix}variables.{name}")
    written = {name: part.written for name, part in parts.items()}
    return {
        "overrides": {
            name: value if name.startswith("~") else texts_in(name, value, written["overrides"][name], texts.is_text)
            for name, value in content["overrides"].items()
        },
        "variables": {name: noted(value, written["variables"][name]) for name, value in content["variables"].items()},
        "axes": {
            name: axis_values(f"{prefix}axes.{name}", name, value, written["axes"][name], texts)
            for name, value in content["axes"].items()
        },
    }


def _mapping(raw: object, key: str, allowed: tuple[str, ...] = ()) -> dict[str, Any]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise SpecError("expected `name: value` lines", key=key, value=raw)
    for name in raw:
        if allowed and name not in allowed:
            place = "" if key == "the file" else f"{key}."
            is_setting = "overrides" in allowed and TextSettings(CONFIG_DIR).is_setting(name)
            if is_setting or ("overrides" in allowed and ("." in name or nearest(name, allowed) is None)):
                hint = f"; did you mean to put {name} below overrides:?" if is_setting else ""
                reason = f"unknown key{hint} (one of: {', '.join(allowed)}); a run's settings go below overrides:"
                raise SpecError(reason, key=f"{place}{name}")
            raise SpecError(f"unknown key{choices(name, allowed)}", key=f"{place}{name}")
    return dict(raw)


def _text(raw: YamlText, key: str) -> str:
    part = _part(raw, key)
    if isinstance(part.values, dict | list):
        raise SpecError("expected a text", key=key, value=part.values)
    return "" if part.values is None else " ".join(part.written.split())
