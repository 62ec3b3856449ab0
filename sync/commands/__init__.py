"""The subcommands of `python -m sync`: modules whose `add_parser(subparsers)` adds a command and its options."""

from sync.commands import answers, compare, energy, export, listing, replay, report, show, ui

COMMANDS = (listing, show, answers, report, compare, energy, export, replay, ui)
