"""The policy `vllm` against vLLM's own scheduler, and its shortcuts against the same rules without any."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import engine_cases
from benchmarks.engine_cases import REQUEST, STEP, Case, difference
from tests.engine import random_cases
from tests.engine.block_by_block import PlainCase

CASES = Path(__file__).parent / "cases"
NAMES = sorted(path.name.removesuffix(".case.json.gz") for path in CASES.glob("*.case.json.gz"))


def read(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))


def unpacked(folder: Path, name: str) -> Path:
    """The two files of a case in `folder`, as the benchmark takes them. Returns that of the case."""
    (folder / f"{name}.expected.json.gz").write_bytes((CASES / f"{name}.expected.json.gz").read_bytes())
    case = folder / f"{name}.case.json"
    case.write_bytes(gzip.decompress((CASES / f"{name}.case.json.gz").read_bytes()))
    return case


def test_there_are_cases() -> None:
    assert len(NAMES) == 40


@pytest.mark.parametrize("name", NAMES)
def test_each_step_and_request_is_what_vllm_recorded(name: str) -> None:
    actual = Case(read(CASES / f"{name}.case.json.gz")).run()
    assert difference(actual, read(CASES / f"{name}.expected.json.gz")) == ""


def expected(actual: dict[str, Any]) -> dict[str, Any]:
    """What has happened, in the form of an expected file."""
    return {
        "step_columns": STEP,
        "steps": [[row[name] for name in STEP] for row in actual["steps"]],
        "request_columns": REQUEST,
        "requests": [[row[name] for name in REQUEST] for row in actual["requests"]],
        "summary": actual["summary"],
    }


def test_without_a_threshold_its_adaptive_form_limits_nothing() -> None:
    described = read(CASES / "x01_priority_adaptive_without_threshold.case.json.gz")
    adaptive = described["config"]["long_prefill_token_threshold_adaptive"]
    assert (adaptive, described["config"]["long_prefill_token_threshold"]) == (True, 0)
    config = described["config"] | {"long_prefill_token_threshold_adaptive": False}
    assert Case(described | {"config": config}).run() == Case(described).run()


@pytest.mark.parametrize("seeds", [range(first, first + 10) for first in range(0, 40, 10)], ids=str)
def test_shortcuts_change_nothing(seeds: range) -> None:
    for seed in seeds:
        described = random_cases.case(seed)
        case, plain = Case(described), PlainCase(described)
        actual = case.run()
        assert (seed, difference(actual, expected(plain.run()))) == (seed, "")
        assert (seed, case.kv.evicted) == (seed, plain.kv.evicted)
        if "stalled" not in actual["summary"]["status"]:
            assert (seed, case.kv.free, case.kv.holders) == (seed, case.kv.usable, 0)


@pytest.mark.parametrize("is_packed", [False, True])
def test_the_command_counts_the_cases_that_are_equal(
    is_packed: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = unpacked(tmp_path, "v27_async_seqs1")
    if is_packed:
        case.with_name(f"{case.name}.gz").write_bytes(gzip.compress(case.read_bytes(), mtime=0))
        case.unlink()
    assert engine_cases.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "v27_async_seqs1: equal\n1 of 1 cases equal\n"


def test_the_command_names_the_first_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = unpacked(tmp_path, "v27_async_seqs1")
    described = json.loads(case.read_text())
    described["timing"]["a_ns"] += 1
    case.write_text(json.dumps(described))
    assert engine_cases.main([str(tmp_path)]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first == "v27_async_seqs1: step 0, end_ns: 65753648, expected 65753647"
    assert last == "0 of 1 cases equal"


@pytest.mark.parametrize(
    ("case", "expected_file", "said"),
    [
        ("{", b"", "broken: x.case.json cannot be read"),
        ("[]", b"", "broken: x.case.json holds no object"),
        ("{}", b"", "broken: x.expected.json.gz cannot be read"),
        ("{}", gzip.compress(b"{}", mtime=0), "broken: x.case.json: format is missing"),
        ('{"format": 2}', gzip.compress(b"{}", mtime=0), "broken: x.case.json: format 2 is not known; 1 is"),
    ],
)
def test_a_broken_case_is_a_line_and_counts_as_different(
    case: str, expected_file: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.case.json").write_text(case)
    (tmp_path / "x.expected.json.gz").write_bytes(expected_file)
    assert engine_cases.main([str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"x: {said}")
    assert out.endswith("\n0 of 1 cases equal\n")


def test_settings_that_vllm_refuses_are_a_broken_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = unpacked(tmp_path, "v27_async_seqs1")
    described = json.loads(case.read_text())
    described["config"]["policy"] = "lifo"
    case.write_text(json.dumps(described))
    assert engine_cases.main([str(tmp_path)]) == 1
    assert "broken: v27_async_seqs1.case.json: policy='lifo': must be fcfs or priority" in capsys.readouterr().out


def test_a_folder_without_cases_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert engine_cases.main([str(tmp_path)]) == 2
    assert "has no *.case.json" in capsys.readouterr().err
