"""The committed figures, and the script that works them out."""

from __future__ import annotations

import csv
import json
import random
from bisect import bisect_right
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.build import main
from data.knots import exact_cdf, simplify, worst_gap
from sim_core.rng import Streams
from traces.distributions.quantiles import Quantiles
from traces.sizes import read_workload

DATA = Path(__file__).resolve().parents[2] / "data"
CONFIGURATIONS = {("bloom-176b", hardware, 8) for hardware in ("a100-80gb", "h100-80gb", "h100-80gb-pcap")} | {
    ("llama2-70b", hardware, parallel)
    for hardware in ("a100-80gb", "h100-80gb", "h100-80gb-pcap")
    for parallel in (2, 4, 8)
}
Curve = list[tuple[int, float, float]]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def curves(path: Path = DATA / "performance_curves.csv") -> dict[tuple[str, str, int], Curve]:
    found: dict[tuple[str, str, int], Curve] = defaultdict(list)
    for row in rows(path):
        times = float(row["prompt_time_s"]), float(row["token_time_s"])
        found[row["model"], row["hardware"], int(row["tensor_parallel"])].append((int(row["batch_tokens"]), *times))
    return dict(found)


def test_there_is_a_curve_for_every_measured_configuration() -> None:
    assert curves().keys() == CONFIGURATIONS


@pytest.mark.parametrize("configuration", sorted(CONFIGURATIONS), ids=str)
def test_a_curve_ascends_in_tokens_and_its_times_are_seconds(configuration: tuple[str, str, int]) -> None:
    curve = curves()[configuration]
    tokens = [point[0] for point in curve]
    assert tokens == sorted(set(tokens))
    assert all(0.01 < prompt_s < 30.0 and 0.01 < token_s < 1.0 for _, prompt_s, token_s in curve)
    assert curve[-1][1] > 5 * curve[0][1]  # a long prompt takes long


def test_an_a100_is_slower_than_an_h100_at_prompts() -> None:
    for model, parallel in (("bloom-176b", 8), ("llama2-70b", 2), ("llama2-70b", 4), ("llama2-70b", 8)):
        a100, h100 = ({t: p for t, p, _ in curves()[model, f"{gpu}-80gb", parallel]} for gpu in ("a100", "h100"))
        assert all(a100[tokens] > h100[tokens] for tokens in a100.keys() & h100.keys() if tokens >= 1024)


def test_times_are_written_to_the_last_bit() -> None:
    for name in ("performance_curves.csv", "performance_medians.csv"):
        for row in rows(DATA / name):
            assert all(repr(float(row[column])) == row[column] for column in ("prompt_time_s", "token_time_s"))


def test_curves_and_medians_come_from_the_same_runs() -> None:
    cells = defaultdict(list)
    runs: dict[tuple[str, str, int], int] = defaultdict(int)
    for row in rows(DATA / "performance_medians.csv"):
        configuration = row["model"], row["hardware"], int(row["tensor_parallel"])
        tokens = int(row["prompt_size"]) * int(row["batch_size"])
        cells[configuration, tokens].append((float(row["prompt_time_s"]), float(row["token_time_s"])))
        runs[configuration] += int(row["runs"])
    assert set(runs.values()) == {105}
    points = {(configuration, t): (p, d) for configuration, curve in curves().items() for t, p, d in curve}
    assert points.keys() == cells.keys()
    for key, point in points.items():
        for column in (0, 1):  # the median of all lies among the medians of the parts
            part = [cell[column] for cell in cells[key]]
            assert min(part) <= point[column] <= max(part)


