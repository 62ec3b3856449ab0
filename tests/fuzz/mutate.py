"""Mutations of a file: of its bytes, of its words, and of its values. A mutation follows from its seed."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

_WORD = re.compile(rb"[^\s,:;{}\[\]\"'=|]+")
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_MOST_BYTES = 200_000  # of a mutated file: a copy of a copy grows
# What readers of such files have stumbled over.
ODD_NUMBERS = (
    b"0", b"-0", b"-1", b"1e308", b"1e309", b"1e400", b"-1e400", b"NaN", b"nan", b"Infinity", b"-inf", b".inf",
    b".nan", b"9007199254740993", b"9223372036854775807", b"9223372036854775808", b"18446744073709551616",
    b"1" + b"0" * 40, b"9" * 400, b"9" * 5000, b"1e12", b"1e13", b"0x10", b"0b1", b"1_000", b"012", b"1.5",
    b"1e-400", b"5e-324", b"12:30:45", "\u0661".encode(), b"1,5", b"+1", b" 1", b"1 ", b"--1", b"1e", b".", b"-",
)  # fmt: skip
ODD_TEXTS = (
    b"", b" ", b"null", b"~", b"true", b"[]", b"{}", b"[1]", b"{a: 1}", b'""', b"''", b'"', b"'", b"\\", b"\x00",
    b"\x1b[31m", b"\x7f", b"\xff\xfe", b"\xed\xa0\x80", "\u202e".encode(), "\u2028".encode(), "\ufeff".encode(),
    b"\r", b"\n", b"\r\n", b"\t", b"../../../x", b"/dev/zero", b"/etc/passwd", b"${oc.env:HOME}", b"${seed}", b"${",
    b"${eval:'9**9**9'}", b"$(id)", b"`id`", b"[/nope]", b"[bold]", b"=1+1", b"@x", b"%n%s", b"<script>", b"&a",
    b"*a", b"&a [*a]", b"!!python/object:os.system x", b"!!int x", b"<<", b"? ", b"- ", b": ", b"#", b"|", b">",
    b"---", b"...", b"x" * 5000, b"[" * 300, b"{" * 300, b"a: " * 100, b"${" * 300, b"(" * 300, b"hydra.run.dir",
    b"hydra/launcher", b"+experiment", b"~cluster", b"__proto__", "größe 名前".encode(), b"a\x00b",
)  # fmt: skip


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The content after one to three mutations."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = rng.choice(_MUTATIONS)(content, rng)[:_MOST_BYTES]
    return content


def mutated_value(value: Any, rng: random.Random) -> Any:
    """A JSON value with one of its parts replaced, left out, doubled or renamed."""
    value = json.loads(json.dumps(value))
    places = list(_places(value))
    if not places:
        return rng.choice(ODD_VALUES)()
    container, key = rng.choice(places)
    match rng.randrange(6):
        case 0 | 1 | 2:
            container[key] = rng.choice(ODD_VALUES)()
        case 3:
            del container[key]
        case 4 if isinstance(container, dict):
            container[_text(rng)] = container.pop(key)
        case _:
            container[key] = _near(container[key], rng)
    return value


ODD_VALUES: Sequence[Callable[[], Any]] = (
    lambda: None, lambda: True, lambda: "", lambda: "text", lambda: [], lambda: {}, lambda: [[]], lambda: {"": None},
    lambda: -1, lambda: -1.5, lambda: 0, lambda: 10**400, lambda: 2**63, lambda: 1e308, lambda: "nan", lambda: "inf",
    lambda: "NaN", lambda: "-inf", lambda: float("nan"), lambda: float("inf"), lambda: "1e400", lambda: "\x1b]0;x\x07",
    lambda: "a\nb", lambda: "../../x", lambda: "[/nope]", lambda: "x" * 10_000, lambda: "9" * 5000, lambda: "\ud800",
    lambda: ["a", 1, None], lambda: {"dgx-h100": -1}, lambda: {"x": "y"}, lambda: [_nested(80)], lambda: "=1+1",
    lambda: "abc;id", lambda: "$(id)", lambda: 5e-324, lambda: 1.5,
)  # fmt: skip


def _nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Container and key of every part of a JSON value."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [place for key in keys for place in ((value, key), *_places(value[key]))]


def _near(value: Any, rng: random.Random) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        return rng.choice((-value, value * 2, value + 1, value / 3, value * 1e300, 0))
    if isinstance(value, str):
        return mutated(value.encode("utf-8", "surrogatepass"), rng).decode("utf-8", "replace")
    return [value, value]


def _text(rng: random.Random) -> str:
    return rng.choice(ODD_TEXTS).decode("utf-8", "replace")


def _flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _random_byte(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content) + 1)
    return content[:place] + rng.randbytes(rng.choice((1, 1, 4, 40))) + content[place:]


def _truncate(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _slice(content: bytes, rng: random.Random) -> tuple[int, int]:
    begin = rng.randrange(len(content) + 1)
    return begin, min(len(content), begin + rng.choice((1, 4, 16, 64, 256)))


def _delete(content: bytes, rng: random.Random) -> bytes:
    begin, end = _slice(content, rng)
    return content[:begin] + content[end:]


def _repeat(content: bytes, rng: random.Random) -> bytes:
    begin, end = _slice(content, rng)
    return content[:end] + content[begin:end] * rng.choice((1, 2, 50)) + content[end:]


def _insert_odd(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content) + 1)
    return content[:place] + rng.choice(ODD_TEXTS + ODD_NUMBERS) + content[place:]


def _replace(pattern: re.Pattern[bytes], odd: Sequence[bytes]) -> Callable[[bytes, random.Random], bytes]:
    def replace(content: bytes, rng: random.Random) -> bytes:
        found = [match.span() for match in pattern.finditer(content)]
        if not found:
            return _insert_odd(content, rng)
        begin, end = rng.choice(found)
        return content[:begin] + rng.choice(odd) + content[end:]

    return replace


def _lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    if len(lines) < 2:
        return _repeat(content, rng)
    first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(3):
        case 0:
            lines[first], lines[second] = lines[second], lines[first]
        case 1:
            lines.insert(second, lines[first])
        case _:
            del lines[first]
    return b"".join(lines)


_MUTATIONS: Sequence[Callable[[bytes, random.Random], bytes]] = (
    _flip, _random_byte, _truncate, _delete, _repeat, _insert_odd, _lines, _replace(_NUMBER, ODD_NUMBERS),
    _replace(_NUMBER, ODD_NUMBERS), _replace(_WORD, ODD_TEXTS), _replace(_WORD, ODD_TEXTS + ODD_NUMBERS),
)  # fmt: skip
