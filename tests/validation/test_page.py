"""The page has the figures of the comparisons, and the one in docs/ is of the present texts."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from string import Template

import pytest

from benchmarks.validation import page as made_page
from benchmarks.validation.errors import Comparison
from benchmarks.validation.page import Results, figures, page
from benchmarks.validation.pictures import BARS, SCATTER, draw
from benchmarks.validation.points import NO_WORKERS, Parallelism, Reading
from benchmarks.validation.runs import Outcome
from tests.validation.made import compared, point, split

ROOT = Path(__file__).resolve().parents[2]


def results() -> Results:
    members = [
        compared(1.1, 1.2, (1.4, 1.3), name=str(number), concurrency=4**number, engine=Parallelism(2**size),
                 system=system, tpot_ms=5.0 / 2**size)
        for number in range(5) for size in range(2) for system in ("h100_sxm", "b200_sxm")
    ]  # fmt: skip
    pools = [Comparison(split(name="pools"), Outcome(20.0, 5.0), None)] * 5
    points = [each.point for each in (*members, *pools)]
    reading = Reading(30, points, Counter({NO_WORKERS: 5}), Counter(), [(point(), point(tpot_ms=6.0))])
    not_run = {"aggregated": Counter({"no kernels": 2}), "disaggregated": Counter[str]()}
    return Results(reading, [*members, *pools], not_run, "a package 1.0", {"vllm": "9.9"})


def test_the_last_line_has_the_figures_in_percent() -> None:
    assert figures(results()) == {
        "aggregated": {"points": 20, "tpot_median": 20.0, "tpot_p90": 20.0, "ttft_median": 10.0},
        "disaggregated": {"points": 5, "tpot_median": 0.0, "tpot_p90": 0.0, "ttft_median": 100.0},
        "order": {"parallelism_tpot": 100.0, "system_tpot": None},
    }


def test_the_page_tells_all_figures_and_nothing_is_left_to_fill_in() -> None:
    text = page(results())
    assert "| aggregated | 20 | TPOT | 20 | 20 | 20 | +20 | 30 | 30 | 30 | +30 |" in text
    assert "| not simulated: no kernels (aggregated) | 2 |" in text
    assert "a package 1.0 has kernels of vllm 9.9" in text
    assert "$" not in text
    for table in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_equal_results_are_equal_pictures(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        draw(results().of("aggregated"), tmp_path / folder)
    for name in (SCATTER, BARS):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_the_page_in_docs_has_the_present_texts() -> None:
    template = Path(made_page.__file__).with_suffix(".md").read_text()
    kept = (ROOT / "docs" / "validation.md").read_text()
    place = 0
    for text in re.split(Template.pattern, template)[0::5]:  # what is between the names that are filled in
        place = kept.index(text, place) + len(text)


@pytest.mark.parametrize("name", [SCATTER, BARS])
def test_the_pictures_of_the_page_are_in_docs_and_of_modest_size(name: str) -> None:
    assert 10_000 < (ROOT / "docs" / name).stat().st_size < 400_000
