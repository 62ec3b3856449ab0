"""Reads YAML and JSON of unknown origin: limited in size, depth, references and digits, without code or tags.

A few lines of YAML can stand for more values than memory holds, or nest deeper than Python's stack. Its limits are
checked on the parser's events, before anything is made of them. `sim_core.limits` has the limits.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sim_core.errors import SpecError, one_line
from sim_core.limits import Limits, limits
from sim_core.regular_file import read_bytes

YAML_TAG = "tag:yaml.org,2002:"
KINDS = frozenset(f"{YAML_TAG}{kind}" for kind in ("null", "bool", "int", "float", "str", "seq", "map"))
SIGNS = (f"{YAML_TAG}value", f"{YAML_TAG}merge")  # = and <<, which are texts if they are values
MOST_QUOTED = 60  # characters of a key in a message
_COUNTED = {"json_lists": ("[{", "lists and mappings"), "json_values": (",", "values")}  # by limit: signs, and words
_LEVELS = "levels of lists and mappings"
_NUMBERS = (f"{YAML_TAG}int", f"{YAML_TAG}float")
_TAG_LINE = re.compile(r"^%TAG\b", re.MULTILINE)
_NUMBER = re.compile(r"[-+.0-9][-+.:_0-9a-fA-FxXoO]*")


def read_text(path: Path, source: str, limit: str = "yaml_bytes") -> str:
    """The text of a regular file in UTF-8. Raises OSError for a file that cannot be opened, is too large or is no
    regular file, and SpecError for bytes that are no UTF-8."""
    content = read_bytes(path, limit)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte, place = error.object[error.start], error.start
        raise SpecError(
            f"cannot be read: it is no text in UTF-8 (byte 0x{byte:02x} at place {place})", source=source
        ) from error


def read_bounded(path: Path, source: str, limit: str = "yaml_bytes") -> str:
    """As `read_text`, but every failure is a SpecError of one line that names `source`."""
    try:
        return read_text(path, source, limit)
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        raise SpecError(f"cannot be read: {getattr(error, 'strerror', None) or error}", source=source) from error


def read_yaml(path: Path, source: str, *, references: bool = True) -> Any:
    """The values in a YAML file. Raises SpecError as `read_bounded` and `parse_yaml`."""
    return parse_yaml(read_bounded(path, source), source, references=references)


def read_json(path: Path, source: str) -> Any:
    """The values in a JSON file. Raises SpecError as `read_bounded` and `parse_json`."""
    return parse_json(read_bounded(path, source, "json_bytes"), source)


def parse_yaml(text: str, source: str, *, references: bool = True) -> Any:
    """The values in a YAML text: texts, numbers, truth values, lists and mappings; dates are texts.

    Raises SpecError for a text that is no YAML, a tag, a key that occurs twice, what is beyond a limit, and without
    `references` for any reference (*) to an anchor.
    """
    loader, node = composed(text, source, references=references)
    if node is None:
        return None
    try:
        return _Values(loader, source).of(node)
    finally:
        loader.dispose()


def composed(text: str, source: str, *, references: bool = True) -> tuple[Any, yaml.Node | None]:
    """A loader and the node of a YAML text (None if it is empty), within all limits. Raises SpecError."""
    try:
        if len(text) > limits().yaml_bytes:
            reason = limits().too_much("yaml_bytes", len(text), "characters")
            raise SpecError(f"cannot be read: {reason}", source=source)
        if _TAG_LINE.search(text):  # reading many of them takes time that grows with the square of their number
            raise SpecError("cannot be read: %TAG has no meaning here", source=source)
        _check_events(text, source, references)
        loader: Any = _loader_class()(text)
        return loader, loader.get_single_node()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{source}, line {mark.line + 1}" if mark else source
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or " ".join(str(error).split())
        raise SpecError(f"not YAML: {reason}", source=place) from error
    except UnicodeEncodeError as error:  # half of a pair of characters, from JSON's \ud800
        raise SpecError("not YAML: it holds half of a surrogate pair", source=source) from error
    except RecursionError as error:  # only where the limit of levels was raised above Python's
        raise SpecError("cannot be read: it nests more deeply than this Python can", source=source) from error


def parse_json(text: str | bytes, source: str) -> Any:
    """The values in a JSON text. Raises SpecError for a text that is no JSON, a key that occurs twice, and what is
    beyond a limit."""
    bounds = limits()
    if len(text) > bounds.json_bytes:
        raise SpecError(f"cannot be read: {bounds.too_much('json_bytes', len(text), 'bytes')}", source=source)
    _check_counts(text, source)

    def whole(digits: str) -> int:
        if len(digits) > bounds.digits:
            reason = bounds.too_much("digits", len(digits), "digits in a number")
            raise SpecError(f"cannot be read: {reason}", source=source)
        return int(digits)

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for place, name in enumerate(names) if name in names[:place])
            raise SpecError(f"the key {one_line(repr(twice), MOST_QUOTED)} is there twice", source=source)
        return values

    try:
        values = json.loads(text, parse_int=whole, object_pairs_hook=mapping)
    except SpecError:
        raise
    except ValueError as error:  # no JSON, or bytes that are no UTF-8
        raise SpecError(f"not JSON: {error}", source=source) from error
    except RecursionError as error:
        raise SpecError(f"cannot be read: {bounds.more_than('levels', _LEVELS)}", source=source) from error
    if (found := _levels(values)) > bounds.levels:
        raise SpecError(f"cannot be read: {bounds.too_much('levels', found, _LEVELS)}", source=source)
    return values


def _check_counts(text: str | bytes, source: str) -> None:
    """SpecError for a JSON text with more values than memory should hold: an empty list takes 2 bytes here, 70 there.
    Signs within texts count, too."""
    bounds = limits()
    for name, (signs, what) in _COUNTED.items():
        if len(text) > getattr(bounds, name):
            found = sum(text.count(sign) if isinstance(text, str) else text.count(sign.encode()) for sign in signs)
            if found > getattr(bounds, name):
                raise SpecError(f"cannot be read: {bounds.too_much(name, found, what)}", source=source)


def _levels(value: Any) -> int:
    """The levels of lists and mappings, without recursion."""
    level, here = 0, [value]
    while here := [part for part in here if isinstance(part, dict | list)]:
        level += 1
        here = [part for outer in here for part in (outer.values() if isinstance(outer, dict) else outer)]
    return level


def reference_levels(text: str) -> int:
    """How many `${...}` are in one another."""
    level = most = 0
    for sign in re.finditer(r"\$\{|\}", text):
        level = level + 1 if sign[0] == "${" else max(level - 1, 0)
        most = max(most, level)
    return most


def _check_events(text: str, source: str, references: bool = True) -> None:
    """SpecError if the YAML text is beyond a limit. YAMLError if it is no YAML."""
    walk = _Walk(source, limits(), references)
    loader: Any = _loader_class()(text)
    try:
        while loader.check_event():
            walk.step(loader.get_event())
    finally:
        loader.dispose()
    if walk.values > walk.bounds.values:
        what = "values, each reference (*) counted as what it stands for" if walk.has_aliases else "values"
        reason = walk.bounds.too_much("values", _rounded(walk.values), what)
        raise SpecError(f"cannot be read: {reason}", source=source)


def _rounded(count: int) -> str:
    """A count as messages show it; a few references make numbers of many digits."""
    return f"{count:,}" if count < 10**15 else f"over 10^{len(str(count)[:300]) - 1}"


class _Walk:
    """Counts what a YAML text stands for, event by event."""

    def __init__(self, source: str, bounds: Limits, references: bool) -> None:
        self.bounds, self.values, self.has_aliases = bounds, 0, False
        self._source, self._aliases_allowed, self._references = source, references, 0
        self._sizes: dict[str, int] = {}  # of anchors, once they have ended
        self._open: list[tuple[str | None, int]] = []  # anchor, and `values` before, of the lists and mappings around

    def step(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open.append((event.anchor, self.values))
            self.values += 1
            if len(self._open) > self.bounds.levels:
                self._stop(event, "levels", _LEVELS)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = self._open.pop()
            if anchor is not None:
                self._sizes[anchor] = self.values - before

    def _alias(self, event: Any) -> None:
        self.has_aliases = True
        name = one_line(event.anchor, MOST_QUOTED)
        if not self._aliases_allowed:
            raise self._error(event, f"not YAML: *{name} is a reference; write it out")
        if any(anchor == event.anchor for anchor, _ in self._open):
            raise self._error(
                event,
                f"cannot be read: *{name} stands in what it refers to, so there are "
                f"more than {self.bounds.levels} levels",
            )
        # of an anchor that is unknown the composer says so
        self.values = min(self.values + self._sizes.get(event.anchor, 1), 10**300)

    def _scalar(self, event: Any) -> None:
        self.values += 1
        if event.anchor is not None:
            self._sizes[event.anchor] = 1
        text = event.value
        if len(text) > self.bounds.characters:
            self._refuse(event, "characters", len(text), "characters in one value")
        is_number = event.tag in _NUMBERS or (event.implicit[0] and _NUMBER.fullmatch(text))
        if len(text) > self.bounds.digits and is_number:
            self._refuse(event, "digits", len(text), "digits in a number")
        if "${" in text:
            self._references += text.count("${")
            if self._references > self.bounds.references:
                self._stop(event, "references", "references ${...}")
            if (found := reference_levels(text)) > self.bounds.reference_levels:
                self._refuse(event, "reference_levels", found, "references ${...} in one another")

    def _refuse(self, event: Any, name: str, found: int, what: str) -> None:
        raise self._error(event, f"cannot be read: {self.bounds.too_much(name, found, what)}")

    def _stop(self, event: Any, name: str, what: str) -> None:
        raise self._error(event, f"cannot be read: {self.bounds.more_than(name, what)}")

    def _error(self, event: Any, reason: str) -> SpecError:
        return SpecError(reason, source=f"{self._source}, line {event.start_mark.line + 1}")


class _Values:
    """Makes plain values of a composed node. A mapping's own keys win over those that `<<` brings."""

    def __init__(self, loader: Any, source: str) -> None:
        self._loader, self._source = loader, source

    def of(self, node: yaml.Node) -> Any:
        check_tag(node, self._source)
        if isinstance(node, yaml.MappingNode):
            check_keys(node, self._source)
            flattened(self._loader, node, self._source)
            return {self._key(key): self.of(value) for key, value in node.value}
        if isinstance(node, yaml.SequenceNode):
            return [self.of(item) for item in node.value]
        return scalar(self._loader, node, self._source)

    def _key(self, node: yaml.Node) -> Any:
        check_tag(node, self._source)
        return scalar(self._loader, node, self._source)


