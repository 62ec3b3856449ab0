"""Questions on the command line and in Python: `find:` in an experiment, `python -m sweep plan`, `sweep.plan`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sweep
from sim_core.errors import SpecError
from sweep.command import main
from sweep.experiment.file import parse_experiment, same_experiment
from sweep.experiment.overrides import with_find
from sweep.experiment.question import Question
from sweep.planner.ask import Words, experiment_text, words_from
from sweep.questions import limit_notes
from sync.results.slo import PAPER, Slo

MOST = """\
name: t
find: {most: rate}
budget: {cost: {dgx-h100: 4}}
overrides: {performance_model: db, trace.filename: "rr_conv_${rate}_2min"}
systems:
  base: {design: {baseline: dgx-h100}}
"""


@pytest.fixture
def question_file(tmp_path: Path) -> Path:
    path = tmp_path / "question.yaml"
    path.write_text(MOST)
    return path


def test_a_dry_run_shows_what_is_searched(question_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(question_file), "--dry-run", "find.width=5%", "find.seeds=16", "find.confidence=99%"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].split() == ["base", "conv", "highest", "rate", "1", "152", "16", "5%"]
    assert "confidence 99%" in lines[4]


def test_a_dry_run_as_json_has_the_first_points(question_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(question_file), "--dry-run", "--format", "json"]) == 0
    (point, *_) = json.loads(capsys.readouterr().out)
    assert point["system"] == "base"
    assert point["machines"] == {"dgx-h100": 4}
    assert point["seed"] == 0
    assert point["trace"].startswith("rr_conv_")


@pytest.mark.parametrize(
    ("option", "reason"),
    [("--limit", "a search decides itself which points run"), ("--point", "python -m sim_core OVERRIDES")],
)
def test_options_of_grids_are_refused(
    question_file: Path, capsys: pytest.CaptureFixture[str], option: str, reason: str
) -> None:
    assert main([str(question_file), option, "3"]) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("slo: {slowdown: {ttft: {p99: 6}}}\n", "opt-30b"),
        ("machines: {dgx-h100: {watts: 0}}\n", "watts"),
    ],
)
def test_a_figure_that_is_not_known_is_named(
    question_file: Path, capsys: pytest.CaptureFixture[str], change: str, reason: str
) -> None:
    question_file.write_text(MOST + change)
    model = ["applications.0.model_architecture=opt-30b", "applications.0.model_size=opt-30b-fp16"]
    assert main([str(question_file), "--dry-run", *model]) == 2
    assert reason in capsys.readouterr().err


def test_the_question_can_be_changed_on_the_command_line() -> None:
    experiment = parse_experiment(MOST, "")
    changed, others = with_find(experiment, ["find.width=2%", "seed=1", "find.seeds=32"])
    assert changed.find == Question("most", "rate", width=0.02, seeds=32)
    assert others == ["seed=1"]
    assert with_find(experiment, ["find.least=power"])[0].find == Question("least", "power")
    assert with_find(experiment, ["find={least: cost, width: 4%}"])[0].find == Question("least", "cost", width=0.04)
    assert with_find(experiment, ["~find"])[0].find is None
    assert with_find(experiment, ["rate=3"])[0] is experiment


def test_a_finer_question_is_the_same_experiment_and_another_one_is_not() -> None:
    finer = MOST.replace("{most: rate}", "{most: rate, width: 1%, seeds: 128}")
    assert same_experiment(MOST, finer)
    assert not same_experiment(MOST, MOST.replace("{most: rate}", "{least: cost}"))
    assert not same_experiment(MOST, MOST.replace("find: {most: rate}\n", ""))


def test_a_limit_that_decides_nothing_is_said_and_is_no_contradiction() -> None:
    slo = Slo(seconds={"ttft": {"p50": 3.0, "p90": 2.5, "p99": 3.0}, "e2e": {"p50": 1.0}})
    (note,) = limit_notes(slo)
    assert note == "slo.seconds.ttft.p50=3 decides nothing: slo.seconds.ttft.p90=2.5 is as tight for more requests"
    assert not list(limit_notes(PAPER))


def test_words_make_an_experiment_that_asks() -> None:
    words = Words(
        least="power", rate="40", designs="baseline-h100,splitwise-ha", slo="ttft.p99=1s,tbt.p99=200ms,e2e.p90=3x"
    )
    experiment = parse_experiment(experiment_text(words), "")
    assert experiment.find == Question("least", "power")
    assert experiment.axes == {"workload": ("conv",), "rate": (40,)}
    assert experiment.overrides["trace.filename"] == "rr_${workload}_${rate}_10min"
    assert [system.name for system in experiment.systems] == ["baseline-h100", "splitwise-ha"]
    assert experiment.slo.as_plain() == {
        "slowdown": {"e2e": {"p90": 3.0}},
        "seconds": {"ttft": {"p99": 1.0}, "tbt": {"p99": 0.2}},
    }


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("cost=1500", ("cost", 1500, {})),
        ("dgx-h100=40", ("cost", None, {"dgx-h100": 40})),
        ("watts:dgx-h100=40", ("watts", None, {"dgx-h100": 40})),
        ("count=40", ("count", 40, {})),
    ],
)
def test_a_budget_is_written_in_money_or_in_machines(text: str, budget: tuple[object, ...]) -> None:
    made = parse_experiment(experiment_text(Words(most="rate", budget=text)), "").budget
    assert made is not None
    assert (made.kind, made.amount, made.machines) == budget


def test_a_file_is_a_workload_at_any_rate(tmp_path: Path) -> None:
    (tmp_path / "mine.csv.gz").touch()
    experiment = parse_experiment(experiment_text(Words(most="rate", workload=str(tmp_path / "mine.csv.gz"))), "")
    assert experiment.overrides["trace.filename"] == "mine@${rate}"
    assert experiment.overrides["trace.dir"] == str(tmp_path)


def test_names_of_results_tell_questions_apart_but_not_how_fine_they_are() -> None:
    def name(words: Words) -> str:
        return parse_experiment(experiment_text(words), "").name

    plain = Words(least="cost", rate="40")
    assert name(plain) == "plan-least-cost-conv-40" == name(Words(least="cost", rate="40", width="1%", seeds=128))
    others = [
        Words(least="power", rate="40"),
        Words(least="cost", rate="41"),
        Words(least="cost", rate="40", slo="ttft.p99=1s"),
        Words(least="cost", rate="40", designs="baseline-h100"),
        Words(least="cost", rate="40", duration="2min"),
    ]
    assert len({name(words) for words in (plain, *others)}) == 6
    assert name(Words(least="cost", rate="40", name="mine")) == "mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (Words(), "say one of the two"),
        (Words(least="cost"), "--rate: say the load that is to be carried"),
        (Words(most="rate", rate="4"), "--rate='4': the highest rate is what is searched"),
        (Words(most="rate", workload="cnv"), "--workload='cnv': neither a workload; did you mean 'conv'"),
        (Words(most="rate", designs="splitwise"), "--designs='splitwise': no such design"),
        (Words(most="rate", budget="1500"), "--budget='1500': say cost=1500"),
        (Words(most="rate", budget="cost=much"), "--budget='cost=much'"),
        (Words(most="rate", duration="long"), "--duration='long': must be a time such as 10min"),
        (Words(most="rate", model="bloom"), "--model='bloom': no such model"),
        (Words(most="rate", slo="ttft.p99=fast"), "--slo='ttft.p99=fast': a limit is written"),
        (Words(most="rate", slo="ttft.p77=1s"), r"--slo\.seconds\.ttft\.p77: unknown key"),
        (Words(most="rate", width="0"), "find.width='0'"),
    ],
)
def test_bad_words_are_refused_in_one_line(words: Words, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        experiment_text(words)
    assert "\n" not in str(caught.value)


def test_numbers_and_lists_are_words_in_python() -> None:
    words = words_from({"rate": 40, "least": "cost", "designs": ["baseline-h100", "splitwise-ha"], "seeds": 32})
    assert words == Words(rate="40", least="cost", designs="baseline-h100,splitwise-ha", seeds=32)
    with pytest.raises(SpecError, match="rates: no such part of a question; did you mean 'rate'"):
        words_from({"rates": 40})


def test_plan_shows_the_experiment_that_it_would_run(capsys: pytest.CaptureFixture[str]) -> None:
    typed = ["plan", "--rate", "8", "--least", "cost", "--designs", "baseline-h100", "--machines", "range(1,6)"]
    assert main([*typed, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    text, _, table = shown.partition("\n\n")
    assert parse_experiment(text, "").find == Question("least", "cost")
    assert "least cost at 8/s" in table


def test_plan_writes_the_experiment_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    typed = ["plan", "--most", "rate", "--budget", "dgx-h100=4", "--save", str(path)]
    assert main(typed) == 0
    assert f"python -m sweep {path}" in capsys.readouterr().err
    assert parse_experiment(path.read_text(), "").find == Question("most", "rate")
    assert main(typed) == 2
    assert "there is such a file" in capsys.readouterr().err


@pytest.mark.parametrize("typed", [[], ["--most", "rate", "--least", "cost"], ["--most", "rat"], ["--lest", "cost"]])
def test_plan_refuses_what_is_no_question(typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["plan", *typed])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_plan_in_python_stays_a_function_beside_the_package_of_its_name() -> None:
    assert callable(sweep.plan)
    with pytest.raises(SpecError, match="asks nothing: it has no find:"):
        sweep.plan("quickstart")
    with pytest.raises(SpecError, match="say either an experiment or a question in words"):
        sweep.plan("isocost-find", least="cost")
