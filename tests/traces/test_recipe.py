"""Recipes: what they may say, and the traces that follow from them."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from sim_core.errors import SpecError, TraceError
from tests.traces.arrivals.test_conformance import TEXTS as PROCESSES
from tests.traces.distributions.test_conformance import TEXTS as SIZES
from traces import TraceRef, identity, load, read_csv, write_csv
from traces.named import parse as parse_name
from traces.reader import TraceWarning
from traces.recipe import RECIPE_VERSION, Recipe
from traces.recipe_file import opener, parse, read_recipe
from traces.workload import rate_per_s

ROOT = Path(__file__).resolve().parents[2]
CONV = {"workload": "conv", "arrivals": "poisson:rate=20"}
CODE = {"workload": "code", "arrivals": "gamma:rate=5,cv=2"}


def applications(sizes: Iterable[str], processes: Iterable[str]) -> list[dict[str, Any]]:
    """One application for each of the sizes; processes and workloads repeat."""
    return [
        {"prompt": size, "output": f"quantiles:workload={workload}", "arrivals": process}
        for size, process, workload in zip(sizes, cycle(processes), cycle(["code", "conv"]), strict=False)
    ]


# every distribution and every arrival process that needs no file
ALL = applications(*([text for text in texts if not text.startswith("trace")] for texts in (SIZES, PROCESSES)))
# those of recipe version 1 whose trace is recorded; a new distribution or process does not change them
RECORDED = applications(
    [
        "constant:tokens=512",
        "uniform:low=100,high=2000",
        "randint:low=1,high=100",
        "normal:mean=1024,sd=200",
        "truncnorm:mean=1000,sd=500,min=200,max=1800",
        "lognormal:mean=1024,sigma=0.8",
        "lognormal:median=200,sigma=0.5",
        "gamma:mean=200,cv=1.1",
        "gamma:mean=2000,cv=0.2",
        "exponential:mean=200",
        "poisson:mean=30",
        "poisson:mean=20000",
        "mixture:0.75*constant:tokens=100 + 0.25*randint:low=1,high=9",
        "quantiles:workload=conv",
        "quantiles:workload=conv,size=output",
    ],
    [
        "poisson:rate=70",
        "constant:rate=70",
        "gamma:rate=70,cv=2",
        "gamma:rate=70,cv=0.3",
        "onoff:rate=70,on_s=0.2,off_s=0.6",
        "onoff:rate=70,on_s=0.2,off_s=0.6,quiet=0.1",
        "piecewise:rates=10/130/0,seconds=1/1/0.5",
        "sinusoidal:rate=70,amplitude=0.6,period_s=10",
        "utilization:servers=40,utilization=0.7,request_s=0.4",
    ],
)
YAML = """
duration_s: 30
applications:
  - workload: conv
    arrivals: gamma:rate=20,cv=2
  - prompt: lognormal:mean=1024,sigma=0.8
    output: trace:file=given.csv
    arrivals: trace:file=given.csv,rate=10
