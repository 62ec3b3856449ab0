"""The resolved configurations of many points: composed once, then only the values patched in that differ."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from configs.compose import Composer

_LEAF_KEY = re.compile(r"[A-Za-z_]\w*(\.\w+)+|seed", re.ASCII)
_WORD = re.compile(r"\w+")
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")


class Resolver:
    """`Composer.resolved`, many times faster for points that differ in plain values only.

    What it returns is equal but shared: the parts in which two points are the same are the same objects, so
    nobody may change them, and whoever works something out from a part can keep it under the part's id.
    """

    def __init__(self, composer: Composer) -> None:
        self._composer = composer
        self._templates: dict[tuple[str, ...], _Template | None] = {}

    def resolved(self, settings: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
        """The configuration with `settings` applied; `overrides` are the same as texts. SpecError as `compose`."""
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
    """A configuration, composed and resolved, in which other values can take the place of some."""

    def __init__(self, cfg: DictConfig, config: dict[str, Any]) -> None:
        self._config = config
        raw = OmegaConf.to_container(cfg, resolve=False)
        assert isinstance(raw, dict)
        self._raw = {str(name): value for name, value in raw.items() if name in config}
        self._texts = {name: list(_interpolations(value)) for name, value in self._raw.items()}
        self._resolved_anew: set[str] = set()
        self._sections: dict[tuple[Any, ...], Any] = {}

    def takes(self, values: Mapping[str, Any]) -> bool:
        """Whether setting these keys changes nothing else: what stands there is the very value that was set, and
        nothing refers to it, but perhaps its own section, which then refers to nothing but itself."""
        for key, value in values.items():
            section, *path = key.split(".")
            there = _at(self._config.get(section), path)
            if type(there) is not type(value) or there != value:
                return False
            if self._refer(set(self._texts) - {section}, key):
                return False
            if self._refer({section}, key):
                inside = re.compile(r"([^$]|\$\{" + re.escape(section) + r"\.[\w.]+\})*")
                if not all(inside.fullmatch(text) for text in self._texts[section]):
                    return False
                self._resolved_anew.add(section)
        return True

    def _refer(self, sections: Iterable[str], key: str) -> bool:
        """Whether the interpolations in some sections may refer to a key: they have a word of it, or are relative."""
        texts = [text for section in sections for text in self._texts[section]]
        relative = any("${." in text for text in texts)
        return relative or not set(key.split(".")).isdisjoint(_WORD.findall(" ".join(texts)))

    def with_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration with these values; sections with the same ones are the same object."""
        changes: dict[str, list[tuple[str, type, Any]]] = {}
        for key, value in values.items():
            changes.setdefault(key.split(".", 1)[0], []).append((key, type(value), value))
        config = dict(self._config)
        for section, changed in changes.items():
            known = (section, *changed)
            if known not in self._sections:
                self._sections[known] = self._section(section, changed)
            config[section] = self._sections[known]
        return config

    def _section(self, section: str, changed: Sequence[tuple[str, type, Any]]) -> Any:
        anew = section in self._resolved_anew
        made = self._raw[section] if anew else self._config[section]
        for key, _, value in changed:
            made = _patched(made, key.split(".")[1:], value)
        if not anew:
            return made
        with contextlib.suppress(_NotPlain):
            return _with_references(made, section, made)
        return OmegaConf.to_container(OmegaConf.create({section: made})[section], resolve=True)


class _NotPlain(Exception):
    """Only OmegaConf knows what a reference comes to."""


def _with_references(node: Any, section: str, top: Any) -> Any:
    """`node` with `${section.key}` replaced where that is a text or a whole number, as OmegaConf does, many times as
    fast. Raises _NotPlain for any other."""
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
        raise _NotPlain  # its value, of whatever type
    text = _REFERENCE.sub(text_at, node)
    if "$" in text or "\\" in text:
        raise _NotPlain
    return text


def _is_leaf(key: str, value: object) -> bool:
    """Whether a setting can be one plain value in its place, as far as it alone shows."""
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
    """A copy of `node` with another value at `path`, sharing with it whatever is not on the way there."""
    if not path:
        return value
    copy = node.copy()
    place: Any = int(path[0]) if isinstance(copy, list) else path[0]
    copy[place] = _patched(copy[place], path[1:], value)
    return copy
