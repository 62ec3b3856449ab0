"""Hash ids of prefix blocks: whole numbers of 64 bits, signed or not, or hashes written as text.

They are kept exactly, and nothing is computed from them. A file has one type, the narrowest of TYPES that holds all.
"""

from __future__ import annotations

import array as numbers
import re
from collections.abc import Sequence
from itertools import chain
from typing import Any

import pyarrow as pa

from traces.cells import MAX_EXACT_FLOAT

TYPES = {"int64": pa.list_(pa.int64()), "uint64": pa.list_(pa.uint64()), "text": pa.list_(pa.string())}
CODES = {"int64": "q", "uint64": "Q"}
WANTED = "list<hash ids: whole numbers, or text of 8 or more hexadecimal digits>"
_TEXT = re.compile(r"-?[0-9]+|(?:0x)?[0-9a-fA-F]{8,}|0x[0-9a-fA-F]+")


def array(values: Sequence[Any], kind: str) -> pa.Array | None:
    """The ids of several requests (None: a request without ids). None if they do not fit the type of this kind."""
    if _integers(values, kind) and (found := fitting(values, TYPES[kind])) is not None:
        return found
    if not all(map(sound, values)):
        return None
    spell = _text if kind == "text" else _whole
    return fitting([None if ids is None else list(map(spell, ids)) for ids in values], TYPES[kind])


def _integers(values: Sequence[Any], kind: str) -> bool:
    """Whether all ids are integers of this kind: Arrow's own conversion would cut the fractions off."""
    try:
        numbers.array(CODES[kind], chain.from_iterable(ids or () for ids in values))
    except (KeyError, TypeError, OverflowError):
        return False
    return True


def fitting(values: Sequence[Any], kind: pa.DataType) -> pa.Array | None:
    """The values as an array of this type; None if they do not fit it."""
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return None


def sound(value: object) -> bool:
    """Whether the value is a list of hash ids, or None."""
    return value is None or (isinstance(value, list) and all(map(_sound_id, value)))


def from_kind(kind: str) -> list[str]:
    """This kind and those after it in TYPES; the last holds all sound ids."""
    kinds = list(TYPES)
    return kinds[kinds.index(kind) :]


def _sound_id(value: object) -> bool:
    if isinstance(value, str):
        return _TEXT.fullmatch(value) is not None
    if isinstance(value, float):  # 3.0
        return value.is_integer() and abs(value) <= MAX_EXACT_FLOAT
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else str(int(value))


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) else value
