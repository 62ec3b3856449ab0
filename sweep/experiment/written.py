"""Reads YAML so that the text of every value is known, too.

`2024_05_10`, `1e3` and `true` are good names of traces and systems, though YAML reads numbers or a truth value. Only
the reader of a value knows whether it is a name, so value and text are both kept; keys are always names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from math import inf
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from configs.bounded import SIGNS, check_keys, check_tag, composed, flattened
from sim_core.errors import SpecError

MOST_BITS = 1023  # of a whole number, which a float can still hold
_DIGITS = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_NUMBER = re.compile(r"[\w.+-]+")


class WrittenInt(int):
    """A whole number that is not written as Python writes it, such as 2024_05_10."""

    written: str
    in_quotes: bool


class WrittenFloat(float):
    """A number that is not written as Python writes it, such as 1e3 or 0.50."""

    written: str
    in_quotes: bool


@dataclass(frozen=True)
class YamlText:
    """Two trees of one shape: `values`, and `written`, in which every scalar is its text."""

    values: Any
    written: Any


def read_text(text: str, source: str) -> YamlText:
    """Read a YAML text; `${...}` stays as it is. Raises SpecError for bad YAML, a key that occurs twice, and what is
    beyond a limit of `sim_core.limits`."""
    loader, node = composed(text, source)
    if node is None:
        return YamlText({}, {})
    try:
        return _Reader(loader, source).read(node)
    finally:
        loader.dispose()


def noted(value: Any, written: Any, *, in_quotes: bool = False) -> Any:
    """`value`; a number remembers how it is written if Python would write it otherwise, and whether it is `in_quotes`,
    which allows it to be used as a text."""
    if isinstance(value, bool | str) or not isinstance(value, int | float) or not isinstance(written, str):
        return value
    written = written.strip()
    if written == repr(plain(value)):
        return value
    if not _NUMBER.fullmatch(written):  # the call of a function
        return value
    number = WrittenInt(value) if isinstance(value, int) else WrittenFloat(value)
    number.written, number.in_quotes = written, in_quotes
    return number


def plain(value: Any) -> Any:
    """The value, without how it is written."""
    if isinstance(value, WrittenInt):
        return int(value)
    if isinstance(value, WrittenFloat):
        return float(value)
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def as_text(value: object, name: str, key: str) -> str:
    """The text of the variable `name` in the setting `key`. Raises SpecError if its text is not known."""
    if isinstance(value, str):
        return value
    if isinstance(value, WrittenInt | WrittenFloat) and (value.in_quotes or _DIGITS.fullmatch(value.written)):
        return value.written
    if isinstance(value, WrittenInt | WrittenFloat) and -inf < value < inf:
        digits = f"{Decimal(repr(plain(value))):f}".removesuffix(".0")
        reading = f"{name} is written {value.written} and read as the number {digits}"
        reason = f"{reading}: write it so, or in quotes if it is a name"
        raise SpecError(reason, key=key, value=f"${{{name}}}")
    if isinstance(value, int | float) and not isinstance(value, bool) and -inf < value < inf:
        return str(value)
    reason = f"{name} is read as {shown(value)}, which is no name: write it in quotes"
    raise SpecError(reason, key=key, value=f"${{{name}}}")


def texts_in(key: str, value: Any, written: Any, is_text: Callable[[str], bool]) -> Any:
    """The value of a setting; the values of keys that are texts, by `is_text`, are as they are written."""
    if isinstance(value, dict):
        return {name: texts_in(f"{key}.{name}", item, written[name], is_text) for name, item in value.items()}
    if isinstance(value, list):
        return [texts_in(f"{key}.{place}", item, written[place], is_text) for place, item in enumerate(value)]
    return value if isinstance(value, str) or not is_text(key) else written


def shown(value: object) -> str:
    """A value as YAML writes it, for a message."""
    if value is None or isinstance(value, bool):
        return "no value" if value is None else str(value).lower()
    return repr(value)


def first_line(error: object) -> str:
    """The first line of an error's message that is not empty, nor a link to Hydra's site."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and "hydra.cc" not in line]
    return lines[0] if lines else type(error).__name__


class _Reader:
    """Makes both trees of a node. Raises SpecError."""

    def __init__(self, loader: Any, source: str) -> None:
        self._loader = loader
        self._source = source
        self._checked: set[str] = set()  # texts whose references have been looked at

    def read(self, node: yaml.Node) -> YamlText:
        """The trees of a node."""
        check_tag(node, self._source)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode):
            parts = [self.read(item) for item in node.value]
            return YamlText([part.values for part in parts], [part.written for part in parts])
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode) -> YamlText:
        check_keys(node, self._source)
        flattened(self._loader, node, self._source)
        parts = {key.value: self.read(value) for key, value in node.value}
        values = {name: part.values for name, part in parts.items()}
        return YamlText(values, {name: part.written for name, part in parts.items()})

    def _scalar(self, node: yaml.ScalarNode) -> YamlText:
        text = str(node.value)
        if node.tag in SIGNS or node.tag.endswith(":str"):
            if "${" in text and text not in self._checked:
                self._check_references(text, node)
            return YamlText(text, text)
        try:
            value = self._loader.construct_object(node)
        except (ValueError, KeyError, AttributeError):  # !!int x; a number too long for Python
            value = text
        if isinstance(value, int) and value.bit_length() > MOST_BITS:
            value = text  # and so an error where a number is needed
        return YamlText(value, text)

    def _check_references(self, text: str, node: yaml.Node) -> None:
        try:
            OmegaConf.create({"text": text})
        except OmegaConfBaseException as error:
            raise self._error(first_line(error), node) from error
        self._checked.add(text)

    def _error(self, reason: str, node: yaml.Node) -> SpecError:
        line = f", line {node.start_mark.line + 1}" if node.start_mark else ""
        return SpecError(f"cannot be read: {reason}", source=f"{self._source}{line}")
