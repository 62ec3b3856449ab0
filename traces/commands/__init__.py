"""The subcommands of `python -m traces`: one module each, with `add_parser(subparsers)`, which names its `run`."""

from traces.commands import convert, describe, download, formats, generate, mix, scale, slice

COMMANDS = (generate, describe, download, formats, convert, slice, scale, mix)