def test_machines_have_the_papers_prices_and_power() -> None:
    machines = json.loads((DATA / "machines.json").read_text())
    papers = {name: m for name, m in machines.items() if "ISCA 2024" in m["source"]}
    figures = {name: (m["gpus"], m["dollars_per_hour"], m["power_weight"]) for name, m in papers.items()}
    assert figures == {
        "dgx-a100": (8, 17.68, 24.8),
        "dgx-h100": (8, 38.08, 44),
        "dgx-h100-pcap": (8, 38.08, 30.8),
    }
    for machine in machines.values():
        assert machine["dollars_per_hour"] == pytest.approx(machine["gpus"] * machine["dollars_per_gpu_hour"])
        assert machine["source"] and machine["cited_as"] and machine["watts_source"] and machine["watts_cited_as"]
        assert "dollars an hour" in machine["units"]


def test_prices_and_watts_of_newer_machines_have_a_date_or_say_that_they_are_estimates() -> None:
    machines = json.loads((DATA / "machines.json").read_text())
    for name in ("dgx-h200", "dgx-b200", "dgx-b300", "gb200", "l40s"):
        assert "2026" in machines[name]["source"]
    assert machines["dgx-b300"]["cited_as"].startswith("estimate")
    assert machines["l40s"]["watts_cited_as"] == "estimate"


def test_the_readme_names_every_file_source_and_licence() -> None:
    readme = (DATA / "README.md").read_text()
    for file in DATA.rglob("*.*"):
        if file.suffix in (".csv", ".json"):
            assert file.relative_to(DATA).as_posix() in readme
    for word in ("MIT", "CC-BY", "ISCA 2024", "python -m data.build", "seconds"):
        assert word in readme


# ---- the script -----------------------------------------------------------------------------------------------------


def characterization(path: Path) -> None:
    """Measurements in the true layout: even and odd numbers of runs, products that several sizes share."""
    draw = random.Random(1)
    header = "model,hardware,prompt_size,batch_size,token_size,peak_power,average_power,prompt_time,token_time,e2e_time"
    lines = [header + ",tensor_parallel"]
    for prompt, batch, runs in ((512, 1, 5), (512, 2, 4), (1024, 1, 3), (128, 8, 2), (64, 1, 1)):
        for hardware in ("b-gpu", "a-gpu"):
            for _ in range(runs):
                times = ",".join(repr(draw.uniform(20.0, 900.0)) for _ in range(3))
                lines.append(f"m,{hardware},{prompt},{batch},128,1.0,0.7,{times},8")
    path.write_text("\n".join(lines) + "\n")