"""


def make(*applications: dict[str, Any], folder: Path = Path(), **others: Any) -> Recipe:
    return parse({"applications": list(applications), **others}, opener(folder, read_csv, confined=False))


@pytest.fixture
def given(tmp_path: Path) -> Path:
    trace = make({"prompt": "randint:low=1,high=900", "output": "constant:tokens=1", "arrivals": "poisson:rate=50"})
    trace = trace.generate(1, "x")
    for place, prompt in enumerate(trace.prompt_tokens):  # so that the two sizes belong together
        trace.output_tokens[place] = 1000 - prompt
    write_csv(trace, tmp_path / "given.csv")
    return tmp_path


def test_a_workload_with_poisson_arrivals_is_the_named_one() -> None:
    named = parse_name("rr_conv_20_1min", 7).generate(7, "x")
    assert make(CONV, duration_s=60).generate(7, "x") == named


def test_the_duration_is_600_s_unless_it_is_given() -> None:
    arrivals = make(CODE).generate(0, "x").arrival_s
    assert 590.0 < arrivals[-1] < 600.0


def test_a_shorter_trace_is_the_beginning_of_a_longer_one() -> None:
    short, long = (make(CONV, CODE, duration_s=d).generate(3, "x") for d in (20, 40))
    for column in ("arrival_s", "prompt_tokens", "output_tokens", "application_id", "request_id"):
        assert getattr(long, column)[: len(short)] == getattr(short, column)


def test_without_a_duration_requests_come_until_there_are_as_many_as_asked_for() -> None:
    recipe = make(CONV, CODE, max_requests=30_000)
    trace = recipe.generate(3, "x")
    assert (recipe.duration_s, len(trace)) == (None, 30_000)
    assert trace.arrival_s[-1] == pytest.approx(30_000 / 25, rel=0.1)
    assert make(CONV, CODE).generate(3, "x").arrival_s == trace.arrival_s[: len(make(CONV, CODE).generate(3, "x"))]
    assert len(make(CONV, CODE, max_requests=30_000, duration_s=600).generate(3, "x")) < 20_000


def test_any_file_name_will_do_for_sizes_from(given: Path) -> None:
    (given / "given.csv").rename(given / "a,b=c.csv")
    trace = make({"sizes_from": "a,b=c.csv", "arrivals": "poisson:rate=20"}, folder=given).generate(0, "x")
    assert set(trace.prompt_tokens) <= set(read_csv(given / "a,b=c.csv").prompt_tokens)


def test_no_more_requests_than_asked_for_and_the_first_ones() -> None:
    some, all_of_them = make(CONV, CODE, max_requests=50).generate(3, "x"), make(CONV, CODE).generate(3, "x")
    assert len(some) == 50
    assert some.arrival_s == all_of_them.arrival_s[:50]
    assert some.prompt_tokens == all_of_them.prompt_tokens[:50]


def test_mixed_applications_come_in_order_of_arrival_and_keep_their_own_sizes() -> None:
    one = {"prompt": "constant:tokens=10", "output": "constant:tokens=1", "arrivals": "constant:rate=2"}
    two = {"prompt": "constant:tokens=20", "output": "constant:tokens=2", "arrivals": "constant:rate=4"}
    trace = make(one, {**two, "id": 7, "batch_size": 3}, duration_s=1).generate(0, "x")
    assert trace.arrival_s.tolist() == [0.0, 0.0, 0.25, 0.5, 0.5, 0.75]
    assert trace.application_id.tolist() == [0, 7, 7, 0, 7, 7]  # of one instant: in the recipe's order
    assert trace.prompt_tokens.tolist() == [10, 20, 20, 10, 20, 20]
    assert trace.output_tokens.tolist() == [1, 2, 2, 1, 2, 2]
    assert trace.batch_size.tolist() == [1, 3, 3, 1, 3, 3]
    assert trace.request_id.tolist() == list(range(6))


def test_taking_an_application_out_leaves_the_others_as_they_were() -> None:
    both, alone = make(CONV, {**CODE, "id": 5}).generate(2, "x"), make({**CODE, "id": 5}).generate(2, "x")
    rows = [place for place, application_id in enumerate(both.application_id) if application_id == 5]
    assert [both.arrival_s[row] for row in rows] == alone.arrival_s.tolist()
    assert [both.prompt_tokens[row] for row in rows] == alone.prompt_tokens.tolist()


def test_the_same_two_applications_do_not_come_together() -> None:
    trace = make(CONV, CONV, duration_s=60).generate(0, "x")
    assert len(set(trace.arrival_s)) == len(trace)


def test_prompt_and_output_stand_before_a_workload() -> None:
    trace = make({**CONV, "output": "constant:tokens=3"}, duration_s=60).generate(7, "x")
    assert trace.prompt_tokens == parse_name("rr_conv_20_1min", 7).generate(7, "x").prompt_tokens
    assert set(trace.output_tokens) == {3}


def test_sizes_of_a_trace_belong_together_only_when_drawn_jointly(given: Path) -> None:
    sizes = {"sizes_from": "given.csv", "arrivals": "poisson:rate=20"}
    together = make({**sizes, "joint": True}, folder=given).generate(0, "x")
    assert set(map(sum, zip(together.prompt_tokens, together.output_tokens, strict=True))) == {1000}
    apart = make(sizes, folder=given).generate(0, "x")
    assert len(set(map(sum, zip(apart.prompt_tokens, apart.output_tokens, strict=True)))) > 500
    known = set(read_csv(given / "given.csv").prompt_tokens)
    assert set(apart.prompt_tokens) <= known
    assert set(together.prompt_tokens) <= known


def test_a_traces_own_times_end_with_it(given: Path) -> None:
    original = read_csv(given / "given.csv")
    recipe = make({"workload": "conv", "arrivals": "trace:file=given.csv,rate=25"}, folder=given)
    assert recipe.duration_s is None
    trace = recipe.generate(0, "x")
    assert len(trace) == len(original)
    assert (len(trace) - 1) / (trace.arrival_s[-1] - trace.arrival_s[0]) == pytest.approx(25.0)
    with pytest.warns(TraceWarning, match=r"applications.0.arrivals: the trace's times end after .* of 9,000.0 s"):
        make({"workload": "conv", "arrivals": "trace:file=given.csv,rate=25"}, folder=given, duration_s=9000)


def test_a_file_says_what_a_mapping_says(given: Path) -> None:
    (given / "load.yaml").write_text(YAML)
    recipe = read_recipe(given / "load.yaml", read_csv)
    trace = recipe.generate(5, "load")
    assert set(trace.application_id) == {0, 1}
    assert 25.0 < trace.arrival_s[-1] < 30.0
    applications = [
        {"workload": "conv", "arrivals": "gamma:rate=20,cv=2"},
        {
            "prompt": "lognormal:mean=1024,sigma=0.8",
            "output": "trace:file=given.csv",
            "arrivals": "trace:file=given.csv,rate=10",
        },
    ]
    same = make(*applications, folder=given, duration_s=30)
    assert same.digest(5) == recipe.digest(5)
    assert same.generate(5, "load") == trace


def test_all_that_decides_the_trace_counts_in_its_digest(given: Path) -> None:
    trace = {"sizes_from": "given.csv", "arrivals": "poisson:rate=20"}
    recipes = [
        make(CONV),
        make(CODE),
        make(CONV, CODE),
        make(CODE, CONV),
        make(CONV, duration_s=60),
        make(CONV, max_requests=60),
        make({**CONV, "batch_size": 2}),
        make({**CONV, "id": 1}),
        make({**CONV, "prompt": "constant:tokens=3"}),
        make({**CONV, "output": "constant:tokens=3"}),
        make(trace, folder=given),
        make({**trace, "joint": True}, folder=given),
    ]
    digests = [recipe.digest(0) for recipe in recipes] + [recipes[0].digest(1)]
    (given / "given.csv").write_text("request_id,arrival_timestamp,prompt_size,token_size\n0,0,1,1\n")
    digests.append(make(trace, folder=given).digest(0))
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "must be a mapping"),
        (None, "must be a mapping"),
        ({}, "applications: is missing"),
        ({"aplications": [CONV]}, "aplications: unknown key; did you mean 'applications'?"),
        ({"applications": [{**CONV, "arival": 1}]}, "applications.0.arival: unknown key; did you mean 'arrivals'?"),
        ({"applications": [{"workload": "conv", "arrival": "x"}]}, "0.arrival: unknown key; did you mean 'arrivals'?"),
        ({"applications": [{"wrkload": "conv", "arrivals": "poisson:rate=1"}]}, "did you mean 'workload'?"),
        ({"applications": []}, "applications: must be from 1 to 1000"),
        ({"applications": [CONV], "duration": 5}, "duration: unknown key; did you mean 'duration_s'?"),
        ({"applications": [CONV], "duration_s": 0}, "duration_s=0: must be more than 0"),
        ({"applications": [CONV], "duration_s": "600"}, "duration_s='600': must be a finite number"),
        ({"applications": [CONV], "max_requests": 0}, "max_requests=0: must be at least 1"),
        ({"applications": [{"workload": "conv"}]}, "applications.0.arrivals: is missing"),
        ({"applications": [{**CONV, "id": 1}, CONV]}, "applications.1.id=1: is there twice"),
        ({"applications": [{**CONV, "id": -1}]}, "applications.0.id=-1: must be at least 0"),
        ({"applications": [{**CONV, "id": 10**10}]}, "must be at most 1,000,000,000"),
        ({"applications": [{**CONV, "arrivals": "poisson:rate=0.00001"}], "max_requests": 1000000}, "takes 1e\\+11 s"),
        (
            {"applications": [{**CONV, "arrivals": "onoff:rate=10000,on_s=1,off_s=1e6"}], "duration_s": 1},
            "arrivals='onoff': has a peak of 1e\\+10 requests a second; at most 10,000,000",
        ),
        ({"applications": [{**CONV, "ids": 1}]}, "applications.0.ids: unknown key; did you mean 'id'?"),
        ({"applications": [{**CONV, "batch_size": 0}]}, "applications.0.batch_size=0: must be at least 1"),
        ({"applications": [{**CONV, "workload": "cov"}]}, "applications.0.workload='cov': unknown name; did you mean"),
        ({"applications": [{**CONV, "sizes_from": "x"}]}, "give workload or sizes_from, not both"),
        ({"applications": [{**CONV, "joint": True}]}, "joint=True: needs sizes_from, and neither prompt nor output"),
        ({"applications": [{**CONV, "joint": "yes"}]}, "joint='yes': must be true or false"),
        ({"applications": [{"arrivals": "poisson:rate=1"}]}, "applications.0.prompt: needs prompt and output, or"),
        ({"applications": [{**CONV, "arrivals": "poisson:rate=1e6"}]}, "asks for 6e\\+08 requests; at most 20,000,000"),
        (
            {"applications": [{**CONV, "arrivals": "onoff:rate=0.01,on_s=0.001,off_s=0.001"}], "duration_s": 1e9},
            "applications: rates change 1e\\+12 times; at most 100,000,000",
        ),
        ({"applications": [{**CONV, "prompt": "gamma:mean=1"}]}, "applications.0.prompt.cv: is missing"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused_with_the_reason(values: object, reason: str) -> None:
    with pytest.raises(SpecError, match=reason):
        parse(values, opener(Path(), read_csv, confined=True))


def test_a_recipe_without_a_single_request_is_refused() -> None:
    with pytest.raises(TraceError, match="mine: has no request with seed 0; raise the rate or the duration"):
        make({**CONV, "arrivals": "poisson:rate=0.000001"}, duration_s=1).generate(0, "mine")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "load.yaml: must be a mapping"),
        ("a: [", "load.yaml, line 2: not YAML"),
        ("duration_s: 5\nduration_s: 6\n", "load.yaml, line 2: not YAML: found duplicate key duration_s"),
        ("applications: [{arrivals: !!python/name:os.system x}]", "a value of the kind 'python/name:os.system' has no"),
        ("a: &x [1]\nb: *x\n", "load.yaml, line 2: not YAML: \\*x is a reference; write it out"),
        ("applications: {}", "load.yaml: applications={}: must be a list"),
        (YAML.replace("given.csv", "../given.csv"), "../given.csv: a recipe may only name files in its own folder"),
        (YAML.replace("given.csv", "/etc/passwd"), "/etc/passwd: a recipe may only name files in its own folder"),
        ('applications: [{arrivals: "poisson:rate=1", sizes_from: "a\\0b"}]', "'a.x00b': is no file's name"),
        (YAML.replace("given.csv", "absent.csv"), "absent.csv: cannot be read: No such file"),
        ("a: " + "[" * 5000, "line 1: cannot be read: more than 50 levels of lists and mappings"),
        ("x" * (1 << 21), "2,097,152 bytes; at most 1,048,576 \\(--allow yaml_bytes=NUMBER"),
    ],
)
def test_a_bad_file_is_one_line_with_its_name(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "load.yaml").write_text(text)
    with pytest.raises(TraceError, match=reason) as caught:
        read_recipe(tmp_path / "load.yaml", read_csv, source="load.yaml")
    assert "\n" not in str(caught.value)


def test_a_binary_or_missing_file_is_one_line_too(tmp_path: Path) -> None:
    (tmp_path / "load.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(TraceError, match="it is no text in UTF-8"):
        read_recipe(tmp_path / "load.yaml", read_csv)
    with pytest.raises(TraceError, match="cannot be read: No such file"):
        read_recipe(tmp_path / "absent.yaml", read_csv)


def test_a_run_finds_a_recipe_by_name_and_a_written_file_wins(given: Path) -> None:
    (given / "load.yaml").write_text(YAML)
    ref = TraceRef("load", str(given), 5)
    trace = load(ref, Path())
    assert (trace.name, set(trace.application_id)) == ("load", {0, 1})
    assert trace == read_recipe(given / "load.yaml", read_csv).generate(5, "load")
    assert identity(ref, Path()) == read_recipe(given / "load.yaml", read_csv).digest(5)
    assert identity(replace(ref, seed=6), Path()) != identity(ref, Path())
    write_csv(trace, given / "load.csv")
    (given / "load.yaml").write_text("damaged: [")
    os.utime(given / "load.yaml", (1000.0, 1000.0))
    assert load(ref, Path()) == trace


def test_a_written_file_that_is_older_than_its_recipe_is_read_with_a_warning(given: Path) -> None:
    (given / "load.yaml").write_text(YAML)
    ref = TraceRef("load", str(given), 5)
    trace = load(ref, Path())
    write_csv(trace, given / "load.csv")
    os.utime(given / "load.yaml", (1000.0, 1000.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(ref, Path()) == trace
    os.utime(given / "load.yaml", (2e9, 2e9))
    with pytest.warns(TraceWarning, match=r"load\.csv is read; load\.yaml beside it is newer and is not"):
        assert load(ref, Path()) == trace


def test_a_recipe_wins_over_the_named_workload_of_its_name(tmp_path: Path) -> None:
    ref = TraceRef("rr_conv_50_1min", str(tmp_path), 0)
    named = identity(ref, Path())
    (tmp_path / "rr_conv_50_1min.yaml").write_text(
        "applications: [{workload: code, arrivals: 'poisson:rate=50'}]\nduration_s: 60\n"
    )
    assert identity(ref, Path()) != named
    assert load(ref, Path()) == parse_name("rr_code_50_1min", 0).generate(0, "rr_conv_50_1min")


def test_a_bad_recipe_of_a_run_is_named_as_the_configuration_names_it(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "load.yaml").write_text("applications: []")
    with pytest.raises(TraceError, match=r"^mine/load.yaml: applications: must be from 1 to 1000 applications$"):
        identity(TraceRef("load", "mine", 0), tmp_path)
    with pytest.raises(TraceError, match=r"lod.csv: no such file; did you mean 'load'\?"):
        load(TraceRef("lod", "mine", 0), tmp_path)


def test_version_1_of_the_recipes_makes_these_traces() -> None:
    # When this fails on purpose, RECIPE_VERSION has to go up: stored results are found by it.
    assert RECIPE_VERSION == 1
    trace = make(*RECORDED, duration_s=20).generate(7, "x")
    assert trace.digest() == "5c6348261d405ce1486371552a962b7cb29ce3ef6dae130edb9dc9e0aeee9e8e"


def test_a_recipe_has_a_digest_of_its_own_kind() -> None:
    assert make(CONV).digest(0) != parse_name("rr_conv_20", 0).digest(0)


def test_a_mathematical_library_that_errs_in_the_last_bit_makes_the_same_traces() -> None:
    program = f"""
