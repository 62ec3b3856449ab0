"""Settings that are texts (names of files, machines, policies): their values stay as they are written.

Hydra's grammar reads `trace.filename=2024_05_10` as the number 20240510, `1e3` as 1000.0, and `null` as no value. A
setting is a text if a file of its group in the configuration has a text there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, Quote, QuotedString, RangeSweep

from configs.bounded import read_yaml
from sim_core.errors import SpecError

MOST_LISTED = 10_000  # values of a range that are written out
_POLICY = re.compile(r"[a-z_]+:[\w./:=,+*-]*=[\w./:=,+*-]*", re.ASCII)  # closed:concurrency=64, unquoted
_PLAIN = re.compile(r"[A-Za-z_/][\w./-]*", re.ASCII)
_WORDS_WITH_MEANING = {"true", "false", "null", "nan", "inf"}
HYDRAS_TEXTS = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.job.name")
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")
_INDEX = re.compile(r"(?<=\.)\d+(?=\.|$)")
_OPENING, _CLOSING = "([{", ")]}"


class TextSettings:
    """The settings below `folder` that are texts. The files of a group are read on the first question about it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parser: OverridesParser | None = None
        self._known: dict[str, frozenset[str]] = {}  # by group; "" is config.yaml's own
        self._settings: frozenset[str] | None = None  # the names at the top
        self._is_text: dict[str, bool] = {}
        self._quoted: dict[tuple[str, str], str] = {}

    def is_text(self, key: str) -> bool:
        """Whether the setting `key`, or the entries of this list, are texts. A group is one: its value names a file."""
        if key not in self._is_text:
            self._is_text[key] = self._looked_up(key.lstrip("+~").strip())
        return self._is_text[key]

    def _looked_up(self, key: str) -> bool:
        if key in HYDRAS_TEXTS or self._is_group(key):
            return True
        group, dot, _ = key.partition(".")
        if not re.fullmatch(r"\w+", group) or group == "hydra":
            return False
        texts = self._texts(group if dot else "")
        pattern = _INDEX.sub("*", key)
        return pattern in texts or f"{pattern}.*" in texts

    def is_setting(self, key: str) -> bool:
        """Whether `key` begins with the name of a group, or of a setting of config.yaml."""
        if self._settings is None:
            own = _content(self._folder / "config.yaml")
            groups = {file.parent.name for file in self._folder.glob("*/*.yaml")}
            self._settings = frozenset(
                groups | (own.keys() - {"defaults", "hydra"} if isinstance(own, dict) else set())
            )
        return re.split(r"[./@]", key.lstrip("+~"))[0] in self._settings

    def as_written(self, override: str) -> str:
        """The override `key=value`, with the value that `in_quotes` returns."""
        key, equals, value = override.partition("=")
        return override if not equals or key.startswith("-") else f"{key}={self.in_quotes(key, value)}"

    def in_quotes(self, key: str, value: str) -> str:
        """The value, in quotes if Hydra's grammar would not read it as the text that it is. Values that cannot be read,
        and values of settings that are no texts, are returned as they are."""
        if key.startswith("~") or not value or is_plainly_text(value.strip()):
            return value
        if (key, value) not in self._quoted:
            # Hydra gives `null` and lists a meaning of their own as values of a group.
            is_other = value.strip().lower() == "null" or value.strip().startswith("[")
            kept = not self.is_text(key) or (is_other and self._is_group(key.lstrip("+")))
            self._quoted[key, value] = value if kept else self._all_quoted(value)
        return self._quoted[key, value]

    def _is_group(self, key: str) -> bool:
        return re.fullmatch(r"[\w/]{1,100}", key) is not None and (self._folder / key).is_dir()

    def _all_quoted(self, text: str) -> str:
        try:
            parsed = self._parse(f"text={text}")
            value = parsed.value()
        except Exception:  # Hydra answers odd input with exceptions of any kind; the composer says what is wrong
            return _in_quotes(text) if _POLICY.fullmatch(text) else text
        if isinstance(value, ChoiceSweep):
            inside = text if value.simple_form else text.partition("(")[2].rpartition(")")[0]
            listed = ",".join(map(self._one_quoted, elements(inside)))
            return listed if value.simple_form else f"choice({listed})"
        return _range_as_texts(parsed, text) if isinstance(value, RangeSweep) else self._one_quoted(text)

    def _one_quoted(self, text: str) -> str:
        bare = text.strip()
        if bare.startswith("[") and bare.endswith("]"):
            return f"[{','.join(map(self._one_quoted, elements(bare[1:-1])))}]"
        try:
            value = self._parse(f"text={text}").value()
        except Exception:
            return text
        return _in_quotes(bare) if value is None or isinstance(value, bool | int | float) else text

    def _parse(self, text: str) -> Override:
        if self._parser is None:
            self._parser = OverridesParser.create()
        return self._parser.parse_override(text)

    def _texts(self, group: str) -> frozenset[str]:
        if group not in self._known:
            own = self._folder / "config.yaml"
            files = sorted((self._folder / group).rglob("*.yaml")) if group else [own] if own.is_file() else []
            texts: set[str] = set()
            references: dict[str, str] = {}
            for file in files:
                place = ".".join(file.parent.relative_to(self._folder).parts)
                for key, value in _leaves(_content(file), f"{place}." if place else ""):
                    if not isinstance(value, str) or value.startswith("${eval:"):
                        continue
                    whole = _REFERENCE.fullmatch(value)
                    if whole:
                        references[key] = whole[1]
                    else:
                        texts.add(key)
            self._known[group] = frozenset(texts)
            more = {key for key, other in references.items() if self.is_text(other)}
            self._known[group] = frozenset(texts | more)
        return self._known[group]


def is_plainly_text(value: str) -> bool:
    """Whether Hydra's grammar reads an unquoted value as the same text: a word of letters, perhaps with digits."""
    return _PLAIN.fullmatch(value) is not None and value.lower() not in _WORDS_WITH_MEANING


def elements(text: str) -> list[str]:
    """The parts of a text between its commas, except commas in quotes or brackets."""
    parts: list[str] = []
    quote, depth, begin, escaped = "", 0, 0, False
    for place, sign in enumerate(text):
        if escaped:
            escaped = False
        elif sign == "\\":
            escaped = True
        elif quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in _OPENING:
            depth += 1
        elif sign in _CLOSING:
            depth -= 1
        elif sign == "," and depth == 0:
            parts.append(text[begin:place])
            begin = place + 1
    return [*parts, text[begin:]]


def _range_as_texts(parsed: Override, text: str) -> str:
    """The values of a range, each in quotes; the text itself if there are none, or too many."""
    sweep = parsed.value()
    assert isinstance(sweep, RangeSweep)
    if sweep.start is None or sweep.stop is None or not sweep.step:
        return text
    count = (sweep.stop - sweep.start) / sweep.step
    if not 0 < count <= MOST_LISTED:
        return text
    return ",".join(_in_quotes(str(value)) for value in parsed.sweep_string_iterator())


def _in_quotes(text: str) -> str:
    return QuotedString(text=text, quote=Quote.single).with_quotes()


def _content(file: Path) -> Any:
    try:
        return read_yaml(file, str(file))
    except SpecError:
        return None  # composing it reports the error


def _leaves(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _leaves(value, f"{prefix}{name}.")
    elif isinstance(node, list):
        for value in node:
            yield from _leaves(value, f"{prefix}*.")
    else:
        yield prefix.rstrip("."), node
