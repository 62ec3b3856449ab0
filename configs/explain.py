"""Explains in one line why overrides cannot be composed. It may be slow: it runs only after an error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from omegaconf import Container, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException, UnsupportedInterpolationType

from configs.groups import check_choice, group_options
from sim_core.errors import MOST_SHOWN, SpecError, nearest, one_line


def explain(error: Exception, overrides: Sequence[str], loader: ConfigLoader, base: DictConfig | None) -> SpecError:
    """The error to show instead of Hydra's own. `base` is the configuration with only the choices of groups applied;
    None if these cannot be composed."""
    parser = OverridesParser.create(config_loader=loader)
    for text in overrides:
        if "=" not in text and not text.startswith("~"):
            return SpecError(f"cannot read the override {_short(text)}: write it as key=value")
        try:
            override = parser.parse_override(text)
        except Exception as cause:  # Hydra answers odd input with exceptions of any kind
            return SpecError(f"cannot read the override {_short(text)}: {one_line(_one_line(cause), MOST_SHOWN)}")
        if not override.key_or_group:
            return SpecError(f"cannot read the override {_short(text)}: it has no key")
        problem = _group_problem(override, loader) or (base is not None and _key_problem(override, base, loader))
        if problem:
            return problem
    if any(isinstance(cause, RecursionError) for cause in _causes(error)):
        return SpecError("a value has too many levels of lists and mappings, or of references")
    placed = (e for e in _causes(error) if isinstance(e, OmegaConfBaseException) and e.full_key)
    first = next(placed, None)
    return unresolved(first) if first else SpecError(_one_line(error))


def unresolved(error: OmegaConfBaseException | RecursionError) -> SpecError:
    """The error to show instead of OmegaConf's own, about a value or its interpolation."""
    if any(isinstance(cause, RecursionError) for cause in _causes(error)):
        return SpecError("references ${...} lead to references, and on, too many times")
    assert isinstance(error, OmegaConfBaseException)
    key = (error.full_key or "").replace("[", ".").replace("]", "")
    if isinstance(error, ConfigKeyError | ConfigAttributeError):
        return SpecError("unknown key", key=key)
    if isinstance(error, UnsupportedInterpolationType):
        name = (str(error.msg).splitlines() or [""])[0].rpartition(" ")[2]
        reason = f"${{{name}:...}} is not read here; ${{...}} names a setting or a variable, or is ${{eval:'...'}}"
        return SpecError(reason, key=key)
    reasons = (cause.reason for cause in _causes(error) if isinstance(cause, SpecError))
    return SpecError(next(reasons, None) or str(error.msg or error).splitlines()[0], key=key)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _group_problem(override: Override, loader: ConfigLoader) -> SpecError | None:
    if override.is_sweep_override():
        return SpecError("one value is needed here, not several", key=override.key_or_group, value=_text(override))
    options = group_options(loader, override.key_or_group)
    if not options or override.is_delete():
        return None
    try:
        check_choice(override, options)
    except SpecError as problem:
        return problem
    value = override.value()
    if not isinstance(value, str | dict):
        reason = f"a group takes the name of one of its files (one of: {', '.join(options)})"
        return SpecError(reason, key=override.key_or_group, value=value)
    return None


def _key_problem(override: Override, base: DictConfig, loader: ConfigLoader) -> SpecError | None:
    key = override.key_or_group
    adds = override.is_add() or override.is_force_add()
    problem = _list_problem(override, base, loader) if adds or override.is_delete() else None
    if adds or problem:
        return problem
    if key.split(".")[0] == "hydra":
        return None
    if group_options(loader, key):
        return None
    known = list(flat_keys(base))
    if key in known:
        return None
    parent = key
    while parent and parent not in known:
        parent = parent.rpartition(".")[0]
    children = _children(OmegaConf.select(base, parent)) if parent else []
    close = _closest(key, parent, children, known + [group for group in loader.list_groups("") if group != "hydra"])
    hint = f"; did you mean {close!r}?" if close else ""
    inside = f" ({parent} has: {', '.join(children)})" if children else ""
    return SpecError(f"unknown key{hint}{inside}", key=key, value=_text(override))


def _list_problem(override: Override, base: DictConfig, loader: ConfigLoader) -> SpecError | None:
    """The error for an override that adds an entry to a list or removes one, which Hydra's grammar cannot do."""
    parts = override.key_or_group.split(".")
    for place in range(1, len(parts)):
        path = ".".join(parts[:place])
        node = OmegaConf.select(base, path)
        is_last = place == len(parts) - 1
        if isinstance(node, ListConfig) and (is_last if override.is_delete() else parts[place] not in _children(node)):
            options = group_options(loader, path)
            remedy = f"choose {path}={' or '.join(options)}" if options else f"give all of it, {path}=[...]"
            rule = "~ takes no entry from a list" if override.is_delete() else "+ adds no entry to a list"
            reason = f"{rule} ({path} has: {', '.join(_children(node))}); {remedy}"
            return SpecError(reason, key=override.key_or_group, value=_text(override))
    return None


def _closest(key: str, parent: str, children: list[str], names: list[str]) -> str | None:
    """The key that was most likely meant, None if none is near. Long keys with the same beginning all look alike, so
    within `parent` only the last names are compared, and elsewhere only keys with the same last name."""
    if not parent:
        return nearest(key, names)
    sibling = nearest(key.removeprefix(f"{parent}."), children)
    if sibling:
        return f"{parent}.{sibling}"
    last = key.rpartition(".")[2]
    return nearest(key, [name for name in names if name.rpartition(".")[2] == last])


def flat_keys(node: Container, prefix: str = "") -> Iterator[str]:
    """Every dotted key of a configuration, including containers; list items have their index."""
    for name in _children(node):
        yield f"{prefix}{name}"
        child: Any = node._get_node(int(name) if isinstance(node, ListConfig) else name)
        if isinstance(child, DictConfig | ListConfig) and not (child._is_none() or child._is_missing()):
            yield from flat_keys(child, f"{prefix}{name}.")


def _children(node: object) -> list[str]:
    if isinstance(node, DictConfig):
        return [str(name) for name in node]
    return [str(index) for index in range(len(node))] if isinstance(node, ListConfig) else []


def _text(override: Override) -> str | None:
    _, equals, text = (override.input_line or "").partition("=")
    value = override.value() if equals else None
    return value.text if isinstance(value, QuotedString) else text if equals else None


def _short(text: str) -> str:
    return one_line(repr(text), MOST_SHOWN)


def _one_line(error: BaseException) -> str:
    """The message without line breaks, links and the list of search paths."""
    text = str(error).partition("Config search path:")[0]
    lines = [line.strip() for line in text.splitlines()]
    return " ".join(line for line in lines if line and not line.startswith("See http")) or type(error).__name__
