"""A mistake on a command line is one line with the nearest valid name, whatever the command."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import pytest

from configs.command_line import HelpText, Parser, folder


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The line that a parser of a command `show` answers arguments with."""

    def run(*arguments: str) -> str:
        top = Parser(prog="python -m x")
        top.add_argument("--results", type=folder, default="results")
        commands = top.add_subparsers(required=True, metavar="COMMAND")
        show = commands.add_parser("show")
        show.add_argument("name")
        show.add_argument("--format", choices=("csv", "json"))
        show.add_argument("--port", type=int)
        with pytest.raises(SystemExit) as end:
            top.parse_args(arguments)
        assert end.value.code == 2
        told = capsys.readouterr()
        assert (told.out, told.err.count("\n")) == ("", 1)
        return told.err

    return run


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["shwo", "a"], "no such choice: 'shwo'; did you mean 'show'? (one of: show)"),
        (["show", "a", "--fromat", "csv"], "--fromat: no such option; did you mean --format?"),
        (["show", "a", "--format=jsn"], "no such choice: 'jsn'; did you mean 'json'? (one of: csv, json)"),
        (["show", "a", "--port", "x\x1b"], "argument --port: x\\x1b is not a whole number (python -m x show --help"),
        (["show", "a", "b"], "'b': one argument too many (python -m x show --help lists the options)"),
        (["--reslts", "a", "show", "a"], "--reslts: no such option; did you mean --results?"),
        (["show", "a", "--zzz=\x1b[31m"], "--zzz: no such option (python -m x show --help"),
        (["show", "a", "\x1b[31m"], "'\\x1b[31m': one argument too many"),
        (["--results", "a\x1b", "show", "a"], "a\\x1b: a value has only signs that a screen shows"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_a_mistake_is_one_line_with_the_nearest_name(
    arguments: list[str], reason: str, refused: Callable[..., str]
) -> None:
    assert reason in refused(*arguments)


def test_options_may_stand_between_arguments() -> None:
    parser = Parser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--dry-run", action="store_true")
    assert parser.parse_intermixed_args(["a", "--dry-run", "b"]) == argparse.Namespace(names=["a", "b"], dry_run=True)


def test_an_unknown_option_between_arguments_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="x")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--dry-run", action="store_true")
    with pytest.raises(SystemExit):
        parser.parse_intermixed_args(["a", "--dryrun", "b"])
    assert "--dryrun: no such option; did you mean --dry-run?" in capsys.readouterr().err


def test_help_is_no_wider_than_the_screen_but_for_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    sentence, example = " ".join(["word"] * 40), "  python -m x " + "a" * 70
    epilog = f"examples:\n{example}\n{sentence}\n{sentence}\n\n{sentence}"
    parser = Parser(prog="x", description=sentence, epilog=epilog, formatter_class=HelpText)
    lines = parser.format_help().splitlines()
    assert [line for line in lines if len(line) > 60] == [example]
    assert lines[lines.index("examples:") + 1] == example
    assert sum(line.count("word") for line in lines) == 160
