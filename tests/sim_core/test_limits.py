"""Limits on what is read: their table in the docs, and how a person raises them."""

from __future__ import annotations

import argparse
import os
import re
import socket
from dataclasses import asdict
from pathlib import Path

import pytest

from configs.command_line import taken
from sim_core.errors import SpecError
from sim_core.limits import (
    VARIABLE,
    Limits,
    add_option_everywhere,
    allowance,
    allowances,
    allowed,
    carried,
    limits,
    raised_by,
)
from sim_core.regular_file import not_regular, open_regular, read_bytes

DOCS = Path(__file__).parents[2] / "docs" / "limits.md"


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_the_table_in_the_docs_has_every_limit_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: int(number.replace(",", "")) for name, number in rows} == asdict(Limits())


def test_a_raised_limit_holds_within_its_block_alone() -> None:
    with allowed([("rows", 7), ("levels", 60)]):
        assert (limits().rows, limits().levels, limits().tokens) == (7, 60, Limits().tokens)
        assert carried() == {VARIABLE: "rows=7,levels=60"}
        with allowed([("rows", 8)]):
            assert (limits().rows, limits().levels) == (8, 60)
    assert limits() == Limits() and VARIABLE not in os.environ and carried() == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("row=5", "unknown limit 'row'; did you mean 'rows'?"),
        ("rows", "rows='': write NAME=NUMBER, with a whole number from 1"),
        ("rows=0", "rows='0': write NAME=NUMBER"),
        ("rows=-5", "rows='-5': write NAME=NUMBER"),
        ("rows=1e3", "rows='1e3': write NAME=NUMBER"),
        ("rows=" + "9" * 5000, "write NAME=NUMBER"),
        ("rows=٣", "write NAME=NUMBER"),
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused_wherever_it_stands(
    text: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        allowance(text)
    with pytest.raises(SpecError, match=re.escape(f"--allow: {reason}" if "did you" in reason else reason)):
        allowances([text])
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(SpecError, match=VARIABLE):
        limits()


def test_the_option_is_taken_out_of_a_command_line_in_both_forms() -> None:
    arguments = ["seed=1", "--allow", "rows=1_000", "-m", "--allow=levels=9", "x=--allow"]
    others, values = taken(arguments, "--allow")
    assert (others, values) == (["seed=1", "-m", "x=--allow"], ["rows=1_000", "levels=9"])
    assert allowances(values) == [("rows", 1000), ("levels", 9)]
    with pytest.raises(SpecError, match="--allow: needs a value behind it"):
        taken(["seed=1", "--allow"], "--allow")


def test_the_option_may_stand_in_front_of_a_command_and_behind_it() -> None:
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    subparsers.add_parser("list")
    add_option_everywhere(parser, subparsers.choices.values())
    options = parser.parse_args(["--allow", "rows=1", "list", "--allow", "rows=2", "--allow", "levels=3"])
    assert raised_by(options) == [("rows", 1), ("rows", 2), ("levels", 3)]
    assert raised_by(parser.parse_args(["list"])) == []


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket"))
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "file").write_bytes(b"abc")
    kinds = {"pipe": "a named pipe", "socket": "a socket", "link": "a device", ".": "a folder"}
    for name, kind in kinds.items():
        with pytest.raises(OSError, match=f"it is {kind}; only regular files are read"):
            open_regular(tmp_path / name)
        assert kind in not_regular(tmp_path / name)
    server.close()
    with open_regular(tmp_path / "file") as file:
        assert file.read() == b"abc"
    assert not_regular(tmp_path / "file") == not_regular(tmp_path / "absent") == ""
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "absent")


def test_a_file_is_read_whole_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abcd")
    with allowed([("table_bytes", 4)]):
        assert read_bytes(tmp_path / "file", "table_bytes") == b"abcd"
    with (
        allowed([("table_bytes", 3)]),
        pytest.raises(OSError, match=r"4 bytes; at most 3 \(--allow table_bytes=NUMBER"),
    ):
        read_bytes(tmp_path / "file", "table_bytes")
    with allowed([("table_bytes", 3)]), pytest.raises(OSError, match="4 bytes; at most 3"):
        read_bytes(Path("/proc/self/status"), "table_bytes")  # its size is said to be 0
