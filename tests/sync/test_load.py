from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sim_core.errors import SpecError
from sync import load_sweep, make_sink
from sync.__main__ import main
from sync.load import list_sweeps
from sync.results.outcome import checksum
from sync.results.slo import Slo
from tests.sync.stores import deliver


@pytest.fixture
def delivered(results, sweep, outcome):
    """A folder that the sink called `local` has left, which former versions had."""
    local = results / "quick start" / "local"
    for folder in ("outcomes", "requests"):
        (local / folder).mkdir(parents=True)
    (local / "sweep.json").write_text(json.dumps(sweep.to_json_dict()))
    failed = {
        "status": "failed",
        "error": "no [memory]\nTraceback",
        "summary": {},
        "requests_parquet": b"",
        "rate": None,
    }
    other = {"machines": {"dgx-h100": 1}, "axes": {"rate": "fast"}, "git_commit": None}
    for made in (outcome(2, **other), outcome(1), outcome(3, **failed)):
        values = made.to_json_dict()
        entry = {"outcome_sha256": checksum(values), "outcome": values}
        (local / "outcomes" / f"{made.key}.json").write_text(json.dumps(entry))
        if made.requests_parquet:
            (local / "requests" / f"{made.key}.parquet").write_bytes(made.requests_parquet)
    return results


def journal(results, *outcomes, keys=None, earlier_keys=()):
    points = results / "quick start" / "points"
    points.mkdir(parents=True)
    for made in outcomes:
        (points / f"{made.key}.json").write_text(json.dumps({"format": 1, "outcome": made.to_json_dict()}))
        if made.requests_parquet:
            (points / f"{made.key}.parquet").write_bytes(made.requests_parquet)
    if keys is not None:
        (points.parent / "sweep.json").write_text(json.dumps({"keys": keys, "earlier_keys": list(earlier_keys)}))


def test_runs_is_a_row_a_point_in_order_with_a_type_a_column(delivered):
    runs = load_sweep("quick start", delivered).runs
    assert runs["index"].tolist() == [1, 2, 3]
    assert runs["machines/dgx-a100"].tolist() == [3, 0, 3]
    assert runs["rate"].tolist()[:2] == [1.0, 2.0]
    assert runs["ttft/p99_s"].tolist()[:2] == [1.5, 1.5]
    assert runs.loc[2, ["rate", "ttft/p99_s"]].isna().all()
    assert runs["axis/rate"].tolist() == ["1", "fast", "3"]
    assert runs["error"].tolist()[2].startswith("no [memory]")


def test_a_folder_of_the_former_local_sink_has_the_limits_of_its_sweep_and_no_figure_changed_by_hand(
    delivered, outcome, sweep
):
    (delivered / "quick start" / "local" / "sweep.json").write_text(
        json.dumps(replace(sweep, slo=Slo(seconds={"ttft": {"p99": 1.0}})).to_json_dict())
    )
    path = delivered / "quick start" / "local" / "outcomes" / f"{outcome(2).key}.json"
    path.write_text(path.read_text().replace('"ttft/p99_s": 1.5', '"ttft/p99_s": 0.5'))
    for source in (None, "local"):
        assert load_sweep("quick start", delivered, source).runs["verdict"].tolist() == ["too slow: TTFT p99", "failed"]


def test_requests_are_found_by_the_beginning_of_their_key(delivered, outcome):
    sweep = load_sweep("quick start", delivered)
    assert sweep.requests(outcome(1).key)["ttft_s"].tolist() == [0.5] * 4


@pytest.mark.parametrize(("key", "reason"), [("0", "several runs"), ("e", "no run"), (f"{3:064x}", r"no \[memory\]")])
def test_requests_that_cannot_be_told_are_refused_with_the_reason(delivered, key, reason):
    with pytest.raises(SpecError, match=reason):
        load_sweep("quick start", delivered).requests(key)


