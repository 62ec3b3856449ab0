"""JSONL of SGLang's `bench_serving --output-file`: an object a line for each run that was appended."""

from __future__ import annotations

from sim_core.section import Section
from sweep.calibrate.formats.base import Content, Format, Lengths, MeasuredPoint, requests_of, tokens_of
from sweep.calibrate.formats.bench import lengths_of, point_of
from sweep.experiment.file import errors_named

RATIO = "random_range_ratio"


class Sglang(Format):
    about = "SGLang's `bench_serving --output-file`"

    def recognises(self, content: Content) -> bool:
        return all(RATIO in run and "mean_ttft_ms" in run for run in content.objects or [{}])

    def points(self, content: Content) -> list[MeasuredPoint]:
        found = []
        for number, each in enumerate(content.objects, 1):
            with errors_named(f"{content.source}, line {number}"):
                run = Section(each, "")
                requests = requests_of(run, "completed")
                prompts = _lengths(run, requests, "random_input_len", "total_input_tokens", "input_lens")
                outputs = _lengths(run, requests, "random_output_len", "total_output_tokens", "output_lens")
                found.append(point_of(run, f"{content.source}, line {number}", prompts, outputs))
        return found


def _lengths(run: Section, requests: int, longest: str, total: str, each: str) -> Lengths:
    """Those of each request; else uniform up to the longest one, where the totals agree with such a draw."""
    known = lengths_of(run, requests, total, each)
    if known.each or not run.has(longest):
        return known
    high = tokens_of(run, longest, run.value(longest))
    low = max(int(high * run.number(RATIO, most=1.0)), 1)
    drawn = Lengths(low, high)
    is_random = abs(known.mean - drawn.mean) <= max(0.1 * drawn.mean, 2.0)  # other data sets keep the default lengths
    return drawn if is_random else known