import math, random
shaken = random.Random(1)
for name in ("log", "exp", "expm1", "erfc", "cos", "lgamma"):
    def shake(x, true=getattr(math, name)):
        return math.nextafter(true(x), shaken.choice((-math.inf, math.inf)))
    setattr(math, name, shake)
from tests.traces.test_recipe import make
print(make(*{ALL!r}, duration_s=20).generate(7, "x").digest())
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == make(*ALL, duration_s=20).generate(7, "x").digest()


def test_at_another_rate_each_application_keeps_its_share_and_its_sizes() -> None:
    slow = make(CONV, CODE)
    fast = slow.at_rate(50.0)
    assert (slow.rate_per_s, fast.rate_per_s) == (25.0, 50.0)
    assert [one.arrivals.rate_per_s for one in fast.applications] == [40.0, 10.0]
    assert fast.applications[1].arrivals == make({**CODE, "arrivals": "gamma:rate=10,cv=2"}).applications[0].arrivals
    traces = [recipe.generate(1, "x") for recipe in (slow, fast)]
    sizes = [[p for p, a in zip(t.prompt_tokens, t.application_id, strict=True) if a == 1] for t in traces]
    assert sizes[1][: len(sizes[0])] == sizes[0]
    with pytest.raises(SpecError, match=r"rate=1000000000.0: application 0 would be 8e\+08 requests a second; must be"):
        slow.at_rate(1e9)
    with pytest.raises(SpecError, match="asks for 6e\\+08 requests; at most 20,000,000"):
        slow.at_rate(1e6)


