"""`python -m sim_core steps`: a table of measured steps from lines of the same shape as vLLM's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sim_core.performance.measured_steps import read_steps
from sweep.calibrate.vllm_log import (
    DUMMY,
    ENCODED,
    MIXED,
    NO_CONTEXT,
    SPECULATED,
    LoggedStep,
    grouped,
    read_log,
)
from sweep.single.command import main

SIZE = "INFO 01-01 00:00:00 [kv_cache_utils.py:1148] GPU KV cache size: 100,000 tokens, Maximum concurrency for 8,192"
WORDS = ("--model", "tiny", "--hardware", "box-gpu", "--tensor-parallel", "1")


def line(
    index: int, prompts: int = 0, tokens: int = 0, decodes: int = 0, ms: float = 20.0, used: float = 0.0, **odd: object
) -> str:
    outputs, dummy, encoder = odd.get("outputs", decodes), odd.get("dummy", ""), odd.get("encoder", "")
    return (
        f"INFO 01-01 00:00:00 [loggers.py:200] {odd.get('engine', '')}Iteration({index}): {prompts} context requests, "
        f"{tokens} context tokens, {decodes} generation requests, {outputs} generation tokens, iteration elapsed time: "
        f"{ms:.2f} ms{dummy}, GPU KV cache usage: {used:.1f}%{encoder}"
    )


# Two prompts, of which the first decodes alone and both together; then both are gone, and a third one comes.
RUN = [
    SIZE,
    line(0, 1, 1000, ms=50, used=1.0),
    line(1, decodes=1, ms=20, used=1.0),
    line(2, 1, 500, 1, ms=45, used=1.6),
    line(3, decodes=2, ms=21, used=1.6),
    line(4, decodes=2, ms=22, used=0.0),
    line(5, 1, 2000, ms=90, used=2.0),
    line(6, 1, 300, ms=30, used=2.3),
]


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["sim_core", "steps", *words])
    return main()


def test_a_step_has_the_context_that_the_line_before_it_tells() -> None:
    log = read_log(RUN, None, 16)
    assert log.kv_tokens == 100_000
    assert log.steps == [
        LoggedStep(0, 1, 1000 - 8, 0.020),
        LoggedStep(0, 2, 1600 - 16, 0.021),
        LoggedStep(0, 2, 1600 - 16, 0.022),
        LoggedStep(2000, 0, 0, 0.090),
        LoggedStep(300, 0, 2000 - 8, 0.030),
    ]
    assert log.left_out == {NO_CONTEXT: 1, MIXED: 1}


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (line(1, decodes=4, dummy=" (dummy)"), DUMMY),
        (line(1), DUMMY),
        (line(1, decodes=4, outputs=12), SPECULATED),
        (line(1, 1, 90, encoder=", encoder inputs: 1, encoder output embeddings: 576"), ENCODED),
        (line(2, decodes=4), NO_CONTEXT),
        (line(1, decodes=4, engine="Engine 001: "), NO_CONTEXT),
    ],
)
def test_what_a_table_cannot_have_is_counted_by_reason(odd: str, reason: str) -> None:
    log = read_log([SIZE, line(0, decodes=1), odd], None, 16)
    assert log.steps == []
    assert log.left_out[reason] == (2 if reason == NO_CONTEXT else 1)


def test_engines_in_one_log_have_iterations_of_their_own() -> None:
    lines = [line(number, decodes=2, used=1.0, engine=f"Engine 00{rank}: ") for number in range(3) for rank in (0, 1)]
    assert len(read_log(lines, 1000, 16).steps) == 4


def test_steps_of_nearly_the_same_sizes_are_one_row_with_their_median() -> None:
    steps = [LoggedStep(0, 3, 1000 + number, 0.01 * (number + 1)) for number in range(3)]
    assert grouped([*steps, LoggedStep(0, 3, 2000, 0.5), LoggedStep(0, 4, 1000, 0.25)]) == [
        LoggedStep(0, 3, 1001, 0.02),
        LoggedStep(0, 3, 2000, 0.5),
        LoggedStep(0, 4, 1000, 0.25),
    ]


def test_the_table_is_one_that_runs_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log, table = tmp_path / "vllm.log", tmp_path / "steps.csv"
    log.write_text("\n".join(RUN) + "\n")
    assert call(monkeypatch, str(log), *WORDS, "--out", str(table)) == 0
    (steps,) = read_steps(table, "steps.csv").values()
    assert (steps.model, steps.hardware, steps.tensor_parallelism) == ("tiny", "box-gpu", 1)
    assert steps.prompts == ((300, 1992, 0.03), (2000, 0, 0.09))
    assert steps.decodes == ((1, 992, 0.02), (2, 1584, 0.0215))
    said = capsys.readouterr().out
    assert "5 steps as 4 rows" in said
    assert f"performance_model=table performance_model.db_path={table}" in said


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([SIZE], "has no line of an iteration; start vLLM with --enable-logging-iteration-details"),
        (RUN[1:], "does not say the size of the KV cache; give --kv-tokens"),
        (RUN[:5], "has steps of prompts alone of 0 sizes; a table needs two"),
    ],
)
def test_a_log_that_makes_no_table_is_one_line_with_what_to_do(
    lines: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "vllm.log"
    log.write_text("\n".join(lines) + "\n")
    assert call(monkeypatch, str(log), *WORDS, "--out", str(tmp_path / "steps.csv")) == 2
    error = capsys.readouterr().err
    assert f"{log}: " in error
    assert said in error
    assert not (tmp_path / "steps.csv").exists()