def check_tag(node: yaml.Node, source: str) -> None:
    """SpecError for a value that is none of YAML's plain kinds."""
    if node.tag not in KINDS and node.tag not in SIGNS:
        kind = one_line(repr(node.tag.removeprefix(YAML_TAG)), MOST_QUOTED)
        raise SpecError(f"cannot be read: a value of the kind {kind} has no meaning here", source=_place(node, source))


def check_keys(node: yaml.MappingNode, source: str) -> None:
    """SpecError for a key that is there twice, and for one that is a list or a mapping."""
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise SpecError("cannot be read: a name is a text", source=_place(key, source))
        if key.value in seen:
            name = one_line(str(key.value), MOST_QUOTED)
            raise SpecError(f"not YAML: found duplicate key {name}", source=_place(key, source))
        seen.add(key.value)


def flattened(loader: Any, node: yaml.MappingNode, source: str) -> None:
    """Puts what `<<` names in front, in place, so that the mapping's own keys win. SpecError if it names no mapping."""
    try:
        loader.flatten_mapping(node)
    except yaml.YAMLError as error:
        raise SpecError(f"not YAML: {getattr(error, 'problem', None)}", source=_place(node, source)) from error
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise SpecError("cannot be read: a name is a text", source=_place(key, source))


def scalar(loader: Any, node: yaml.Node, source: str) -> Any:
    """The value of a scalar node. SpecError if its text is no value of its kind."""
    if node.tag in SIGNS:
        return node.value
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, ArithmeticError) as error:  # such as !!int x
        kind = node.tag.rpartition(":")[2]
        text = one_line(repr(node.value), MOST_QUOTED)
        raise SpecError(f"not YAML: {text} is no {kind}", source=_place(node, source)) from error


def _place(node: yaml.Node, source: str) -> str:
    return f"{source}, line {node.start_mark.line + 1}" if node.start_mark else source


@cache
def _loader_class() -> Any:
    """A safe loader that reads numbers as OmegaConf does, and dates as texts."""
    from omegaconf._utils import get_yaml_loader

    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML was built with it
    return type("BoundedLoader", (base,), {"yaml_implicit_resolvers": get_yaml_loader().yaml_implicit_resolvers})
