"""Closed loops as recipes, and traces whose requests are sent by clients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sim_core.errors import SimError, TraceError
from traces import TraceRef, identity, load
from traces.__main__ import main
from traces.workload import duration_s, rate_per_s, workload_name

ROOT = Path(__file__).resolve().parents[2]
CLOSED = """\
max_requests: 50
applications:
  - workload: conv
    arrivals: closed:concurrency=8
"""
SAMPLE = TraceRef("test_trace", "traces/samples", 0)


def ref(tmp_path: Path, text: str = CLOSED, **settings: object) -> TraceRef:
    (tmp_path / "load.yaml").write_text(text)
    return replace(TraceRef("load", ".", 3), **settings)  # type: ignore[arg-type]


def refused(tmp_path: Path, text: str, **settings: object) -> str:
    with pytest.raises(SimError) as caught:
        load(ref(tmp_path, text, **settings), tmp_path)
    return str(caught.value)


class TestRecipes:
    def test_it_has_sizes_and_clients_and_no_times(self, tmp_path: Path) -> None:
        trace = load(ref(tmp_path), tmp_path)
        assert (len(trace), trace.measured, trace.concurrency) == (50, 50, 8)
        assert set(trace.arrival_s) == {0.0}
        assert trace.request_id.tolist() == list(range(50))

    def test_its_sizes_are_those_of_open_arrivals(self, tmp_path: Path) -> None:
        closed = load(ref(tmp_path), tmp_path)
        opened = load(ref(tmp_path, CLOSED.replace("closed:concurrency=8", "poisson:rate=20")), tmp_path)
        assert (closed.prompt_tokens, closed.output_tokens) == (opened.prompt_tokens, opened.output_tokens)

    def test_measured_requests_and_their_think_times_are_the_same_with_any_warm_up_and_concurrency(
        self, tmp_path: Path
    ) -> None:
        def made(arrivals: str) -> list[object]:
            trace = load(ref(tmp_path, CLOSED.replace("closed:concurrency=8", f"closed:{arrivals}")), tmp_path)
            first = trace.clients[0].warmup
            columns = trace.request_id, trace.prompt_tokens, trace.output_tokens
            return [*(column[first:] for column in columns), trace.clients[0].think_s]

        think = "think_s=exponential:mean=1"
        assert made(f"concurrency=8,{think}") == made(f"concurrency=30,warmup=2x,{think}")

    def test_requests_may_be_said_with_the_arrivals(self, tmp_path: Path) -> None:
        text = CLOSED.replace("concurrency=8", "concurrency=8,requests=3x,warmup=5")
        trace = load(ref(tmp_path, text), tmp_path)
        assert (len(trace), trace.measured) == (29, 24)
        assert trace.request_id.tolist() == [*range(24, 29), *range(24)]

    def test_each_application_has_clients_of_its_own(self, tmp_path: Path) -> None:
        text = CLOSED + "  - {workload: code, arrivals: 'closed:concurrency=2,requests=6,warmup=1'}\n"
        trace = load(ref(tmp_path, text), tmp_path)
        assert [(group.concurrency, group.requests, group.warmup) for group in trace.clients] == [(8, 50, 0), (2, 6, 1)]
        assert trace.application_id.tolist() == [0] * 50 + [1] * 7
        assert sorted(trace.request_id) == list(range(57))
        assert trace.request_id[50] == 56

    def test_it_has_no_rate_and_no_duration(self, tmp_path: Path) -> None:
        of_recipe = ref(tmp_path)
        assert rate_per_s(of_recipe, tmp_path) is duration_s(of_recipe, tmp_path) is None
        assert workload_name(of_recipe, tmp_path) == "load"

    def test_its_identity_follows_all_that_it_says_and_the_seed(self, tmp_path: Path) -> None:
        texts = [CLOSED, *(CLOSED.replace("concurrency=8", f"concurrency={more}") for more in ("9", "8,warmup=2"))]
        texts += [CLOSED.replace("50", "51"), CLOSED.replace("conv", "code")]
        found = {identity(ref(tmp_path, text), tmp_path) for text in texts}
        assert len({*found, identity(ref(tmp_path, seed=4), tmp_path)}) == len(texts) + 1

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (("max_requests", "duration_s"), "duration_s=50: a closed loop lasts until its requests are done"),
            (("max_requests: 50\n", ""), "arrivals='closed:concurrency=8': needs requests=..., or"),
            (("concurrency=8", "concurrency=0"), "applications.0.arrivals.concurrency=0: must be at least 1"),
            (("    arrivals", "    arrival"), "applications.0.arrival"),
            (("8\n", "8\n  - {workload: code, arrivals: 'poisson:rate=3'}\n"), "all applications of a recipe"),
            (("8\n", "8\n  - {workload: code, arrivals: 'closed:concurrency=3', id: 0}\n"), "is there twice"),
            (("50", "20000000"), "asks for 20,000,008 requests; at most 20,000,000 are made"),
        ],
    )  # fmt: skip
    def test_a_mistake_names_the_key(self, tmp_path: Path, change: tuple[str, str], reason: str) -> None:
        text = CLOSED.replace(*change)
        assert reason in refused(tmp_path, text.replace("=8", "=8,warmup=8") if "20000000" in text else text)

    def test_it_has_no_other_rate(self, tmp_path: Path) -> None:
        message = refused(tmp_path, CLOSED, filename="load@50")
        assert "a closed loop has no rate of its own; give its concurrency" in message


class TestClientsForATrace:
    def sizes(self, arrivals: str, of: TraceRef = SAMPLE) -> list[int]:
        return load(replace(of, arrivals=f"closed:{arrivals}"), ROOT).prompt_tokens.tolist()

    def test_they_send_its_requests_in_its_order(self) -> None:
        assert self.sizes("concurrency=2") == [4096, 2048, 2048]

    def test_they_send_the_first_of_them_or_all_of_them_again(self) -> None:
        assert self.sizes("concurrency=2,requests=2") == [4096, 2048]
        assert self.sizes("concurrency=2,requests=5") == [4096, 2048, 2048, 4096, 2048]

    def test_the_warm_up_has_the_requests_before_the_first(self) -> None:
        assert self.sizes("concurrency=2,requests=1,warmup=4") == [2048, 4096, 2048, 2048, 4096]

    def test_requests_are_numbered_from_the_first_that_is_measured(self) -> None:
        trace = load(replace(SAMPLE, arrivals="closed:concurrency=2,warmup=2"), ROOT)
        assert trace.request_id.tolist() == [3, 4, 0, 1, 2]
        assert (trace.name, trace.measured, set(trace.arrival_s)) == ("test_trace", 3, {0.0})

    def test_they_take_the_sizes_of_a_named_workload(self) -> None:
        named = TraceRef("rr_conv_2_30s", ".", 3)
        opened, closed = load(named, ROOT), load(replace(named, arrivals="closed:concurrency=4"), ROOT)
        assert opened.prompt_tokens == closed.prompt_tokens
        assert rate_per_s(replace(named, arrivals="closed:concurrency=4"), ROOT) is None
        assert duration_s(replace(named, arrivals="closed:concurrency=4"), ROOT) is None

    def test_they_take_the_place_of_those_of_a_recipe(self, tmp_path: Path) -> None:
        own = ref(tmp_path, CLOSED.replace("=8", "=8,warmup=4"))
        other = load(replace(own, arrivals="closed:concurrency=2"), tmp_path)
        assert (other.concurrency, other.measured, len(other)) == (2, 50, 50)
        assert other.prompt_tokens == load(own, tmp_path).prompt_tokens[4:]

    def test_they_do_not_take_the_place_of_several_groups(self, tmp_path: Path) -> None:
        text = CLOSED + "  - {workload: code, arrivals: 'closed:concurrency=2'}\n"
        assert "load.yaml: has several groups of clients" in refused(tmp_path, text, arrivals="closed:concurrency=2")

    def test_the_identity_follows_the_clients_and_the_seed_where_thinking_is_random(self) -> None:
        def found(arrivals: str, seed: int = 0) -> str:
            return identity(replace(SAMPLE, arrivals=arrivals, seed=seed), ROOT)

        texts = ["", "closed:concurrency=2", "closed:concurrency=3", "closed:concurrency=2,think_s=exponential:mean=1"]
        assert len({found(text) for text in texts}) == len(texts)
        assert found(texts[1]) == found(texts[1], 1)
        assert found(texts[3]) != found(texts[3], 1)

    def test_other_arrivals_are_refused_with_what_to_do(self) -> None:
        with pytest.raises(SimError, match=r"trace.arrivals='poisson:rate=3': must be own, or closed:concurrency=64"):
            load(replace(SAMPLE, arrivals="poisson:rate=3"), ROOT)
        with pytest.raises(SimError, match=r"trace\.arrivals\.concurrency=0"):
            identity(replace(SAMPLE, arrivals="closed:concurrency=0"), ROOT)


def test_no_file_is_written_of_closed_arrivals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ref(tmp_path)
    monkeypatch.chdir(tmp_path)
    options = ["--workload", "conv", "--arrivals", "closed:concurrency=3", "--max-requests", "9"]
    for arguments in (["load.yaml"], options):
        assert main(["generate", *arguments, "--out", "a.csv"]) == 2
        assert "closed arrivals have no times before a run" in capsys.readouterr().err
    assert not (tmp_path / "a.csv").exists()


def test_describe_shows_the_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ref(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["describe", "load.yaml", "--json"]) == 0
    assert '"clients": 8' in capsys.readouterr().out


def test_the_error_of_a_missing_trace_is_that_of_open_arrivals(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no such file"):
        load(TraceRef("missing", ".", 0, arrivals="closed:concurrency=2"), tmp_path)
