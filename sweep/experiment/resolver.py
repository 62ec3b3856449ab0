"""Resolves the configurations of many points: composes one of them, and patches the values that differ."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from configs.compose import Composer
from configs.resolvers import only_our_resolvers

_LEAF_KEY = re.compile(r"[A-Za-z_]\w*(\.\w+)+|seed", re.ASCII)
_WORD = re.compile(r"\w+")
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")


class Resolver:
    """`Composer.resolved`, many times faster for points that differ in plain values only.

    The configurations share objects: parts in which two points are equal are the same object. So they must not be
    changed, and results that depend on a part can be cached by its id.
    """

    def __init__(self, composer: Composer) -> None:
        self._composer = composer
        self._templates: dict[tuple[str, ...], _Template | None] = {}

    def resolved(self, settings: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
        """The configuration with `settings`; `overrides` are the same as texts. Raises SpecError as `compose` does."""
        values = {key: value for key, value in settings.items() if _is_leaf(key, value)}
        shape = tuple(key if key in values else text for key, text in zip(settings, overrides, strict=True))
        template = self._templates.get(shape)
        if template is not None:
            return template.with_values(values)
        cfg = self._composer.compose(overrides)
        config = self._composer.resolve(cfg)
        if shape not in self._templates:
            template = _Template(cfg, config)
            self._templates[shape] = template if template.takes(values) else None
        return config


class _Template:
    """A resolved configuration in which some values can be replaced."""

    def __init__(self, cfg: DictConfig, config: dict[str, Any]) -> None:
        self._config = config
        raw = OmegaConf.to_container(cfg, resolve=False)
        assert isinstance(raw, dict)
        self._raw = {str(name): value for name, value in raw.items() if name in config}
        self._texts = {name: list(_interpolations(value)) for name, value in self._raw.items()}
        self._self_referring: set[str] = set()
        self._sections: dict[tuple[Any, ...], Any] = {}

    def takes(self, values: Mapping[str, Any]) -> bool:
        """True if these keys can be patched without composing again: each holds exactly the value that was set, and no
        interpolation refers to it, except in a section that refers to nothing but itself."""
        for key, value in values.items():
            section, *path = key.split(".")
            current = _at(self._config.get(section), path)
            if type(current) is not type(value) or current != value:
                return False
            if self._refer(set(self._texts) - {section}, key):
                return False
            if self._refer({section}, key):
                inside = re.compile(r"([^$]|\$\{" + re.escape(section) + r"\.[\w.]+\})*")
                if not all(inside.fullmatch(text) for text in self._texts[section]):
                    return False
                self._self_referring.add(section)
        return True

    def _refer(self, sections: Iterable[str], key: str) -> bool:
        """Whether interpolations in these sections may refer to a key: they contain a word of it, or are relative."""
        texts = [text for section in sections for text in self._texts[section]]
        relative = any("${." in text for text in texts)
        return relative or not set(key.split(".")).isdisjoint(_WORD.findall(" ".join(texts)))

    def with_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration with these values; sections with equal values are the same object."""
        changes: dict[str, list[tuple[str, type, Any]]] = {}
        for key, value in values.items():
            changes.setdefault(key.split(".", 1)[0], []).append((key, type(value), value))
        config = dict(self._config)
        for section, changed in changes.items():
            cache_key = (section, *changed)
            if cache_key not in self._sections:
                self._sections[cache_key] = self._section(section, changed)
            config[section] = self._sections[cache_key]
        return config

    def _section(self, section: str, changed: Sequence[tuple[str, type, Any]]) -> Any:
        refers_to_itself = section in self._self_referring
        patched = self._raw[section] if refers_to_itself else self._config[section]
        for key, _, value in changed:
            patched = _patched(patched, key.split(".")[1:], value)
        if not refers_to_itself:
            return patched
        with contextlib.suppress(_NotPlain):
            return _with_references(patched, section, patched)
        with only_our_resolvers():
            return OmegaConf.to_container(OmegaConf.create({section: patched})[section], resolve=True)


class _NotPlain(Exception):
    """Only OmegaConf can resolve a reference."""


def _with_references(node: Any, section: str, top: Any) -> Any:
    """`node` with every `${section.key}` inside a text replaced by that text or whole number: as OmegaConf does, but 70
    times as fast. Raises _NotPlain for any other reference."""
    if isinstance(node, dict):
        return {name: _with_references(value, section, top) for name, value in node.items()}
    if isinstance(node, list):
        return [_with_references(value, section, top) for value in node]
    if not isinstance(node, str) or "$" not in node:
        return node

    def text_at(found: re.Match[str]) -> str:
        value = _at(top, found[1].split(".")[1:])
        if isinstance(value, bool) or not isinstance(value, int | str) or "$" in str(value):
            raise _NotPlain
        return str(value)

    if _REFERENCE.fullmatch(node):
        raise _NotPlain  # the value may be of any type
    text = _REFERENCE.sub(text_at, node)
    if "$" in text or "\\" in text:
        raise _NotPlain
    return text


def _is_leaf(key: str, value: object) -> bool:
    """Whether a setting is one plain value, as far as it can be seen without the configuration."""
    plain = isinstance(value, int | float) or (isinstance(value, str) and "$" not in value and value != "???")
    return plain and _LEAF_KEY.fullmatch(key) is not None


def _interpolations(node: object) -> Iterator[str]:
    if isinstance(node, str):
        if "${" in node:
            yield node
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from _interpolations(value)
    elif isinstance(node, list):
        for value in node:
            yield from _interpolations(value)


def _at(node: Any, path: Sequence[str]) -> Any:
    for name in path:
        if isinstance(node, list):
            node = node[int(name)] if name.isdecimal() and int(name) < len(node) else None
        else:
            node = node.get(name) if isinstance(node, Mapping) else None
    return node


def _patched(node: Any, path: Sequence[str], value: object) -> Any:
    """A copy of `node` with another value at `path`; it shares with `node` everything that is not on this path."""
    if not path:
        return value
    copy = node.copy()
    place: Any = int(path[0]) if isinstance(copy, list) else path[0]
    copy[place] = _patched(copy[place], path[1:], value)
    return copy
