"""`python -m sim_core calibrate` from files to a performance model that a run uses."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from math import isclose
from pathlib import Path

import pytest

from configs.compose import CONFIG_DIR, Composer
from sim_core import spec_from_config
from sim_core.performance.calibrated import scaled
from sweep.calibrate.fit import Fit
from sweep.calibrate.formats.base import CONSTANT, Lengths, MeasuredPoint
from sweep.calibrate.runs import Deployment, trace_of
from sweep.single.command import main
from tests.sweep.calibrate import made

ROOT = CONFIG_DIR.parent
ONE_H100 = ("cluster=half_half", "cluster.servers.0.count=0", "cluster.servers.1.count=1")
RUN = (*ONE_H100, "start_state=baseline", "applications.0.scheduler=token_jsq", "performance_model=db")
POINTS = [  # one client each: where several share steps, a request that comes later may start with the same step
    MeasuredPoint(f"c1, {tokens}", Lengths(tokens, tokens), Lengths(20, 20), None, None, concurrency=1, requests=20)
    for tokens in (200, 500, 1100)
]


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["sim_core", "calibrate", *words])
    return main()


def table_of(points: Sequence[MeasuredPoint], truth: Fit) -> str:
    """What a user would measure on an engine of which `truth` holds."""
    deployment = Deployment(RUN)
    rows = []
    for point in points:
        times = deployment.run(point, truth)
        rows.append(f"{point.prompts.low},20,{point.concurrency},{times.ttft_ms!r},{times.tpot_ms!r},20,")
    return made.table(*rows)


def test_an_engine_of_known_factor_and_offset_is_found_and_runs_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(table_of(POINTS, Fit(1.25, 0.03125)))
    monkeypatch.setenv("COLUMNS", "150")
    assert call(monkeypatch, str(file), *RUN, "--out", str(tmp_path / "out"), "--name", "mine") == 0
    said = capsys.readouterr().out
    model = tmp_path / "out" / "mine.json"
    found = json.loads(model.read_text())
    assert isclose(found["factor"], 1.25, rel_tol=1e-3)
    assert isclose(found["ttft_offset_s"], 0.03125, rel_tol=0.05)
    assert found["performance_model"] == {"policy": "db", "db_path": "data/performance_curves.csv"}
    for metric in ("tpot", "ttft"):
        assert found["errors"][metric]["before"] > 0.1
        assert max(found["errors"][metric][stage] for stage in ("after", "left_out")) < 0.02
    assert f"performance_model=calibrated performance_model.file={model}" in said
    assert "factor 1.25 on step times" in said
    assert (tmp_path / "out" / "mine.svg").read_bytes().startswith(b"<?xml")

    used = [*RUN[:-1], "performance_model=calibrated", f"performance_model.file={model}"]
    spec = spec_from_config(Composer().resolved(used), ROOT)
    plain = spec_from_config(Composer().resolved(RUN), ROOT)
    assert spec == replace(
        plain,
        performance=scaled(plain.performance, found["factor"], found["ttft_offset_s"]),
        routing_delay_s=plain.routing_delay_s + found["ttft_offset_s"],
    )


def test_options_stand_anywhere_and_one_point_says_that_nothing_was_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.json"
    file.write_text(made.vllm(completed=8, total_input_tokens=8 * 500, total_output_tokens=8 * 20))
    assert call(monkeypatch, "--out", str(tmp_path), RUN[0], str(file), *RUN[1:]) == 0
    assert "One point: how well the fit holds for others is not known." in capsys.readouterr().out
    assert (tmp_path / "calibrated.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (RUN, "names no file with benchmark results"),
        (("no-file.json", *RUN), "no-file.json: cannot be read"),
        (("a.csv", "a.csv", *RUN), "is given twice"),
        (("a.csv", "b.csv", *RUN), "the files are of several models (other, tiny)"),
        (("a.csv", *RUN, "performance_model=calibrated"), "performance_model='calibrated': is calibrated already"),
        (("a.csv", *RUN[:-1]), "performance_model='constant': has times for testing"),
        (("a.csv", *RUN, "performance_model.no=1"), "performance_model.no"),
        (("a.csv", *RUN, "--name", "a/b"), "'a/b' is no name"),
        (("a.csv", "applications=duo", "start_state=several", "performance_model=db"), "one application at a time"),
        (("a.csv", *RUN, "end_time=1"), "of its requests were not served"),
    ],
)
def test_a_mistake_is_one_line(
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text(made.table("500,20,1,400,50,10,tiny"))
    Path("b.csv").write_text(made.table("500,20,1,400,50,10,other"))
    status: object
    try:
        status = call(monkeypatch, *words)
    except SystemExit as end:
        status = end.code
    error = capsys.readouterr().err
    assert status == 2
    assert said in error
    assert error.count("\n") == 1


def test_requests_of_a_rate_come_at_it() -> None:
    point = replace(POINTS[0], concurrency=None, rate=4.0, requests=400)
    poisson, even = (trace_of(replace(point, spacing=spacing), 0).arrival_s for spacing in ("poisson", CONSTANT))
    assert list(even[:3]) == [0.0, 0.25, 0.5]
    assert poisson[-1] == pytest.approx(100.0, rel=0.2)
    assert list(trace_of(point, 0).arrival_s) != list(trace_of(point, 1).arrival_s)


def test_clients_send_as_many_requests_as_the_file_says_or_ten_each() -> None:
    point = replace(POINTS[2], concurrency=4, prompts=Lengths(1, 9, (1, 9)), outputs=Lengths(3, 5))
    trace = trace_of(point, 0)
    assert (len(trace), trace.clients[0].concurrency) == (20, 4)
    assert list(trace.prompt_tokens) == [1, 9] * 10
    assert set(trace.output_tokens) == {3, 4, 5}
    assert len(trace_of(replace(point, requests=None), 0)) == 40
