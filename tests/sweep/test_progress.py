from __future__ import annotations

import io

import pytest
from rich.console import Console

from sweep import progress
from sweep.progress import Preparation, trouble_text


@pytest.mark.parametrize(("after_s", "said"), [(0.5, ""), (1.5, "preparing points: 7 of 9\n")])
def test_preparing_points_is_told_once_it_takes_longer_than_a_second(
    monkeypatch: pytest.MonkeyPatch, after_s: float, said: str
) -> None:
    screen = io.StringIO()
    clock = iter([100.0, 100.0 + after_s, 100.1 + after_s])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with Preparation(Console(file=screen)) as told:
        told(7, 9)
        told(8, 9)
    assert screen.getvalue() == said


def test_the_line_says_what_keeps_results_from_being_delivered() -> None:
    assert trouble_text(lambda: "") == ""
    assert trouble_text(lambda: "3 results wait: nobody answers") == "; 3 results wait: nobody answers"