def test_a_run_finds_a_recipe_at_a_rate(given: Path) -> None:
    (given / "load.yaml").write_text(YAML)
    ref = TraceRef("load@60", str(given), 5)
    recipe = read_recipe(given / "load.yaml", read_csv)
    assert load(ref, Path()) == recipe.at_rate(60.0).generate(5, "load@60")
    assert identity(ref, Path()) == recipe.at_rate(60.0).digest(5) != recipe.digest(5)
    assert identity(replace(ref, filename="load@30"), Path()) == recipe.digest(5)  # its own rate
    rates = {name: rate_per_s(TraceRef(name, str(given), 5), Path()) for name in ("load", "load@7.5", "rr_conv_3")}
    assert rates == {"load": 30.0, "load@7.5": pytest.approx(7.5), "rr_conv_3": 3.0}
    assert rate_per_s(TraceRef("given", str(given), 5), Path()) is None
    write_csv(recipe.generate(0, "x"), given / "load@60.csv")
    assert rate_per_s(ref, Path()) is None  # a file of that very name wins


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("load@x", "load.yaml: trace.filename='load@x': 'x' is not a rate in requests a second, such as 70"),
        ("load@0", "'0' is not a rate"),
        ("load@-5", "'-5' is not a rate"),
        ("load@1e3", "'1e3' is not a rate"),
        ("load@", "'' is not a rate"),
        ("load@999999999", "application 0 would be 6.66667e\\+08 requests a second"),
        ("lood@5", "lood@5.csv: no such file"),
        ("@5", "@5.csv: no such file"),
    ],
)
def test_a_rate_that_is_none_is_refused_in_one_line(given: Path, name: str, reason: str) -> None:
    (given / "load.yaml").write_text(YAML)
    with pytest.raises(TraceError, match=reason) as caught:
        load(TraceRef(name, str(given), 0), Path())
    assert "\n" not in str(caught.value)
