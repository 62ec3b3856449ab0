"""The subcommands of `python -m sync`: one module each, whose `add_parser(subparsers)` adds its options."""

from sync.commands import answers, compare, export, listing, replay, report, show, ui, verify

COMMANDS = (listing, show, answers, report, compare, export, verify, replay, ui)
