"""python -m traces generate and describe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from traces.__main__ import main
from traces.named import parse
from traces.reading import read_trace
from traces.recipe_file import opener
from traces.recipe_file import parse as parse_recipe

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = str(ROOT / "traces" / "samples" / "test_trace.csv")
SHORT = ["--duration", "20", "--seed", "3"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made(name: str) -> object:
    return read_trace(Path(name), name="x")[0]


def test_options_make_what_a_recipe_of_the_same_makes() -> None:
    options = ["--prompt", "lognormal:mean=1024,sigma=0.8", "--output", "gamma:mean=200,cv=1.1"]
    options += ["--arrivals", "onoff:rate=20,on_s=2,off_s=4", "--batch-size", "2", "--max-requests", "100"]
    assert main(["generate", *options, *SHORT, "--out", "a.csv"]) == 0
    application = {
        "prompt": "lognormal:mean=1024,sigma=0.8",
        "output": "gamma:mean=200,cv=1.1",
        "arrivals": "onoff:rate=20,on_s=2,off_s=4",
        "batch_size": 2,
    }
    values = {"applications": [application], "duration_s": 20, "max_requests": 100}
    assert made("a.csv") == parse_recipe(values, opener(Path(), lambda _: pytest.fail(), confined=True)).generate(
        3, "x"
    )


def test_a_workload_with_poisson_arrivals_is_the_named_one() -> None:
    assert main(["generate", "--workload", "conv", "--arrivals", "poisson:rate=20", *SHORT, "--out", "a.csv"]) == 0
    assert made("a.csv") == parse("rr_conv_20_20s", 3).generate(3, "x")


def test_applications_are_mixed() -> None:
    applications = ["workload=conv arrivals=poisson:rate=20", "workload=code arrivals=poisson:rate=5 id=4"]
    texts = [part for text in applications for part in ("--application", text)]
    assert main(["generate", *texts, *SHORT, "--out", "a.parquet"]) == 0
    trace, _ = read_trace(Path("a.parquet"))
    assert set(trace.application_id) == {0, 4}
    alone = parse("rr_conv_20_20s", 3).generate(3, "x")
    assert [p for p, a in zip(trace.prompt_tokens, trace.application_id, strict=True) if a == 0] == list(
        alone.prompt_tokens
    )


def test_quotes_hold_a_mixture_together() -> None:
    text = "output=constant:tokens=1 prompt='mixture:0.5*constant:tokens=7 + 0.5*constant:tokens=9'"
    assert main(["generate", "--application", f"{text} arrivals=constant:rate=5", *SHORT, "--out", "a.csv"]) == 0
    assert set(read_trace(Path("a.csv"))[0].prompt_tokens) == {7, 9}


def test_sizes_and_times_come_from_a_trace() -> None:
    options = ["--sizes-from", SAMPLE, "--joint", "--arrivals", f"trace:file={SAMPLE},rate=2"]
    assert main(["generate", *options, "--out", "a.csv"]) == 0
    trace, _ = read_trace(Path("a.csv"))
    assert trace.arrival_s.tolist() == pytest.approx([0.0, 2 / 3, 1.0])
    pairs = set(zip(trace.prompt_tokens, trace.output_tokens, strict=True))
    assert pairs <= {(4096, 32), (2048, 8), (2048, 16)}


def test_a_recipe_is_made_with_the_seed_given(capsys: pytest.CaptureFixture[str]) -> None:
    Path("load.yaml").write_text("duration_s: 20\napplications: [{workload: conv, arrivals: 'poisson:rate=20'}]\n")
    assert main(["generate", "load.yaml", "--seed", "3"]) == 0
    expected = parse("rr_conv_20_20s", 3).generate(3, "x")
    assert made("load.csv") == expected
    assert f"{len(expected)} requests in load.csv" in capsys.readouterr().err
    assert main(["describe", "load.yaml", "--seed", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sha256"] == expected.digest()


def test_a_rate_presses_all_applications_alike(capsys: pytest.CaptureFixture[str]) -> None:
    Path("load.yaml").write_text("duration_s: 20\napplications: [{workload: conv, arrivals: 'poisson:rate=5'}]\n")
    assert main(["generate", "load.yaml", "--rate", "20", "--seed", "3"]) == 0
    options = ["--workload", "conv", "--arrivals", "poisson:rate=1", "--rate", "20", *SHORT]
    assert main(["generate", *options, "--out", "same.csv"]) == 0
    assert made("load.csv") == made("same.csv") == parse("rr_conv_20_20s", 3).generate(3, "x")
    for rate in ("0", "-1", "nan", "1e99"):
        assert main(["generate", "load.yaml", "--rate", rate, "--out", "x.csv"]) == 2
        assert "--rate=" in capsys.readouterr().err


def test_several_names_go_into_a_folder() -> None:
    Path("out").mkdir()
    assert main(["generate", "rr_conv_2_30s", "rr_code_2_30s", "--out", "out"]) == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["rr_code_2_30s.csv", "rr_conv_2_30s.csv"]


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.zst", "a.parquet"])
def test_the_name_says_how_the_file_is_packed(name: str) -> None:
    assert main(["generate", "rr_conv_5_30s", "--out", name]) == 0
    assert made(name) == parse("rr_conv_5_30s", 0).generate(0, "x")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "nothing to generate; see --help"),
        (["--workload", "conv", "--arrivals", "poisson:rate=1"], "--out FILE says where to write"),
        (["--workload", "conv", "--arrivals", "poisson:rate=1", "--out", "."], "--out FILE says where to write"),
        (["rr_conv_1", "--duration", "5"], "rr_conv_1 says everything by itself: leave out --duration"),
        (["rr_conv_1", "--rate", "5"], "rr_conv_1 says everything by itself: leave out --rate"),
        (["rr_conv_1", "rr_conv_2", "--out", "a.csv"], "a.csv: must be an existing folder, for several traces"),
        (["rr_conv_1", "--out", "a.txt"], "a.txt: the name must end in one of"),
        (["absent.yaml"], "absent.yaml: cannot be read: No such file"),
        (["--workload", "cov", "--arrivals", "poisson:rate=1", "--out", "a.csv"], "--workload='cov': unknown name"),
        (["--workload", "conv", "--arrivals", "poison:rate=1", "--out", "a.csv"], "did you mean 'poisson'?"),
        (["--workload", "conv", "--out", "a.csv"], "--arrivals: is missing"),
        (["--arrivals", "poisson:rate=1", "--out", "a.csv"], "--prompt: needs prompt and output, or workload"),
        (["--workload", "conv", "--arrivals", "poisson:rate=1", "--duration", "0", "--out", "a.csv"], "--duration=0.0"),
        (["--workload", "conv", "--arrivals", "trace:file=no.csv", "--out", "a.csv"], "no.csv: cannot be read"),
        (["--application", "workload=conv", "--out", "a.csv"], "applications.0.arrivals: is missing"),
        (["--application", "workload", "--out", "a.csv"], "'workload' must be KEY=VALUE"),
        (["--application", "id=1 id=2", "--out", "a.csv"], "'id' is there twice"),
        (["--application", "prompt='x", "--out", "a.csv"], "No closing quotation"),
        (["--application", "id=1", "--joint", "--out", "a.csv"], "put --joint into one of the --application"),
    ],
)
def test_bad_options_are_one_line_and_status_2(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert reason in error
    assert error.count("\n") == 1
    assert list(Path().iterdir()) == []


def test_a_file_that_is_there_is_kept_and_nothing_is_made_in_vain(capsys: pytest.CaptureFixture[str]) -> None:
    Path("rr_conv_2_30s.csv").write_text("precious")
    assert main(["generate", "rr_code_2_30s", "rr_conv_2_30s"]) == 2
    assert "rr_conv_2_30s.csv: is there already; --force replaces it" in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["rr_conv_2_30s.csv"]


def test_help_shows_every_distribution_and_arrival_process(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["generate", "--help"])
    shown = capsys.readouterr().out
    for word in ("truncnorm:mean=", "mixture:", "onoff:rate=", "sinusoidal:", "utilization:", "applications:"):
        assert word in shown


def test_examples_of_the_help_that_need_no_files_work(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("--workload conv --arrivals gamma:rate=7,cv=2 --duration 60 --seed 1 --out bursty.csv",):
        assert main(["generate", *text.split()]) == 0
    assert main(["describe", "bursty.csv"]) == 0
    shown = capsys.readouterr().out
    for word in ("Over time", "Burstiness", "Mean and peak load", "█", "rank correlation"):
        assert word in shown


def test_describe_draws_a_picture(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "rr_conv_5_30s", "--png", "p.png"]) == 0
    assert Path("p.png").read_bytes()[:4] == b"\x89PNG"
    assert "picture in p.png" in capsys.readouterr().err


def test_describe_reads_what_the_readers_read_and_leaves_bad_rows_out_when_asked_to(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = ["TIMESTAMP,ContextTokens,GeneratedTokens", "2023-11-16 18:15:46.6805900,374,44"]
    rows += ["2023-11-16 18:15:50.9951690,x,109", "2023-11-16 18:15:51.2224670,879,55"]
    Path("azure.csv").write_text("\r\n".join(rows))
    assert main(["describe", "azure.csv", "--json"]) == 2
    assert "row 2, column ContextTokens: 'x'" in capsys.readouterr().err
    assert main(["describe", "azure.csv", "--json", "--skip-bad-rows"]) == 0
    captured = capsys.readouterr()
    facts = json.loads(captured.out)
    assert (facts["requests"], facts["last_arrival_s"]) == (2, 4.541877)
    assert "1" in captured.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["rr_conv_5_30s", "--bins", "0"], "--bins 0: must be from 1 to 10,000"),
        (["rr_conv_5_30s", "--png", "absent/p.png"], "absent/p.png: cannot be written"),
        (["rr_conv_5_30s", "--png", "."], ".: cannot be written"),
        (["absent.parquet"], "absent.parquet: no such file"),
    ],
)
def test_what_cannot_be_described_is_one_line_and_status_2(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["describe", *arguments]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
