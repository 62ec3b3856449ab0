"""Journals whose entries somebody has written on purpose: with valid digests, and with values that no run has."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sync.__main__ import main
from sync.load import load_sweep
from sync.results.entry import FORMAT
from sync.results.journal import Journal, JournalWarning

BIG = 10**400
Values = dict[str, Any]


def crafted(values: Values, table: bytes = b"", **changes: Any) -> str:
    """The text of an entry of any values, with the digests that make it look as if a sweep had written it."""
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    entry = {
        "format": FORMAT,
        "parquet_bytes": len(table),
        "parquet_sha256": hashlib.sha256(table).hexdigest(),
        "outcome_sha256": hashlib.sha256(canonical.encode()).hexdigest(),
        "outcome": values,
    }
    return json.dumps(entry | changes)


def put(results: Path, name: str, values: Values, text: str = "") -> Path:
    points = results / name / "points"
    points.mkdir(parents=True, exist_ok=True)
    path = points / f"{values['key'] if isinstance(values.get('key'), str) else '0' * 64}.json"
    path.write_text(text or crafted(values))
    return path


GPUS = {"processor": "a", "application_id": 0, "tensor_parallelism": 1, "idle_s": 1.0, "prompt_s": 1.0, "token_s": 1.0}
# field, value, and what the message says of it
FIELDS: list[tuple[str, Any, str]] = [
    ("cost", -1, "cost=-1: must be a number from 0"),
    ("cost", "cheap", "cost='cheap': must be a number"),
    ("cost", BIG, "cost=1000.*: must be a number"),
    ("cost", True, "cost=True: must be a number"),
    ("power", float("nan"), "power=nan: must be a number"),
    ("watts", float("inf"), "watts=inf: must be a number"),
    ("gpus", "eight", "gpus='eight': must be a list"),
    ("gpus", [{"processor": "a"}], r"gpus\[0\].application_id: is missing"),
    ("gpus", [{**GPUS, "idle_s": -1.0}], "idle_s=-1.0: must be a number from 0"),
    ("gpus", [{**GPUS, "idle_w": 1.0}], r"gpus\[0\].origin: is missing"),
    ("gpus", [{**GPUS, "idle_w": 1.0, "prompt_w": 1.0, "token_w": 1.0, "origin": "told"}], "origin='told': unknown"),
    ("gpus", [{**GPUS, "watts": 1.0}], "watts: unknown field"),
    ("wall_s", "a while", "wall_s='a while': must be a number"),
    ("wall_s", 2e12, "wall_s=2000000000000.0: must be a number from 0 to 1e"),
    ("cpu_s", -0.5, "cpu_s=-0.5: must be a number from 0"),
    ("cpu_s", None, "cpu_s=null: must be a number"),
    ("name", None, "name=null: must be a text"),
    ("name", "", "name: must have 1 to 10,000 characters, not 0"),
    ("name", "x" * 20_000, "name: must have 1 to 10,000 characters, not 20,000"),
    ("name", "half \ud800", "name: holds a character that no text has"),
    ("system", ["a"], r"system=\['a'\]: must be a text"),
    ("design", 7, "design=7: must be a text"),
    ("workload", None, "workload=null: must be a text"),
    ("trace", {"dir": "x"}, "trace={'dir': 'x'}: must be a text"),
    ("trace_identity", "zero\0byte", "trace_identity: holds a character that no text has"),
    ("index", 1.5, "index=1.5: must be a whole number"),
    ("index", -1, "index=-1: must be a whole number"),
    ("index", 2**53 + 1, "index=9007199254740993: must be a whole number"),
    ("seed", "7", "seed='7': must be a whole number"),
    ("seed", 2**63, "seed=9223372036854775808: must be a whole number"),
    ("rate", float("-inf"), "rate=-inf: must be a number"),
    ("rate", [1], r"rate=\[1\]: must be a number"),
    ("status", "perfect", "status='perfect': unknown"),
    ("status", ["completed"], "status=.'completed'.: unknown"),
    ("error", 5, "error=5: must be a text"),
    ("started_at", "yesterday", "started_at='yesterday': must be a time"),
    ("started_at", "0001-01-01T00:00:00", "started_at='0001.*: must be a time"),
    ("version", 1, "version=1: must be a text"),
    ("git_commit", "abc1234\nrm -rf ~", r"git_commit='abc1234\\nrm -rf ~': must be a commit"),
    ("git_commit", "abc12", "git_commit='abc12': must be a commit"),
    ("git_commit", "$(date)", "must be a commit"),
    ("overrides", "seed=1", "overrides='seed=1': must be a list"),
    ("overrides", ["seed=1", 2], r"overrides\[1\]=2: must be KEY=VALUE"),
    ("overrides", ["--config-dir=/evil"], r"overrides\[0\]='--config-dir=/evil': must be KEY=VALUE"),
    ("overrides", ["-m"], r"overrides\[0\]='-m': must be KEY=VALUE"),
    ("overrides", ["hydra.run.dir=/evil"], r"overrides\[0\]=.*none of Hydra's own"),
    ("overrides", ["+hydra/launcher=evil"], r"overrides\[0\]=.*none of Hydra's own"),
    ("overrides", ["seed=1\0"], r"overrides\[0\]=.*: must be KEY=VALUE"),
    ("axes", [], r"axes=\[\]: must be `name: value` pairs"),
    ("axes", {"rate": BIG}, "axes.rate=1000.*: must be a number"),
    ("axes", {"rate": [1, {"a": float("nan")}]}, r"axes.rate\[1\].a=nan: must be a number"),
    ("machines", {"dgx-h100": -3}, "machines.dgx-h100=-3: must be a whole number"),
    ("machines", {"dgx-h100": "many"}, "machines.dgx-h100='many': must be a whole number"),
    ("machines", {"": 1}, "machines.: must have 1 to 10,000 characters"),
    ("plugins", {"../mine.py": "ab" * 32}, r"plugins.../mine.py='../mine.py': must be the name of a Python file"),
    ("plugins", {"--evil.py": "ab" * 32}, "plugins.--evil.py='--evil.py': must be the name of a Python file"),
    ("plugins", {"mine.py": "$(date)"}, r"plugins.mine.py='\$\(date\)': must be a SHA-256"),
    ("roles", {"wizard": {"dgx-h100": 1}}, "roles.wizard='wizard': unknown"),
    ("roles", {"prompt": {"dgx-h100": 1.5}}, "roles.prompt.dgx-h100=1.5: must be a whole number"),
    ("goodput_limits", {"ttft_s": float("nan")}, "goodput_limits.ttft_s=nan: must be a number"),
    ("goodput_limits", {"cost_s": 1.0}, "goodput_limits.cost_s='cost_s': unknown"),
    ("summary", None, "summary=null: must be `name: value` pairs"),
    ("summary", {"run/completed": "nan"}, "summary.run/completed='nan': must be a count"),
    ("summary", {"run/completed": 4.5}, "summary.run/completed=4.5: must be a count"),
    ("summary", {"run/rejected": -1.0}, "summary.run/rejected=-1.0: must be a count"),
    ("summary", {"run/events": 2.0**60}, "summary.run/events=.*: must be a count"),
    ("summary", {"ttft/p99_s": -5.0}, "summary.ttft/p99_s=-5.0: must be a number"),
    ("summary", {"run/end_s": 1e13}, "summary.run/end_s=10000000000000.0: must be a number from .* to 1e"),
    ("summary", {"ttft/p99_s": "fast"}, "summary.ttft/p99_s='fast': must be a number"),
    ("summary", {"ttft/p99_s": "0.1"}, "summary.ttft/p99_s='0.1': must be a number"),
    ("summary", {"application_1/run/completed": "inf"}, "summary.application_1/run/completed='inf': must be a"),
    ("summary", {"goodput/attainment": 7.0}, "summary.goodput/attainment=7.0: must be a number from 0 to 1.01"),
    ("summary", {"run/stable": 0.5}, "summary.run/stable=0.5: must be a count"),
    ("summary", {"run/end_s": "-inf"}, "summary.run/end_s='-inf': must be a number"),
    ("summary", {"run/backlog_growth_per_s": "nan"}, "summary.run/backlog_growth_per_s='nan': must be a number"),
    ("summary", {"ttft/p99_s": "-inf"}, "summary.ttft/p99_s='-inf': must be a number"),
    ("summary", {"goodput/attainment": "inf"}, "summary.goodput/attainment='inf': must be a number"),
    ("summary", {"ttft/p50_s": 3.0, "ttft/p90_s": 2.0}, "summary.ttft/p90_s=2.0: is below ttft/p50_s=3"),
    ("summary", {"e2e/p90_slowdown": 3.0, "e2e/p99_slowdown": 2.0}, "summary.e2e/p99_slowdown=2.0: is below e2e/p90_"),
    ("summary", {"x" * 20_000: 1.0}, "must have 1 to 10,000 characters"),
    ("summary", {"a": {"b": 1}}, "summary.a={'b': 1}: must be a number"),
    ("config_yaml", None, "config_yaml=null: must be a text"),
    ("evil", 1, "evil: unknown field"),
]


@pytest.mark.parametrize(("field", "value", "message"), FIELDS, ids=[f"{f}-{n}" for n, (f, *_) in enumerate(FIELDS)])
def test_a_value_that_no_run_has_is_named_and_the_other_entries_are_read(
    tmp_path: Path, outcome: Callable[..., Any], field: str, value: Any, message: str
) -> None:
    sound, values = outcome(1), outcome(2).to_json_dict() | {field: value}
    put(tmp_path, "x", sound.to_json_dict())
    path = put(tmp_path, "x", values)
    with pytest.warns(JournalWarning, match=f"1 entry of .*x cannot be used: {path.name}: .*{message}") as warned:
        assert set(Journal(tmp_path / "x").outcomes()) == {sound.key}
    assert "\n" not in str(warned[0].message)
    with pytest.warns(JournalWarning, match=f"{path.name}: ignored, and its point run again: "):
        assert Journal(tmp_path / "x").read(values["key"]) is None


def _former(values: Values, **changes: Any) -> Values:
    return {name: value for name, value in values.items() if name not in ("design", "workload")} | changes


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n"
    for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)

# the text of an entry, and what the message says
TEXTS: dict[str, tuple[Callable[[Values], str], str]] = {
    "no object": (lambda values: "7", "no JSON object"),
    "deep": (lambda values: '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
    "deep axis": (lambda v: crafted(v).replace('"rate": 2}', '"rate": ' + "[" * 600 + "]" * 600 + "}"), "too deeply"),
    "digits": (lambda values: '{"format": ' + "9" * 5000 + "}", "Exceeds the limit|must be"),
    "format": (lambda values: crafted(values, format="two"), "format='two': must be a whole number"),
    "digest": (lambda values: crafted(values, outcome_sha256=7), "outcome_sha256=7: must be a SHA-256"),
    "bytes": (lambda values: crafted(values, parquet_bytes="many"), "parquet_bytes='many': must be a whole number"),
    "no outcome": (lambda values: crafted(values, outcome=None), "must be `name: value` pairs"),
    "missing": (lambda v: crafted({n: x for n, x in v.items() if n != "cost"}), "cost: is missing"),
    "no YAML": (lambda v: crafted(_former(v, config_yaml="{")), "not YAML"),
    "laughs": (lambda v: crafted(_former(v, config_yaml=LAUGHS)), "at most 100,000"),
    "odd sections": (lambda v: crafted(_former(v, config_yaml="start_state: {prompt: 5, split_type: x}")), "outcome"),
    "too large": (lambda values: " " * (5 << 20), "at most 4,194,304"),
    "not UTF-8": (lambda values: "\udcff", "utf-8|UTF-8|decode"),
}


@pytest.mark.parametrize(("text", "message"), TEXTS.values(), ids=list(TEXTS))
def test_a_text_that_is_no_entry_is_named_and_the_other_entries_are_read(
    tmp_path: Path, outcome: Callable[..., Any], text: Callable[[Values], str], message: str
) -> None:
    sound, values = outcome(1), outcome(2).to_json_dict()
    put(tmp_path, "x", sound.to_json_dict())
    path = put(tmp_path, "x", values)
    path.write_bytes(text(values).encode("utf-8", "surrogateescape"))
    with pytest.warns(JournalWarning, match=f"1 entry of .*x cannot be used: {path.name}: .*({message})"):
        assert set(Journal(tmp_path / "x").outcomes()) == {sound.key}


def test_of_many_entries_that_cannot_be_used_the_first_is_named_and_all_are_counted(
    tmp_path: Path, outcome: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(1, 6):
        put(tmp_path, "x", outcome(number).to_json_dict() | ({"cost": -1} if number > 1 else {}))
    assert main(["--results", str(tmp_path), "show", "x"]) == 0
    output, errors = capsys.readouterr()
    assert "4 entries cannot be used and do not count." in output
    assert f"warning: 4 entries of {tmp_path}/x cannot be used: {2:064x}.json: cost=-1: must be" in errors
    assert errors.count("\n") == 1 and "(and 3 more)" in errors


SWEEP_FILES: list[tuple[Values, str]] = [
    ({"name": "../../etc"}, "name='../../etc': must be a sweep's name"),
    ({"name": None}, "name=null: must be a sweep's name"),
    ({"points": "many"}, "points='many': must be a whole number"),
    ({"points": 10**300}, "points=1000.*must be a whole number"),
    ({"command": ["rm"]}, r"command=\['rm'\]: must be a text"),
    ({"experiment_text": None}, "experiment_text=null: must be a text"),
    ({"sweep_id": 5}, "sweep_id=5: must be a text"),
    ({"slo": {"seconds": {"ttft": {"p99": -1}}}}, "slo.seconds.ttft.p99=-1: a limit is a number above 0"),
    ({"slo": "none"}, "slo='none': expected"),
    ({"keys": ["a/../b"]}, r"keys\[0\]='a/../b': must be a content key"),
    ({"point_facts": {"a": {"index": "first"}}}, "point_facts.a.index='first': must be a whole number"),
    ({"point_facts": {"a": {"rate": float("nan")}}}, "point_facts.a.rate=nan: must be a number"),
    ({"point_facts": {"a": {"name": None}}}, "point_facts.a.name=null: must be a text"),
    ({"point_facts": {"a": {"roles": {"prompt": 3}}}}, "point_facts.a.roles.prompt=3: must be"),
    ({"machines": {"h": {"watts": "many"}}}, "machines.h.watts='many': must be a number"),
    ({"machines": {"h": {"dollars_per_hour": -1}}}, "machines.h.dollars_per_hour=-1: must be a number from 0"),
    ({"machines": {"h": {"source": 3}}}, "machines.h.source=3: must be a text"),
    ({"plugins": {"x": {"file": "a.py"}}}, "plugins.x='x': must be a SHA-256"),
    ({"plugins": {"ab" * 32: {"run": "a.py"}}}, "run='run': unknown"),
    ({"plugins": {"ab" * 32: {"file": "../a.py"}}}, "file='../a.py': must be the name of a Python file"),
    ({"format": -1}, "format=-1: must be a whole number"),
    ({"growth": True}, "growth=True: must be `name: value` pairs"),
    ({"growth": {"is_done": 1, "others": []}}, "growth.is_done=1: must be true or false"),
    ({"growth": {"is_done": False}}, "growth.others=null: must be a list"),
    ({"growth": {"is_done": False, "others": ["../x"]}}, r"growth.others\[0\]='../x': must be a content key"),
]


@pytest.mark.parametrize(("changes", "message"), SWEEP_FILES, ids=[str(n) for n in range(len(SWEEP_FILES))])
def test_a_sweep_json_with_a_value_that_none_has_is_not_believed_and_says_why(
    tmp_path: Path, sweep: Any, outcome: Callable[..., Any], changes: Values, message: str
) -> None:
    put(tmp_path, "x", outcome(1).to_json_dict())
    (tmp_path / "x" / "sweep.json").write_text(json.dumps(sweep.to_json_dict() | {"keys": ["no"]} | changes))
    with pytest.warns(JournalWarning, match=f"sweep.json: cannot be used, .*not known: .*{message}"):
        assert set(load_sweep("x", tmp_path).outcomes) == {outcome(1).key}


@pytest.mark.parametrize(
    "status",
    [
        '{"searches": "many"}',
        '{"left_s": NaN, "speed": "1 run/min"}',
        '{"left_s": 1e999}',
        '{"running": "\\u001b[31m"}',
        '{"at": 5}',
        "[]",
    ],
)
def test_a_status_with_a_value_that_none_has_is_none(tmp_path: Path, status: str) -> None:
    (tmp_path / "status.json").write_text(status)
    assert Journal(tmp_path).status() == {}
