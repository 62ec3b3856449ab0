"""Calibrated step times: those of another model, times a factor, and requests that come later."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from configs.compose import CONFIG_DIR, Composer
from sim_core import SimSpec, SpecError, spec_from_config
from sim_core.code_identity import Code
from sim_core.errors import SpecWarning
from sim_core.performance.calibrated import CalibratedPerformance, scaled
from sim_core.performance.calibrated_times import calibrated
from sim_core.performance.db import DatabasePerformance
from sim_core.performance.step_times import CALIBRATED, EXTRAPOLATED
from sim_core.spec import CurveSpec, PerformanceSpec
from sim_core.step import Step
from tests.runs import measured
from tests.sim_core import worlds

ROOT = CONFIG_DIR.parent
ONE_H100 = ["cluster=half_half", "cluster.servers.0.count=0", "cluster.servers.1.count=1", "start_state=baseline"]
DB = {"policy": "db", "db_path": "data/performance_curves.csv"}
CURVE = CurveSpec("tiny", "box-gpu", 1, (1, 100), (0.125, 0.5), (0.25, 0.5))
REQUESTS = [(0.0, 40, 9), (64.0, 100, 2), (128.0, 1, 1)]


def content(**changes: Any) -> dict[str, Any]:
    fitted = {"format": 1, "name": "mine", "factor": 1.25, "ttft_offset_s": 0.5, "performance_model": DB}
    return {name: value for name, value in {**fitted, **changes}.items() if value is not None}


def spec_of(tmp_path: Path, found: object, *overrides: str) -> SimSpec:
    file = tmp_path / "mine.json"
    file.write_text(found if isinstance(found, str) else json.dumps(found))
    words = [*ONE_H100, "performance_model=calibrated", f"performance_model.file={file}", *overrides]
    return spec_from_config(Composer().resolved(words), ROOT)


def tiny(performance: PerformanceSpec, **changes: Any) -> SimSpec:
    spec = worlds.spec(count=1, kv_tokens=4000, batch=worlds.instance("Splitwise"))
    return replace(spec, performance=performance, **changes)


def test_a_factor_of_one_changes_nothing() -> None:
    plain = PerformanceSpec("db", curves=(CURVE,))
    results = [measured(tiny(spec), worlds.trace(REQUESTS)) for spec in (plain, scaled(plain, 1.0, 0.0))]
    for name in ("prompt_end_s", "token_end_s", "e2e_s"):
        assert list(results[0].requests[name]) == list(results[1].requests[name])


def test_steps_of_a_request_alone_take_the_factor_times_as_long() -> None:
    plain = PerformanceSpec("db", curves=(CURVE,))
    once, twice = (
        measured(tiny(spec), worlds.trace(REQUESTS[:1])).requests for spec in (plain, scaled(plain, 2.0, 0.0))
    )
    for name in ("ttft_s", "tbt_s", "e2e_s"):
        assert list(twice[name]) == [2.0 * value for value in once[name]]


def test_an_overhead_is_not_scaled() -> None:
    times = DatabasePerformance(PerformanceSpec("db", curves=(CURVE,))).times_of("tiny", "box-gpu", 1)
    step = Step(prompt_tokens=40)
    assert calibrated(times, 2.0).plus(0.25).seconds(step, 1) == pytest.approx(2 * times.seconds(step, 1) + 0.25)


def test_the_machine_that_slowdowns_are_relative_to_keeps_its_times() -> None:
    plain = PerformanceSpec("db", curves=(CURVE,))
    model = CalibratedPerformance(scaled(plain, 2.0, 0.0))
    reference = model.step_times("tiny", "box-gpu", 1)
    assert reference is not None
    assert reference.alone(40) == DatabasePerformance(plain).times_of("tiny", "box-gpu", 1).alone(40)


def test_steps_are_calibrated_but_for_those_beyond_the_measurements() -> None:
    spec = tiny(scaled(PerformanceSpec("db", curves=(CURVE,)), 2.0, 0.0))
    result = measured(spec, worlds.trace([(0.0, 40, 3), (64.0, 200, 1)]))
    assert result.provenance_s.keys() == {CALIBRATED, EXTRAPOLATED}
    columns = result.requests
    assert result.provenance_s[EXTRAPOLATED] == pytest.approx(columns["ttft_s"][1])
    assert result.provenance_s[CALIBRATED] == pytest.approx(columns["e2e_s"][0])


def test_a_run_reads_factor_offset_and_the_model_below(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, content(), "router.overheads.routing_delay=0.25")
    assert (spec.performance.policy, spec.routing_delay_s) == ("calibrated", 0.75)
    assert dict(spec.performance.options) == {"of": "db", "factor": 1.25, "ttft_offset_s": 0.5}
    assert spec.performance.curves


def test_the_offset_delays_first_tokens_and_the_factor_stretches_the_rest(tmp_path: Path) -> None:
    plain = spec_from_config(Composer().resolved([*ONE_H100, "performance_model=db"]), ROOT)
    trace = worlds.trace([(0.0, 500, 20)])
    before, after = (measured(spec, trace).requests for spec in (plain, spec_of(tmp_path, content())))
    assert after["ttft_s"][0] == pytest.approx(0.5 + 1.25 * before["ttft_s"][0])
    assert after["tbt_s"][0] == pytest.approx(1.25 * before["tbt_s"][0])


def test_what_a_file_says_is_in_the_key_of_a_run_and_what_people_read_is_not(tmp_path: Path) -> None:
    digests = [spec_of(tmp_path, content(**changes)).digest() for changes in ({}, {"factor": 1.5}, {"name": "other"})]
    assert digests[0] == digests[2] != digests[1]


def test_the_code_of_the_model_below_is_in_the_key(tmp_path: Path) -> None:
    parts = Code().parts_for(spec_of(tmp_path, content()))
    assert {"sim_core.performance.db", "sim_core.performance.calibrated"} <= parts.keys()
    assert "sim_core.performance.linear" not in parts


def test_instances_that_were_not_fitted_are_named(tmp_path: Path) -> None:
    here = "bloom-176b (16 bits) on h100-80gb, TP8, Splitwise"
    with pytest.warns(SpecWarning, match=r"mine\.json was fitted on llama on a box: .* hold for bloom-176b"):
        spec_of(tmp_path, content(fitted_on=["llama on a box"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        spec_of(tmp_path, content(fitted_on=[here]))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("no JSON", "performance_model.file="),
        ("[1]", "must be a JSON object"),
        (content(format=9), "format=9: this version reads format 1"),
        (content(factor=0), "factor=0: must be"),
        (content(factor=None), "factor: is missing"),
        (content(ttft_offset_s=-1), "ttft_offset_s=-1: must be"),
        (content(performance_model={"policy": "calibrated"}), "performance_model.policy='calibrated': unknown name"),
        (content(performance_model={"policy": "constant"}), "performance_model.policy='constant': unknown name"),
        (content(performance_model={"policy": "db", "db_path": "no.csv"}), "no.csv"),
        (content(factors=2), "factors"),
    ],
)
def test_a_file_that_is_no_calibration_is_one_line_with_its_reason(tmp_path: Path, found: object, said: str) -> None:
    with pytest.raises(SpecError) as error:
        spec_of(tmp_path, found)
    assert said in str(error.value)
    assert "mine.json" in str(error.value) or "no.csv" in str(error.value)