def test_the_journal_is_read_before_the_folder(delivered, outcome):
    journal(delivered, outcome(5))
    assert load_sweep("quick start", delivered).runs["index"].tolist() == [5]
    assert len(load_sweep("quick start", delivered).requests(outcome(5).key)) == 4


def test_all_finished_points_are_read_where_it_is_not_known_which_the_experiment_has(results, outcome):
    journal(results, outcome(1), outcome(2), outcome(3))
    sweep = load_sweep("quick start", results)
    assert sweep.runs["index"].tolist() == [1, 2, 3]
    assert sweep.superseded == 0


def test_of_points_of_one_name_the_newest_is_read_and_the_others_are_counted(results, outcome):
    def again(number, day, **changes):
        return outcome(number, rate=9.0, trace="t", started_at=f"2026-01-0{day}T00:00:00+00:00", **changes)

    journal(results, again(1, 2), again(2, 3), again(3, 1), outcome(4), again(5, 1, seed=8))
    sweep = load_sweep("quick start", results)
    assert sweep.runs["index"].tolist() == [2, 4, 5]
    assert sweep.superseded == 2


def test_a_point_that_the_last_start_found_finished_is_newer_than_what_ran_after_it(results, outcome):
    same = [outcome(n, rate=9.0, trace="t", started_at=f"2026-01-0{n}T00:00:00+00:00") for n in (1, 2)]
    journal(results, *same, keys=[same[0].key])
    assert load_sweep("quick start", results).runs["index"].tolist() == [1]


def test_a_torn_outcome_is_left_out(results, outcome):
    journal(results, outcome(1), outcome(2))
    (results / "quick start" / "points" / f"{outcome(1).key}.json").write_text('{"outcome": {"na')
    assert load_sweep("quick start", results).runs["index"].tolist() == [2]


def test_an_unknown_sweep_is_refused_with_the_nearest_name(delivered):
    with pytest.raises(SpecError, match="did you mean 'quick start'"):
        load_sweep("quickstart", delivered)


@pytest.mark.parametrize("name", ["..", "quick start/../quick start", ""])
def test_a_sweep_is_looked_for_in_the_results_folder_alone(delivered, name):
    with pytest.raises(SpecError, match="no results of that sweep"):
        load_sweep(name, delivered)


def test_there_are_no_sweeps_where_there_is_no_folder(tmp_path):
    assert list_sweeps(tmp_path / "nowhere") == []


def test_list_counts_completed_and_failed_points(delivered, capsys):
    assert main(["--results", str(delivered), "list"]) == 0
    assert "quick start │ 2         │ 0       │ 1" in capsys.readouterr().out


def test_show_lists_runs_and_the_reason_of_a_failure(delivered, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["--results", str(delivered), "show", "quick start"]) == 0
    shown = capsys.readouterr().out
    assert "splitwise-ha 3P+2T conv 1 rps" in shown
    assert "failed: no [memory]" in shown
    assert "Traceback" not in shown


