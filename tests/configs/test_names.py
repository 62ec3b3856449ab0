"""Names and values in files have signs that a screen shows, and not too many of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs.names import check_name, check_value
from sim_core.errors import SpecError
from sweep.experiment.expand import expand
from sweep.experiment.file import parse_experiment
from sweep.experiment.point import project_root

SHOWN = "has only signs that a screen shows: no line breaks, escapes or other control characters"


@pytest.mark.parametrize("text", ["größe", "日本語", "[/nope]", "=1+1", "a b", "x" * 200, ""])
def test_what_a_screen_shows_may_be_a_name(text: str) -> None:
    check_name(text, "name")


@pytest.mark.parametrize("text", ["\x1b[31m", "a\nb", "a\tb", "\x00", "\u202e", "\ud800", "\u2028", "\x9b"])
def test_control_signs_are_refused_with_the_rule(text: str) -> None:
    with pytest.raises(SpecError, match=f"a name {SHOWN}") as refused:
        check_name(text, "name")
    assert str(refused.value).isprintable()
    for value in (text, ["a", text], {"a": {"b": text}}, {text: 1}, ("a", (text,))):
        with pytest.raises(SpecError, match=f"axes.x=.*: a value {SHOWN}"):
            check_value(value, "axes.x")


def test_a_name_has_a_bounded_length() -> None:
    with pytest.raises(SpecError, match="a name has at most 200 signs, and this one has 201"):
        check_name("x" * 201, "name")
    check_value(["x" * 1000, 10**400], "axes.x")
    with pytest.raises(SpecError, match="a value has at most 1,000 signs, and this one has 1,001"):
        check_value(["x" * 1001], "axes.x")


EXPERIMENT = """\
name: odd
overrides: {{performance_model: db, start_state: baseline, trace.dir: {folder}, trace.filename: "${{what}}"}}
variables: {{what: {what}}}
axes: {{? {axis} : [{value}, 700]}}
systems: {{one: }}
"""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"axis": '"a\\x1b"'}, "axes='a\\x1b': the name of an axis has only"),
        ({"value": '"\\x1b[31m"'}, "axes.end_time='\\x1b[31m': a value has only"),
        ({"what": '"rr_conv_1_20s\\n"'}, "variables.what='rr_conv_1_20s\\n': a value has only"),
        ({"value": "x" * 1001}, "a value has at most 1,000 signs, and this one has 1,001"),
        (
            {"folder": '"FOLDER\\x1b"', "what": "mine"},
            "trace.dir='FOLDER\\x1b': the name of a workload or",
        ),
    ],
)
def test_an_experiment_with_such_a_name_is_refused_before_anything_runs(
    changes: dict[str, str], reason: str, tmp_path: Path
) -> None:
    odd = tmp_path / "f\x1b"
    odd.mkdir()
    row = "0,2,0,0.5,1,10,10\n"
    header = "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n"
    (odd / "mine.csv").write_text(header + row)
    slots = {"folder": "traces/samples", "what": "rr_conv_1_20s", "axis": "end_time", "value": "500"} | changes
    text = EXPERIMENT.format(**slots).replace("FOLDER\\x1b", f"{odd.parent}/f\\x1b")
    with pytest.raises(SpecError) as refused:
        expand(parse_experiment(text, "odd.yaml"), [], project_root())
    assert reason.replace("FOLDER", f"{odd.parent}/f") in str(refused.value)
    assert str(refused.value).startswith("odd.yaml: ")


def test_an_axis_of_the_command_line_is_held_to_the_same_rule() -> None:
    text = EXPERIMENT.format(folder="traces/samples", what="rr_conv_1_20s", axis="end_time", value="500")
    with pytest.raises(SpecError, match=r"axes\.end_time='a\\x1b': a value has only"):
        expand(parse_experiment(text, "odd.yaml"), ["end_time='a\x1b',b"], project_root())
