"""The subcommands of `python -m sync`: one module each, with `add_parser(subparsers)`, which names its `run`."""

from sync.commands import answers, compare, export, listing, replay, report, show, ui, verify

COMMANDS = (listing, show, answers, report, compare, export, verify, replay, ui)
