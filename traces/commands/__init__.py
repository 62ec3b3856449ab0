"""The subcommands of `python -m traces`: one module each, with `add_parser(subparsers)`, which names its `run`."""

from traces.commands import convert, describe, formats, generate

COMMANDS = (generate, describe, convert, formats)