def azure(path: Path, count: int = 5000) -> tuple[list[int], list[int]]:
    """Sizes with atoms and a long tail, seven fractional digits, no newline at the end."""
    draw = random.Random(2)
    prompts = [draw.choice([181, 203, int(draw.lognormvariate(6.0, 1.0)) + 1]) for _ in range(count)]
    outputs = [int(draw.expovariate(0.02)) + 1 for _ in range(count)]
    lines = [f"2023-11-16 18:15:46.6805900,{p},{o}" for p, o in zip(prompts, outputs, strict=True)]
    path.write_text("\r\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *lines]))
    return prompts, outputs


def test_the_script_takes_the_medians_that_pandas_takes(tmp_path: Path) -> None:
    characterization(tmp_path / "raw.csv")
    assert main(["--characterization", str(tmp_path / "raw.csv"), "--out", str(tmp_path)]) == 0
    table = pd.read_csv(tmp_path / "raw.csv")
    table["prompt_time_s"], table["token_time_s"] = table["prompt_time"] / 1000, table["token_time"] / 1000
    table["batch_tokens"] = table["prompt_size"] * table["batch_size"]
    for name, by in (("curves", ["batch_tokens"]), ("medians", ["prompt_size", "batch_size"])):
        groups = table.groupby(["model", "hardware", "tensor_parallel", *by])[["prompt_time_s", "token_time_s"]]
        expected = groups.median().reset_index()
        built = pd.read_csv(tmp_path / f"performance_{name}.csv")
        pd.testing.assert_frame_equal(built[expected.columns.tolist()], expected, check_exact=True)
    assert built["runs"].tolist() == groups.size().tolist()


def test_the_script_makes_a_workload_that_is_faithful(tmp_path: Path) -> None:
    raw = azure(tmp_path / "raw.csv")
    assert main(["--azure-code", str(tmp_path / "raw.csv"), "--out", str(tmp_path)]) == 0
    workload = read_workload("code", tmp_path / "workloads")
    facts = json.loads((tmp_path / "workloads" / "sources.json").read_text())["code"]
    assert facts["requests"] == 5000
    for (size, knots), values in zip(workload.items(), raw, strict=True):
        distribution = Quantiles(knots)
        assert (distribution.smallest, knots[-1][0]) == (min(values), max(values))
        assert distribution.mean() == pytest.approx(sum(values) / 5000, rel=0.001)
        assert facts[f"{size}_tokens"]["mean"] == sum(values) / 5000
        assert len(knots) < 400
        ordered, drawn = sorted(values), sorted(distribution.sample(Streams(0)[size], 200_000))
        gap = max(abs(bisect_right(ordered, t) / 5000 - bisect_right(drawn, t) / 200_000) for t in set(values))
        assert gap <= 0.01


def test_the_script_writes_the_same_bytes_again_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    azure(tmp_path / "raw.csv")
    arguments = ["--azure-code", str(tmp_path / "raw.csv"), "--azure-conv", str(tmp_path / "raw.csv")]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "workloads").iterdir()}
    assert before.keys() == {"code.csv", "conv.csv", "sources.json"}
    assert main([*arguments[2:], "--out", str(tmp_path)]) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "workloads").iterdir()} == before


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("TIMESTAMP,ContextToken,GeneratedTokens\nx,1,1\n", "'ContextTokens' is missing; did you mean 'ContextToken'"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n", "has no rows"),
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens\nx,1,1\nx,0,1\n",
            "row 2, column ContextTokens: '0' is not a",
        ),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\nx,nan,1\n", "row 1, column ContextTokens: 'nan' is not a positive"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\nx,1,2.5\n", "column GeneratedTokens: '2.5' is not a whole number"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\nx,1\n", "row 1, column GeneratedTokens: None is not a positive"),
        ("", "'ContextTokens' is missing"),
    ],
)
def test_the_script_refuses_a_bad_raw_file_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, reason: str
) -> None:
    (tmp_path / "raw.csv").write_text(content)
    assert main(["--azure-conv", str(tmp_path / "raw.csv"), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_bad_second_file_leaves_what_follows_from_the_first_as_it_was(tmp_path: Path) -> None:
    azure(tmp_path / "good.csv")
    (tmp_path / "bad.csv").write_text("x\n1\n")
    arguments = ["--azure-code", str(tmp_path / "good.csv"), "--azure-conv", str(tmp_path / "bad.csv")]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()


def test_the_script_refuses_a_missing_raw_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--characterization", str(tmp_path / "absent.csv"), "--out", str(tmp_path)]) == 2
    assert "absent.csv: cannot be read" in capsys.readouterr().err


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=60),
    st.floats(0.0005, 0.2),
    st.floats(0.0001, 0.1),
)
def test_a_simplified_distribution_keeps_its_limits(values: list[int], gap: float, mean_error: float) -> None:
    cdf = exact_cdf(values)
    knots = simplify(cdf, gap, mean_error)
    assert knots[0] == (min(values) - 1, 0.0)
    assert knots[-1] == (max(values), 1.0)
    assert set(knots) <= set(cdf)
    assert worst_gap(cdf, knots) <= gap * (1 + 1e-9)
    mean = sum(values) / len(values)
    assert abs(Quantiles(tuple(knots)).mean() - mean) <= mean_error * mean + 1e-9
    exact = Quantiles(tuple(knots)).shares
    assert worst_gap(cdf, knots) == pytest.approx(max(abs(p - q) for (_, p), q in zip(cdf[1:], exact, strict=True)))