def test_show_of_an_unknown_sweep_is_one_line_and_status_2(delivered, capsys):
    assert main(["--results", str(delivered), "show", "quickstart"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: sweep='quickstart'")
    assert error.count("\n") == 1


def test_ui_prints_its_command(results, capsys):
    assert main(["--results", str(results), "ui", "--print"]) == 0
    shown = capsys.readouterr().out
    assert "mlflow ui --backend-store-uri" in shown
    assert "then open http://127.0.0.1:5000/" in shown


def test_ui_lists_the_pages_of_the_experiments(results, sweep, capsys, monkeypatch):
    make_sink("mlflow", results).open(sweep)
    monkeypatch.setattr("subprocess.call", lambda *_, **__: 0)
    assert main(["--results", str(results), "ui", "--port", "5055"]) == 0
    shown = capsys.readouterr().out
    assert "  quick start: http://127.0.0.1:5055/#/experiments/1/runs?" in shown
    assert "Default" not in shown


def test_ui_makes_no_database_to_look_for_experiments(tmp_path, monkeypatch):
    monkeypatch.setattr("subprocess.call", lambda *_, **__: 0)
    assert main(["--results", str(tmp_path), "ui"]) == 0
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_results_may_be_given_as_text(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no results of that sweep"):
        load_sweep("nothing", str(tmp_path))


def test_an_error_about_a_key_names_a_few_runs_and_how_to_list_them_all(results, outcome):
    journal(results, *(outcome(n) for n in range(1, 2001)))
    with pytest.raises(SpecError) as found:
        load_sweep("quick start", results).requests("e")
    some = ", ".join(f"0000000000 splitwise-ha 3P+2T conv {number} rps" for number in (1, 2, 3))
    assert str(found.value) == (
        f"key='e': no run has this name or key; there are {some} and 1,997 more"
        " (`python -m sync show 'quick start'` lists them)"
    )


# -- what counts -------------------------------------------------------------------------------------------------------


def test_points_that_the_experiment_no_longer_has_count_only_when_asked_for(results, outcome):
    journal(results, outcome(1), outcome(2), outcome(3), keys=[outcome(3).key], earlier_keys=[outcome(1).key])
    sweep = load_sweep("quick start", results)
    assert sweep.runs["index"].tolist() == [1, 3]
    assert (sweep.left_out, sweep.superseded) == (1, 0)
    whole = load_sweep("quick start", results, everything=True)
    assert whole.runs["index"].tolist() == [1, 2, 3]
    assert whole.left_out == 0


def test_a_point_left_out_is_not_also_superseded(results, outcome):
    old, new = (outcome(n, rate=9.0, trace="t", started_at=f"2026-01-0{n}T00:00:00+00:00") for n in (1, 2))
    journal(results, old, new, outcome(3), keys=[new.key])
    sweep = load_sweep("quick start", results)
    assert (list(sweep.outcomes), sweep.left_out, sweep.superseded) == ([new.key], 1, 1)


@pytest.mark.parametrize("command", [["show"], ["answers"], ["export", "--to", "{to}"]])
def test_commands_say_how_many_points_are_left_out_and_how_to_have_them(results, outcome, capsys, tmp_path, command):
    journal(results, *(outcome(n) for n in (1, 2, 3)), keys=[outcome(3).key])
    name, *options = [part.format(to=tmp_path / "exported") for part in command]
    assert main(["--results", str(results), name, "quick start", *options]) == 0
    told = capsys.readouterr().out
    assert "2 finished points are left out: the experiment, as it was last started, does not have them" in told
    assert "--all counts them in" in told
    if name != "export":
        main(["--results", str(results), name, "quick start", "--all"])
        assert "left out" not in capsys.readouterr().out


def test_list_has_sweeps_that_are_in_mlflow_alone(results, sweep, outcome, capsys):
    journal(results, outcome(1))
    for name in (sweep.name, "elsewhere"):
        deliver(results, replace(sweep, name=name), outcome(1), outcome(2))
    assert main(["--results", str(results), "list"]) == 0
    told = capsys.readouterr().out
    assert "elsewhere (in MLflow) │ 2 " in told
    assert told.count("quick start") == 1


def test_list_goes_on_without_a_server_that_does_not_answer(delivered, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert main(["--results", str(delivered), "list"]) == 0
    told = capsys.readouterr()
    assert "quick start" in told.out
    assert "does not answer" in told.err


def test_where_nothing_counts_it_is_said_what_was_left_out(results, outcome):
    journal(results, outcome(1), outcome(2), keys=["another"])
    for conditions, reason in (({}, "no run of it is finished"), ({"rate": 1}, "no run meets these conditions")):
        with pytest.raises(SpecError, match=rf"{reason} \(2 that the experiment no longer has are left out\)"):
            load_sweep("quick start", results).where(**conditions)
