"""What requests have in common: hash ids in, contents out, through every way a trace can go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim_core.errors import TraceError
from sim_core.trace import Trace
from tests.engine.serving import engine
from tests.runs import measured
from tests.sim_core import worlds
from tests.traces.reads import read, refusal
from traces.__main__ import main
from traces.reader import read_file
from traces.scaled import at_rate

Row = tuple[int, int, list[Any] | None]  # tokens of prompt and output, hash ids


def mooncake(path: Path, rows: list[Row], **more: Any) -> Path:
    """A file of Mooncake's layout; a request every 2 s."""
    lines = [
        json.dumps({"timestamp": 2000 * n, "input_length": prompt, "output_length": output, **more}
                   | ({} if ids is None else {"hash_ids": ids}))
        for n, (prompt, output, ids) in enumerate(rows)
    ]  # fmt: skip
    path.write_text("\n".join(lines))
    return path


def runs(trace: Trace) -> list[list[tuple[int, int]]]:
    """The runs of each request."""
    prefixes = trace.prefixes
    assert prefixes is not None
    begins, pairs = prefixes.begins, list(zip(prefixes.firsts, prefixes.lengths, strict=True))
    return [pairs[begins[row] : begins[row + 1]] for row in range(len(trace))]


def tokens(trace: Trace, row: int) -> list[int]:
    """The addresses of a request's tokens, as far as it has any."""
    return [first + place for first, length in runs(trace)[row] for place in range(length)]


def test_blocks_of_mooncake_have_512_tokens_and_the_last_one_is_cut(tmp_path: Path) -> None:
    rows: list[Row] = [(1100, 9, [5, 6, 9]), (600, 9, [5, 7]), (512, 9, [8])]
    trace = read(mooncake(tmp_path / "m.jsonl", rows))[0]
    assert runs(trace) == [[(0, 1100)], [(0, 512), (1536, 88)], [(2048, 512)]]
    assert trace.prefixes is not None
    assert trace.prefixes.block_tokens == 512


def test_blocks_of_bailian_have_16_tokens(tmp_path: Path) -> None:
    path = mooncake(tmp_path / "b.jsonl", [(40, 9, [5, 6, 9]), (33, 9, [5, 6, 7])], chat_id=1, parent_chat_id=-1)
    trace = read(path, time_unit="ms")[0]
    assert runs(trace) == [[(0, 40)], [(0, 32), (48, 1)]]


def bailian(path: Path) -> Path:
    """A file as Alibaba publishes them: all keys, in their order; times in seconds; an id for each block that is begun.

    A root request, its second turn, whose ids go on in the block that the first prompt ended in, a request that begins
    as the first one, and one of the reasoning traces.
    """
    records: list[tuple[int, int, float, int, int, str, int, list[int]]] = [
        (0, -1, 0.0, 502, 1494, "text", 1, list(range(32))),
        (1, 0, 61.114, 2021, 132, "text", 2, [*range(31), *range(40, 136)]),
        (2, -1, 61.2, 48, 7, "search", 1, [0, 1, 2]),
        (3, -1, 80.0, 521, 132, "thinking", 1, [1089, 1090, 1091, *range(200, 230)]),
    ]
    keys = ("chat_id", "parent_chat_id", "timestamp", "input_length", "output_length", "type", "turn", "hash_ids")
    path.write_text("".join(json.dumps(dict(zip(keys, record, strict=True))) + "\n" for record in records))
    return path


def test_a_file_of_bailian_is_read_as_its_publisher_describes_it(tmp_path: Path) -> None:
    trace = read(bailian(tmp_path / "qwen_traceA_blksz_16.jsonl"))[0]
    assert list(trace.arrival_s) == [0.0, 61.114, 61.2, 80.0]
    assert list(trace.prompt_tokens) == [502, 2021, 48, 521]
    assert list(trace.output_tokens) == [1494, 132, 7, 132]
    assert trace.prefixes is not None
    assert trace.prefixes.block_tokens == 16
    texts = [tokens(trace, row) for row in range(4)]
    assert [len(text) for text in texts] == [502, 2021, 48, 521]
    assert texts[0][:496] == texts[1][:496]
    assert not set(texts[0][496:]) & set(texts[1])
    assert texts[2] == texts[0][:48]
    assert not set(texts[3]) & {token for text in texts[:3] for token in text}


