"""The subcommands of `python -m traces`: one module each, with `add_parser(subparsers)`, which names its `run`."""

from traces.commands import describe, generate

COMMANDS = (generate, describe)
