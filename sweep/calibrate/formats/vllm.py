"""JSON of `vllm bench serve --save-result`: one object; with `--save-detailed` also the lengths of each request."""

from __future__ import annotations

from sim_core.section import Section
from sweep.calibrate.formats.base import Content, Format, MeasuredPoint, requests_of
from sweep.calibrate.formats.bench import lengths_of, point_of
from sweep.experiment.file import errors_named


class Vllm(Format):
    about = "`vllm bench serve --save-result`"

    def recognises(self, content: Content) -> bool:
        return all("tokenizer_id" in run and "total_input_tokens" in run for run in content.objects or [{}])

    def points(self, content: Content) -> list[MeasuredPoint]:
        found = []
        with errors_named(content.source):
            for number, each in enumerate(content.objects, 1):
                run = Section(each, "")
                requests = requests_of(run, "completed")
                prompts = lengths_of(run, requests, "total_input_tokens", "input_lens")
                outputs = lengths_of(run, requests, "total_output_tokens", "output_lens")
                place = f", {number}" if len(content.objects) > 1 else ""
                found.append(point_of(run, f"{content.source}{place}", prompts, outputs))
        return found
