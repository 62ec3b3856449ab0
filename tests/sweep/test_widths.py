"""Every table of every command at 80 and 100 columns: no word is broken, no line is longer, names are never markup."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sweep.command import main as sweep
from sync import load_sweep
from sync.__main__ import main as sync
from traces.__main__ import main as traces

# The workload's name is that of a file: what it holds must not be taken for markup.
EXPERIMENT = """\
name: an-experiment-with-quite-a-long-name-of-its-own
budget: {count: 3}
overrides: {performance_model: db, trace.dir: FOLDER, trace.filename: "[bold]mine[-nope]_${rate}"}
axes: {rate: "1, 2"}
systems:
  a-baseline-of-one-kind: {design: {baseline: dgx-h100}}
  splitwise-ha: {design: {prompt: dgx-h100, token: dgx-a100}}
"""
NAME = "an-experiment-with-quite-a-long-name-of-its-own"
HEADER = "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder `[x] results` with a finished sweep, its experiment and its traces."""
    place = tmp_path_factory.mktemp("widths") / "[x]"
    place.mkdir()
    for rate in (1, 2):
        rows = [f"{number},2,0,{number / rate},1,{500 + number},{40 + number}\n" for number in range(12)]
        (place / f"[bold]mine[-nope]_{rate}.csv").write_text(HEADER + "".join(rows))
    (place / "mine.yaml").write_text(EXPERIMENT.replace("FOLDER", f"'{place}'"))
    assert sweep([str(place / "mine.yaml"), "--local", "--sink", "none", "--results", str(place / "results")]) == 0
    return place


Printed = Callable[..., str]


@pytest.fixture
def printed(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Printed:
    """What a command prints on a screen of some width; RESULTS, FILE and TRACE stand for paths in `folder`."""
    paths = {"RESULTS": "results", "FILE": "mine.yaml", "TRACE": "[bold]mine[-nope]_1.csv"}

    def run(command: Callable[[list[str]], int], arguments: list[str], width: int) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        capsys.readouterr()
        assert command([str(folder / paths[text]) if text in paths else text for text in arguments]) == 0
        return capsys.readouterr().out

    return run


COMMANDS = {
    "list": (sync, ["--results", "RESULTS", "list"]),
    "show": (sync, ["--results", "RESULTS", "show", NAME]),
    "answers": (sync, ["--results", "RESULTS", "answers", NAME]),
    "compare": (sync, ["--results", "RESULTS", "compare", "0", "2"]),
    "dry run": (sweep, ["FILE", "--dry-run", "--results", "RESULTS"]),
    "dry run of many points": (sweep, ["FILE", "--dry-run", "--results", "RESULTS", "seed=range(0,60)"]),
    "status": (sweep, ["status", "--results", "RESULTS"]),
    "describe": (traces, ["describe", "TRACE"]),
    "formats": (traces, ["formats"]),
    "download": (traces, ["download"]),
}


def words(text: str) -> set[str]:
    """The words of an output, without those that say which columns are left out."""
    return {word.strip(":;,") for word in re.sub(r"No room for: .*?shows all.*?\.(\s|$)", "", text, flags=re.S).split()}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_word_is_broken_and_no_line_is_longer_than_the_screen(command: str, printed: Printed) -> None:
    whole = words(printed(*COMMANDS[command], 1000))
    for width in (60, 80, 100):
        narrow = printed(*COMMANDS[command], width)
        assert [line for line in narrow.splitlines() if len(line) > width and len(line.split()) > 1] == []
        assert {word for word in words(narrow) - whole if word.strip("─")} == set()


@pytest.mark.parametrize("command", ["show", "dry run", "compare"])
def test_names_and_keys_are_whole_at_80_columns(command: str, folder: Path, printed: Printed) -> None:
    told = " ".join(printed(*COMMANDS[command], 80).split())
    runs = list(load_sweep(NAME, folder / "results").outcomes.values())
    runs = [run for run in runs if command != "compare" or run.index in (0, 2)]
    assert runs
    for run in runs:
        assert run.key[:10] in told
        assert all(word in told for word in run.name.split())


def test_columns_that_are_left_out_are_named_and_how_to_get_them(printed: Printed) -> None:
    narrow = printed(*COMMANDS["dry run"], 80)
    note = " ".join(narrow.split()).partition("No room for: ")[2].partition(".")[0]
    assert note == "machines, power weight, trace"
    (needed,) = re.findall(r"COLUMNS=(\d+) or a wider terminal\s+shows all, as does\s+--format\s+json", narrow)
    assert "No room" not in printed(*COMMANDS["dry run"], int(needed))
    assert "No room" in printed(*COMMANDS["dry run"], int(needed) - 1)


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_the_table_after_a_sweep_has_the_keys_and_which_machines_do_prompts(
    width: int, folder: Path, printed: Printed
) -> None:
    again = ["FILE", "--local", "--sink", "none", "--results", "RESULTS"]
    told = printed(sweep, again, width)
    assert max(len(line) for line in told.splitlines() if "python -m" not in line) <= width
    assert "H100 prompt" in " ".join(told.split())
    for run in load_sweep(NAME, folder / "results").outcomes.values():
        assert run.key[:10] in told.split()
    assert "weight" in told and "power" in told


def test_output_that_is_no_terminal_is_80_columns_wide(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS")
    assert sync(["--results", str(folder / "results"), "show", NAME]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert 60 < max(map(len, lines)) <= 80


def test_status_and_show_have_all_their_columns_for_programs(printed: Printed) -> None:
    (status,) = json.loads(printed(sweep, ["status", "--format", "json", "--results", "RESULTS"], 80))
    assert (status["name"], status["completed"], status["left"]) == (NAME, 6, 0)
    runs = json.loads(printed(sync, ["--results", "RESULTS", "show", NAME, "--format", "json"], 80))
    assert [run["index"] for run in runs] == list(range(6))
    assert runs[0]["ttft/p99_s"] > 0
    header, *rows = printed(sync, ["--results", "RESULTS", "show", NAME, "--format", "csv"], 80).splitlines()
    assert header.startswith("name,system,design") and len(rows) == 6
    columns = printed(sync, ["--results", "RESULTS", "show", NAME, "--columns"], 80).splitlines()
    assert columns == header.split(",")