@pytest.mark.parametrize("block_tokens", [1, 16])
def test_a_run_of_bailian_hits_what_the_bound_allows(block_tokens: int, tmp_path: Path) -> None:
    trace = read(bailian(tmp_path / "qwen_traceA_blksz_16.jsonl"))[0]
    batch = engine("vllm", block_size=block_tokens, max_num_batched_tokens=2048)
    found = measured(worlds.spec("round_robin", count=1, kv_tokens=8000, batch=batch), trace)
    cached = [0, 496, 32 if block_tokens == 16 else 47, 0]  # the last token is computed in any case
    rows = zip(found.requests["request_id"], found.requests["cached_tokens"], strict=True)
    assert [tokens for _, tokens in sorted(rows)] == cached
    assert found.summary["cache/hit_tokens"] == found.summary["cache/bound_tokens"] == sum(cached)


def test_tokens_that_ids_do_not_cover_belong_to_the_request_alone(tmp_path: Path) -> None:
    trace = read(mooncake(tmp_path / "m.jsonl", [(5000, 9, [1]), (5000, 9, []), (5000, 9, None)]))[0]
    assert runs(trace) == [[(0, 512)], [], []]


def test_a_trace_without_ids_has_no_prefixes(tmp_path: Path) -> None:
    assert read(mooncake(tmp_path / "m.jsonl", [(5000, 9, None), (1, 1, [])]))[0].prefixes is None


def test_prefixes_are_part_of_the_digest_where_there_are_any(tmp_path: Path) -> None:
    digests = [
        read(mooncake(tmp_path / "m.jsonl", [(600, 9, ids), (600, 9, [1, 2])]))[0].digest()
        for ids in (None, [1, 2], [1, 3], [7, 2])
    ]
    assert len(set(digests)) == 4
    assert digests[0] != read(mooncake(tmp_path / "m.jsonl", [(600, 9, None), (600, 9, None)]))[0].digest()


IDS = st.integers(0, 3)


