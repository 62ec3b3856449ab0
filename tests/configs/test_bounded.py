"""YAML and JSON made to fill the memory, to take long or to run code: each is refused in one line, at once."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from configs.bounded import parse_json, parse_yaml, read_bounded, read_json, read_yaml, reference_levels
from configs.repos import RepoReader
from sim_core.errors import SpecError
from sim_core.limits import allowed
from sim_core.performance.measurements import read_curves
from sweep.experiment.file import read_experiment
from sync.results.slo_file import read_slo
from traces.reader import read_csv
from traces.recipe_file import read_recipe

LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))
MEDIANS = "model,hardware,tensor_parallel,batch_tokens,prompt_time_s,token_time_s\n"


def refused(read: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(SpecError) as caught:
        read(*arguments)
    text = str(caught.value)
    assert text.isprintable() and len(text) < 600
    return text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            LAUGHS,
            "f: cannot be read: over 10^28 values, each reference (*) counted as what it stands for; at most 100,000",
        ),
        (MERGES, "f: cannot be read: 6,597,069,766,571 values, each reference"),
        (
            "[" + "1," * 100_000 + "]",
            "f: cannot be read: 100,001 values; at most 100,000 (--allow values=NUMBER raises",
        ),
        ("a: &a [*a]", "f, line 1: cannot be read: *a stands in what it refers to, so there are more than 50 levels"),
        ("x: 1\na: &a {b: [*a]}", "f, line 2: cannot be read: *a stands in what it refers to"),
        ("<<: &a {<<: *a}", "f, line 1: cannot be read: *a stands in what it refers to"),
        ("a: *b", "f, line 1: not YAML: found undefined alias"),
        (
            "[" * 200 + "]" * 200,
            "f, line 1: cannot be read: more than 50 levels of lists and mappings (--allow levels=N",
        ),
        ("[" * 500_000, "more than 50 levels"),
        ("{a: " * 200 + "}" * 200, "more than 50 levels"),
        ("- " * 100_000, "more than 50 levels"),
        ("? " * 100_000, "more than 50 levels"),
        ("a: " + "9" * 5000, "f, line 1: cannot be read: 5,000 digits in a number; at most 400 (--allow digits=NUMBER"),
        ("a: -" + "9" * 5000 + ".5", "5,003 digits in a number"),
        ("a: 0x" + "f" * 5000, "5,002 digits in a number"),
        ("a: " + "1:" * 250_000 + "1", "100,000"),  # a number to the base 60
        ("a: " + "1:" * 40_000 + "1", "80,001 digits in a number"),
        ("a: !!int '" + "9" * 5000 + "'", "5,000 digits in a number"),
        (
            "a: " + "x" * 100_001,
            "f, line 1: cannot be read: 100,001 characters in one value; at most 100,000 (--allow cha",
        ),
        ("x" * (1 << 21), "f: cannot be read: 2,097,152 characters; at most 1,048,576 (--allow yaml_bytes=NUMBER"),
        (
            "a: " + "${" * 500 + "}" * 500,
            "500 references ${...} in one another; at most 20 (--allow reference_levels=N",
        ),
        ("a: '" + "${b}" * 2001 + "'", "more than 2,000 references ${...} (--allow references=NUMBER"),
        ("- ${b}\n" * 2001, "f, line 2001: cannot be read: more than 2,000 references"),
        (
            "a: !!python/object/apply:os.system [id]",
            "a value of the kind 'python/object/apply:os.system' has no meaning",
        ),
        ("a: !!python/object/apply:pathlib.Path [x]", "has no meaning here"),
        ("a: !mine x", "a value of the kind '!mine' has no meaning here"),
        ("a: !!binary aGk=", "a value of the kind 'binary' has no meaning here"),
        ("a: !!timestamp 2024-05-10", "a value of the kind 'timestamp'"),
        ("a: !!set {b, c}", "a value of the kind 'set'"),
        ("%TAG ! tag:x,2000:\n" * 40_000 + "--- a", "%TAG has no meaning here"),
        ("a: !!int x", "f, line 1: not YAML: 'x' is no int"),
        ("a: !!bool x", "not YAML: 'x' is no bool"),
        ("a: !!float ''", "not YAML: '' is no float"),
        ("a: 1\nb: 2\na: 3", "f, line 3: not YAML: found duplicate key a"),
        ("{[a]: 1}", "a name is a text"),
        ("<<: 1", "not YAML: expected a mapping or list of mappings for merging"),
        ("a: \x00", "not YAML"),
        ("a: \x1b[31m", "not YAML"),
        ("a: \ud800", "half of a surrogate pair"),
        ("a: 1\n---\nb: 2", "not YAML"),
        ("a: [1", "not YAML"),
        ("a: '", "not YAML"),
        ("\ta: 1", "not YAML"),
    ],
)
def test_a_yaml_text_beyond_a_limit_is_one_line(text: str, reason: str) -> None:
    assert reason in refused(parse_yaml, text, "f")


def test_yaml_has_plain_values_and_dates_are_texts() -> None:
    text = "base: &b {x: 1, y: 2.5}\nmine: {<<: *b, y: 1e3}\nlist: [true, null, ~, 2024-05-10, 2001-99-99, =, '1', 1_0]"
    expected = {"base": {"x": 1, "y": 2.5}, "mine": {"x": 1, "y": 1000.0}}
    dates = ["2024-05-10", "2001-99-99"]
    assert parse_yaml(text, "f") == {**expected, "list": [True, None, None, *dates, "=", "1", 10]}
    assert parse_yaml("", "f") is None


def test_references_may_be_refused_altogether() -> None:
    assert parse_yaml("a: &x [1]\nb: *x", "f") == {"a": [1], "b": [1]}
    with pytest.raises(SpecError, match=r"f, line 2: not YAML: \*x is a reference; write it out"):
        parse_yaml("a: &x [1]\nb: *x", "f", references=False)


@pytest.mark.parametrize(
    ("text", "levels"), [("x", 0), ("${a}", 1), ("${a}${b}", 1), ("${a:${b}}${c}", 2), ("}}${a:${b:${c", 3)]
)
def test_references_in_one_another_are_counted(text: str, levels: int) -> None:
    assert reference_levels(text) == levels


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "[" * 200 + "]" * 200,
            "f: cannot be read: 200 levels of lists and mappings; at most 50 (--allow levels=NUMBER",
        ),
        ("[" * 100_000, "f: cannot be read: more than 50 levels"),
        ('{"a": ' * 60 + "1" + "}" * 60, "60 levels"),
        ("[" + "9" * 5000 + "]", "f: cannot be read: 5,000 digits in a number; at most 400 (--allow digits=NUMBER"),
        pytest.param("[" + "[]," * 2_000_001 + "0]", "f: cannot be read: 2,000,002 lists and mappings", id="lists"),
        pytest.param(b"[" + b"1," * 8_000_001 + b"0]", "f: cannot be read: 8,000,001 values; at most", id="values"),
        ('{"a": 1, "b": 2, "a": 3}', "f: the key 'a' is there twice"),
        ("{", "f: not JSON"),
        ("", "f: not JSON"),
        (b"\xff\xfe{", "f: not JSON"),
    ],
)
def test_a_json_text_beyond_a_limit_is_one_line(text: str | bytes, reason: str) -> None:
    assert reason in refused(parse_json, text, "f")


def test_json_within_the_limits_is_read_and_a_person_may_raise_them() -> None:
    assert parse_json('{"a": [1, 2.5, null, "x"]}', "f") == {"a": [1, 2.5, None, "x"]}
    with allowed([("levels", 70), ("digits", 5000), ("json_bytes", 10_000)]):
        assert parse_json("[" * 60 + "]" * 60, "f") != parse_yaml("[" * 61 + "]" * 61, "f")
        assert parse_json("1" * 4000, "f") == parse_yaml("1" * 4000, "f")
        assert "10,001 bytes; at most 10,000 (--allow json_bytes=NUMBER" in refused(parse_json, " " * 10_001, "f")


READERS: dict[str, Callable[[Path], object]] = {
    "an experiment": read_experiment,
    "limits of an SLO": read_slo,
    "a recipe": lambda path: read_recipe(path, read_csv),
    "yaml": lambda path: read_yaml(path, str(path)),
    "json": lambda path: read_json(path, str(path)),
    "text": lambda path: read_bounded(path, str(path)),
    "measured times": lambda path: read_curves(path, str(path)),
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_takes_regular_files_of_limited_size_alone(tmp_path: Path, reader: str) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "large.yaml").write_bytes(b"")
    os.truncate(tmp_path / "large.yaml", 1 << 40)  # a hole takes no room on the disk
    (tmp_path / "binary.yaml").write_bytes(b"a\xff")
    reasons = {
        "pipe": "it is a named pipe; only regular files are read",
        "zero": "it is a device; only regular files are read",
        "folder": "it is a folder; only regular files are read",
        "large": "1,099,511,627,776 bytes; at most [0-9,]+ \\(--allow (yaml|json|table)_bytes=NUMBER raises this limit",
        "binary": "UTF-8",
    }
    for name, reason in reasons.items():
        with pytest.raises(Exception, match=reason) as caught:
            READERS[reader](tmp_path / f"{name}.yaml")
        assert type(caught.value).__name__ in ("SpecError", "TraceError")
        assert f"{name}.yaml" in str(caught.value)


def test_an_entry_of_a_repository_is_read_within_the_limits(tmp_path: Path) -> None:
    reader = RepoReader(tmp_path)
    for name, text, reason in (
        ("laughs", LAUGHS, "laughs/a.yaml: cannot be read: over 10^28 values"),
        ("nested", "a: " + "${" * 500 + "}" * 500, "500 references ${...} in one another"),
        ("tag", "a: !!python/object/apply:pathlib.Path [x]", "has no meaning here"),
        ("list", "[1]", "must be a mapping of names to values"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text(text)
        with pytest.raises(SpecError, match=re.escape(reason)):
            reader.entries(name, key="hardware_repo.skus")
    (tmp_path / "pipes").mkdir()
    os.mkfifo(tmp_path / "pipes" / "a.yaml")
    with pytest.raises(SpecError, match="it is a named pipe"):
        reader.entries("pipes", key="hardware_repo.skus")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            ",".join(f"c{n}" for n in range(5000)) + "\n",
            "5,000 columns in its first line; at most 1,000 (--allow columns=",
        ),
        (MEDIANS + f"m,h,1,{'9' * 4000},1,1\n", "batch_tokens='999"),
        (MEDIANS + "m,h,1,2000000000,1,1\n", "row 1: batch_tokens='2000000000': must be at most 1,000,000,000"),
        (MEDIANS + "m,h,1,5,1e300,1\n", "row 1: prompt_time_s='1e300': must be at most 1,000,000,000"),
        (MEDIANS + 'm,h,1,5,"' + "1\n" * 200_000, "it is no CSV text in UTF-8 (field larger than field limit"),
    ],
)
def test_measured_times_have_a_range(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "db.csv").write_text(content)
    assert reason in refused(read_curves, tmp_path / "db.csv", "db.csv")
