from __future__ import annotations

import io

import pytest
from rich.console import Console

from sweep import progress
from sweep.progress import Preparation, ProgressView
from sweep.tally import Tally


def shown(monkeypatch: pytest.MonkeyPatch, after_s: float, *, terminal: bool) -> str:
    """What a preparation leaves behind that is called twice, once `after_s` have passed."""
    screen = io.StringIO()
    now_s = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now_s)
    with Preparation(Console(file=screen, force_terminal=terminal, width=80)) as preparation:
        now_s += after_s
        preparation(7, 9)
        preparation(8, 9)
    return screen.getvalue()


@pytest.mark.parametrize(("after_s", "said"), [(0.5, ""), (4.5, ""), (5.5, "preparing points: 7 of 9\n")])
def test_a_short_preparation_leaves_no_line_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, after_s: float, said: str
) -> None:
    assert shown(monkeypatch, after_s, terminal=False) == said


def test_a_terminal_shows_a_preparation_once_it_takes_longer_than_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, 0.5, terminal=True) == ""
    screen = shown(monkeypatch, 1.5, terminal=True)
    assert "preparing points" in screen and "7/9" in screen


@pytest.mark.parametrize("trouble", ["", "3 results wait: nobody answers"])
def test_the_line_says_what_keeps_results_from_being_delivered(trouble: str) -> None:
    screen = io.StringIO()
    with ProgressView(Console(file=screen, width=200), Tally([], lambda: 0), lambda: trouble) as view:
        view.update()
    assert screen.getvalue() == f"runs 0/0 done, 0 running, 0 failed, - runs/min, left 0{trouble and ', '}{trouble}\n"
