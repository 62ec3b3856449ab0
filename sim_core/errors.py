"""The errors of this package, as one tree:

SimError
 +-- SpecError       a configuration says something impossible, unknown or contradictory
 |    +-- CapacityError   a model or role does not fit the machines that are there
 +-- TraceError      a workload cannot be read or is not a workload
 +-- OutputError     a result cannot be written
 +-- PluginError     a file with policies of a user's own cannot be used, or such a policy fails in a run
 +-- InvariantError  the simulator broke one of its own promises (a bug: please report it)

Users can mend all but the last. Their text is one line that names the place, the key, the value, the reason and, where
there is one, the nearest valid name. Command lines print it and exit with status 2. SpecWarning is no error: it says in
one line where a run differs from what its configuration seems to say.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite, nan

MOST_SHOWN = 200  # characters of a value, or a key, in a message
MOST_TEXT = 3000  # of a message


class SimError(Exception):
    """Root of all errors that this package raises on purpose. Its text is one line that any screen can show."""

    def __init__(self, text: str = "") -> None:
        super().__init__(one_line(text, MOST_TEXT))


def one_line(text: str, most: int) -> str:
    """The text with line breaks and unprintable characters as escapes, and without its middle where it has more than
    `most` characters."""
    if len(text) > most:
        text = f"{text[: most * 3 // 4]} ... {text[-most // 5 :]}"
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape", "surrogatepass").decode() for sign in text
    )


def shown(text: object) -> str:
    """The text as any screen can show it: line breaks, escape characters and other unprintable signs as escapes.

    Every text that comes from a file (names, values, keys, paths) passes this function on its way to a screen.
    """
    return one_line(str(text), MOST_TEXT)


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name that is most like `name`, or None; of numbers the one that is next to it."""
    from difflib import get_close_matches  # only an error needs it

    names = [str(v) for v in valid]
    if names and (wanted := _finite(name)) is not None:
        distances = {v: abs(number - wanted) for v in names if (number := _finite(v)) is not None}
        if len(distances) == len(set(names)):
            return min(distances, key=distances.__getitem__)
    matches = get_close_matches(str(name), names, n=1, cutoff=0.5)
    return matches[0] if matches else None


def _finite(text: object) -> float | None:
    """The finite number that a text of ordinary length writes, or None."""
    written = str(text)
    try:
        number = float(written) if len(written) <= MOST_SHOWN else nan
    except ValueError:
        return None
    return number if isfinite(number) else None


def choices(name: object, valid: Iterable[str]) -> str:
    """`; did you mean 'jsq'? (one of: jsq, kv_jsq, ...)`: the tail of an error about an unknown name."""
    names = [str(v) for v in valid]
    close = nearest(str(name), names)
    hint = f"; did you mean {close!r}?" if close else ""
    return f"{hint} (one of: {', '.join(names)})" if names else ""


class SpecError(SimError):
    """A configuration that cannot be run. `key` is the dotted path, `source` the file it came from."""

    def __init__(self, reason: str, *, key: str = "", value: object = None, source: str = "") -> None:
        self.reason, self.key, self.value, self.source = reason, key, value, source
        place = f"{source}: " if source else ""
        name = one_line(key, MOST_SHOWN)
        setting = f"{name}={one_line(repr(value), MOST_SHOWN)}: " if key and value is not None else f"{name}: "
        super().__init__(f"{place}{setting if key else ''}{reason}")

    def below(self, section: str, part: str) -> SpecError:
        """The same error about `part`, one of several that stand for `section`; itself if it is not about that."""
        if not self.key.startswith(f"{section}.") or self.key.startswith(f"{part}."):
            return self
        key = part + self.key.removeprefix(section)
        return type(self)(self.reason, key=key, value=self.value, source=self.source)


class CapacityError(SpecError):
    """The machines can never hold or serve something: a model on too little memory, a role without machines."""


class SpecWarning(UserWarning):
    """A configuration runs, but differs from what it seems to say."""


class TraceError(SimError):
    """A workload that cannot be used. `row` counts data rows from 1, without the header."""

    def __init__(self, reason: str, *, source: str = "", row: int | None = None, column: str = "") -> None:
        self.reason, self.source, self.row, self.column = reason, source, row, column
        place = ", ".join(
            part
            for part in (source, f"row {row}" if row is not None else "", f"column {column}" if column else "")
            if part
        )
        super().__init__(f"{place}: {reason}" if place else reason)


class OutputError(SimError):
    """A file of results that cannot be written, as on a full disk or without permission. `source` is the file."""

    def __init__(self, reason: str, *, source: str) -> None:
        self.reason, self.source = reason, source
        super().__init__(f"{source}: {reason}")


class PluginError(SimError):
    """A plugin that cannot be used, or a policy of it that fails. `source` is its file, `line` the place in it."""

    def __init__(self, reason: str, *, source: str, line: int | None = None) -> None:
        self.reason, self.source, self.line = reason, source, line
        super().__init__(f"{source}{'' if line is None else f', line {line}'}: {reason}")


class InvariantError(SimError):
    """The simulator contradicts itself: a bug."""
