"""The parser of all command lines: a mistake is one line, and an unknown name is answered with the nearest one."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from sim_core.errors import choices, nearest, shown


class Parser(argparse.ArgumentParser):
    """Reports a mistake in one line, without the usage in front of it; exit status 2. So do its subcommands."""

    def error(self, message: str) -> NoReturn:
        """End the process with the message as one line."""
        self.exit(2, f"error: {shown(message)} ({self.prog} --help lists the options)\n")

    def add_subparsers(self, **options: Any) -> Any:
        """As argparse; the commands are parsers which refuse what they do not know themselves."""
        return super().add_subparsers(**{"parser_class": _Command, **options})

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> argparse.Namespace:
        """As argparse; an unknown argument is answered with the nearest option."""
        parsed: argparse.Namespace
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self._refuse(unknown)
        return parsed

    def parse_intermixed_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> argparse.Namespace:
        """As argparse; an unknown argument is answered with the nearest option."""
        parsed: argparse.Namespace
        parsed, unknown = self.parse_known_intermixed_args(args, namespace)
        if unknown:
            self._refuse(unknown)
        return parsed

    def _refuse(self, unknown: Sequence[str]) -> NoReturn:
        name = unknown[0].partition("=")[0]
        if not name.startswith("-"):
            self.error(f"{unknown[0]!r}: one argument too many")
        close = nearest(name, self._option_string_actions)
        self.error(f"{name}: no such option" + (f"; did you mean {close}?" if close else ""))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Called by argparse with each value of an argument that has choices."""
        allowed: Iterable[Any] | None = action.choices
        if allowed is not None and value not in allowed:
            raise argparse.ArgumentError(action, f"no such choice: {value!r}{choices(value, map(str, allowed))}")


class _Command(Parser):
    """The parser of a subcommand: what it does not know, the command line's own parser does not know either."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        parsed, unknown = super().parse_known_args(args, namespace)
        return self._refuse(unknown) if unknown else (parsed, [])
