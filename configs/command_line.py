"""The parser of all command lines: a mistake is one line, and an unknown name is answered with the nearest one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from textwrap import wrap
from typing import Any, NoReturn

from configs.names import check_value
from sim_core.errors import SpecError, choices, nearest, shown

PLUGIN = "--plugin"


def folder(text: str) -> Path:
    """A folder that an option names. ArgumentTypeError for a name that a screen cannot show as it is."""
    try:
        check_value(text, "")
    except SpecError as error:
        raise argparse.ArgumentTypeError(f"{shown(text)}: {error.reason}") from error
    return Path(text)


def add_plugin_option(parser: argparse._ActionsContainer) -> None:
    """Adds `--plugin FILE`, which may be given several times."""
    help_text = "also use the policies in FILE, a Python file of yours, whose code is run; docs/plugins.md shows how"
    parser.add_argument(PLUGIN, dest="plugins", action="append", type=Path, metavar="FILE", default=[], help=help_text)


def taken(arguments: Sequence[str], option: str) -> tuple[list[str], list[str]]:
    """The arguments of a command line without an option and its values, and these values: for programs whose parser
    does not know the option. Raises SpecError for an option without a value."""
    others: list[str] = []
    values: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        name, equals, value = argument.partition("=")
        if name != option:
            others.append(argument)
            continue
        values.append(value if equals else next(remaining, ""))
        if not values[-1]:
            raise SpecError("needs a value behind it", key=option)
    return others, values


class HelpText(argparse.HelpFormatter):
    """Continues sentences between words in the width of the screen. Lines that are indented, such as examples that
    people copy, stay as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = []
        for stays, group in groupby(text.splitlines(), lambda line: not line or line.startswith(" ")):
            prose = [] if stays else wrap(" ".join(group), width, break_long_words=False, break_on_hyphens=False)
            parts += [f"{indent}{line}" for line in (group if stays else prose)]
        return "\n".join(parts)


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
        typed = list(sys.argv[1:] if args is None else args)
        if self._subparsers is not None:
            self._refuse_in_front_of_command(typed)
        return self._known_alone(*self.parse_known_args(typed, namespace))

    def parse_intermixed_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> argparse.Namespace:
        """As argparse; an unknown argument is answered with the nearest option."""
        return self._known_alone(*self.parse_known_intermixed_args(args, namespace))

    def _refuse_in_front_of_command(self, arguments: Sequence[str]) -> None:
        """Refuse an unknown option in front of the command; argparse would take the option's value for the command."""
        left = iter(arguments)
        for argument in left:
            name, _, value = argument.partition("=")
            if not name.startswith("-") or name == "--":
                return
            known = [action for option, action in self._option_string_actions.items() if option.startswith(name)]
            if not known:
                self._refuse([argument])
            if known[0].nargs != 0 and not value:
                next(left, None)

    def _known_alone(self, parsed: argparse.Namespace, unknown: Sequence[str]) -> argparse.Namespace:
        return self._refuse(unknown) if unknown else parsed

    def _refuse(self, unknown: Sequence[str]) -> NoReturn:
        name = unknown[0].partition("=")[0]
        if not name.startswith("-"):
            self.error(f"{unknown[0]!r}: one argument too many")
        close = nearest(name, self._option_string_actions)
        self.error(f"{name}: no such option" + (f"; did you mean {close}?" if close else ""))

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:  # type: ignore[override,unused-ignore]
        """Called by argparse with each value of an argument; its own words for a wrong number are for programmers."""
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError as error:
            if action.type not in (int, float):
                raise
            kind = "a whole number" if action.type is int else "a number"
            raise argparse.ArgumentError(action, f"{shown(arg_string)} is not {kind}") from error

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