@st.composite
def requests(draw: st.DrawFn) -> list[Row]:
    lists = draw(st.lists(st.lists(IDS, min_size=1, max_size=5), min_size=2, max_size=6))
    return [(512 * len(ids) - draw(st.sampled_from([0, 0, 1, 511])), 1, ids) for ids in lists]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=requests(),
    spelt=st.sampled_from([int, lambda one: one + 2**63, lambda one: -one - 1, lambda one: f"{one:016x}"]),
)
def test_tokens_are_the_same_exactly_where_ids_are(rows: list[Row], spelt: Any, tmp_path: Path) -> None:
    """Whatever the ids look like."""
    spelled: list[Row] = [(prompt, output, list(map(spelt, ids or []))) for prompt, output, ids in rows]
    trace = read(mooncake(tmp_path / "m.jsonl", spelled))[0]
    all_tokens = [tokens(trace, row) for row in range(len(rows))]
    for own, (prompt, _, ids) in zip(all_tokens, rows, strict=True):
        assert len(own) == prompt
        for others, (_, _, other_ids) in zip(all_tokens, rows, strict=True):
            for place, (token, other) in enumerate(zip(own, others, strict=False)):
                assert ids is not None
                assert other_ids is not None
                assert (token == other) == (ids[place // 512] == other_ids[place // 512])


def test_an_id_that_is_null_is_like_no_other(tmp_path: Path) -> None:
    trace = read(mooncake(tmp_path / "m.jsonl", [(1536, 9, [1, None, 2]), (1536, 9, [1, None, 2])]))[0]
    assert runs(trace) == [[(0, 512), (1024, 512), (512, 512)], [(0, 512), (1536, 512), (512, 512)]]


def test_more_ids_than_the_prompt_has_blocks_are_an_error_of_the_row(tmp_path: Path) -> None:
    path = mooncake(tmp_path / "m.jsonl", [(512, 9, [1]), (512, 9, [1, 2])])
    assert refusal(path) == (
        "m.jsonl, row 2, column hash_ids: 2 ids of 512 tokens, but 512 tokens of prompt have 1; "
        "where blocks have another size, convert the file with --block-tokens N"
    )
    assert runs(read(path, skip_bad_rows=True)[0]) == [[(0, 512)], []]
    assert runs(read(path, block_tokens=256)[0]) == [[(0, 256)], [(0, 512)]]


def test_the_tokens_of_a_block_must_be_of_ids_that_a_format_has(tmp_path: Path) -> None:
    path = mooncake(tmp_path / "m.jsonl", [(512, 9, [1])])
    assert refusal(path, block_tokens=0) == "m.jsonl: --block-tokens 0: must be from 1 to 1,048,576"
    (tmp_path / "v.csv").write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n0,5,5\n")
    assert (
        refusal(tmp_path / "v.csv", block_tokens=16) == "v.csv: --block-tokens: files of this format have no hash ids"
    )


def test_llmservingsims_tokens_become_blocks_of_prompt_and_output(tmp_path: Path) -> None:
    first, answer, more = list(range(20)), list(range(100, 114)), list(range(200, 220))
    lines = [
        {"input_toks": 20, "output_toks": 14, "arrival_time_ns": 0, "input_tok_ids": first, "output_tok_ids": answer},
        {"input_toks": 54, "output_toks": 2, "arrival_time_ns": 9, "input_tok_ids": first + answer + more},
        {"input_toks": 20, "output_toks": 14, "arrival_time_ns": 19},
    ]
    path = tmp_path / "l.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    assert runs(read(path)[0]) == [[(0, 32)], [(0, 48)], []]
    assert runs(read(path, block_tokens=4)[0]) == [[(0, 32)], [(0, 52)], []]


def test_of_too_few_or_too_many_tokens_the_known_ones_count(tmp_path: Path) -> None:
    """As LLMServingSim takes them; outputs are not known to come next then."""
    lines = [
        {"input_toks": size, "output_toks": 4, "arrival_time_ns": size, "input_tok_ids": list(range(8)),
         "output_tok_ids": [8, 9, 10, 11]}
        for size in (8, 9, 6)
    ]  # fmt: skip
    path = tmp_path / "l.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    # in order of arrival: 6, 8 and 9 tokens
    assert runs(read(path, block_tokens=2)[0]) == [[(0, 6)], [(0, 12)], [(0, 8)]]


@pytest.mark.parametrize("ids", ["[1, 2.0, 3]", "[1, true, 2]", '["1", 2, 3]', "7", '"abc"'])
def test_what_are_no_tokens_is_an_error_of_its_row_or_left_out(ids: str, tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    path.write_text(f'{{"input_toks": 3, "output_toks": 1, "arrival_time_ns": 0, "input_tok_ids": {ids}}}')
    assert refusal(path).startswith("l.jsonl, row 1, column input_tok_ids: ")
    assert read(path, skip_bad_rows=True)[0].prefixes is None


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a trace, where commands run."""
    monkeypatch.chdir(tmp_path)
    mooncake(Path("m.jsonl"), [(1100, 9, [5, 6, 9]), (600, 3, [5, 7]), (900, 20, None), (1500, 1, [5, 6, 8])])
    return tmp_path


def run(*arguments: str) -> Trace:
    """What a command writes as its last file."""
    assert main([*arguments, "--force", "--time-unit", "ms"] if arguments[1].endswith("l") else
                [*arguments, "--force"]) == 0  # fmt: skip
    out = next(argument for argument in reversed(arguments) if argument.startswith("out."))
    return read_file(Path(out))


@pytest.mark.parametrize("out", ["out.parquet", "out.csv", "out.csv.gz"])
def test_conversion_keeps_prefixes_and_the_tokens_of_a_block(out: str, there: Path) -> None:
    original = read(there / "m.jsonl", time_unit="ms")[0]
    converted = run("convert", "m.jsonl", out)
    assert converted.prefixes == original.prefixes
    assert run("convert", out, "out.2.csv").digest() == converted.digest() == original.digest()
    assert run("convert", out, "out.2.parquet").digest() == original.digest()


def test_a_part_of_a_trace_keeps_its_prefixes(there: Path) -> None:
    run("convert", "m.jsonl", "out.parquet")
    part = run("slice", "out.parquet", "out.part.parquet", "--skip", "1")
    assert runs(part) == runs(read_file(Path("out.parquet")))[1:]


def test_another_rate_keeps_prefixes(there: Path) -> None:
    trace = read(there / "m.jsonl", time_unit="ms")[0]
    assert at_rate(trace, 7.0, "m").prefixes == trace.prefixes
    run("convert", "m.jsonl", "out.parquet")
    assert run("scale", "out.parquet", "out.2.parquet", "--rate", "3").prefixes == trace.prefixes


def test_shorter_prompts_keep_what_they_have_room_for_and_longer_ones_all(there: Path) -> None:
    run("convert", "m.jsonl", "out.parquet")
    shorter = run("scale", "out.parquet", "out.2.parquet", "--prompt-factor", "0.9")
    assert runs(shorter) == [[(0, 990)], [(0, 512), (1536, 28)], [], [(0, 1024), (2048, 326)]]
    longer = run("scale", "out.parquet", "out.3.parquet", "--prompt-factor", "2")
    assert runs(longer) == runs(read_file(Path("out.parquet")))


def test_traces_that_are_mixed_have_nothing_in_common(there: Path) -> None:
    run("convert", "m.jsonl", "out.parquet")
    Path("plain.csv").write_text(
        "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n0,2,0,1.0,1,40,3\n"
    )
    mixed = run("mix", "out.parquet", "out.parquet", "plain.csv", "out.2.parquet")
    by_application = {
        number: {
            token for row in range(len(mixed)) if mixed.application_id[row] == number for token in tokens(mixed, row)
        }
        for number in range(3)
    }
    assert len(by_application[0]) == len(by_application[1]) > 1000
    assert not by_application[0] & by_application[1]
    assert not by_application[2]


@pytest.mark.parametrize("value", ["0+1000", "0", "1+2+3", "a+1", "-1+4", "0+0", "0+9999999999999999999999", "0 + 4"])
def test_runs_that_make_no_sense_are_an_error_of_their_row_or_left_out(value: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "request_id,arrival_timestamp,prompt_size,token_size,block_tokens,prefix_runs\n"
        f"0,0.0,10,5,16,0+15\n1,1.0,10,5,16,{value}\n2,2.0,10,5,16,\n"
    )
    assert refusal(path).startswith(f"t.csv, row 2, column prefix_runs: {value!r} ")
    trace = read(path, skip_bad_rows=True)[0]
    assert trace.request_id.tolist() == [0, 2]
    assert runs(trace) == [[(0, 15)], []]


@pytest.mark.parametrize(
    "column",
    [pa.array([[0], [1]]), pa.array([[0.5, 1.0], None]), pa.array([7, 8]), pa.array([[0, None], None]),
     pa.array([[2**62, 1], None]), pa.array([[0, 16], None])],
)  # fmt: skip
def test_a_parquet_file_with_other_runs_is_refused(column: pa.Array, tmp_path: Path) -> None:
    table = pa.table(
        {"arrival_s": [0.0, 1.0], "prompt_tokens": [10, 10], "output_tokens": [5, 5], "prefix_runs": column}
    )
    pq.write_table(table, tmp_path / "t.parquet")
    assert refusal(tmp_path / "t.parquet").startswith("t.parquet, row 1, column prefix_runs: ")


def test_the_tokens_of_a_block_must_be_whole_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("request_id,arrival_timestamp,prompt_size,token_size,block_tokens,prefix_runs\n0,0,10,5,x,0+5\n")
    with pytest.raises(TraceError, match="column block_tokens: must be whole numbers"):
        read(path)


def test_hash_ids_alone_mean_nothing_in_a_parquet_file(tmp_path: Path) -> None:
    """Nothing says how many tokens they stand for: files of former versions."""
    table = pa.table({"arrival_s": [0.0], "prompt_tokens": [10], "output_tokens": [5], "hash_ids": [[1, 2, 3]]})
    pq.write_table(table, tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet")[0].prefixes is None


def test_describe_has_the_most_that_a_cache_can_hit(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "m.jsonl", "--json", "--time-unit", "ms"]) == 0
    facts = json.loads(capsys.readouterr().out)["prefixes"]
    # the second request has 512 tokens of the first one, the last 1024
    assert facts == {
        "compared_in_blocks_of_tokens": 512,
        "requests": 3,
        "cache_block_tokens": 16,
        "requests_that_hit": 2,
        "bound_tokens": 1536,
        "bound_rate": 1536 / 4100,
    }
    assert main(["describe", "m.jsonl", "--time-unit", "ms"]) == 0
    assert "37.5%" in capsys.readouterr().out
