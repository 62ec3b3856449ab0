from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.command import main


def test_what_is_done_and_left_of_every_sweep_is_told(
    tmp_path: Path, tiny: str, write_experiment: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file, results = write_experiment(tiny), ["--results", str(tmp_path / "results")]
    assert main(["status", *results]) == 0
    assert "no sweeps in" in capsys.readouterr().out
    assert main([str(file), "--local", "--sink", "none", *results]) == 0
    capsys.readouterr()
    assert main(["status", *results]) == 0
    told = [line.strip() for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in told if line.startswith("tiny")]
    assert line.split()[:7] == ["tiny", "complete", "4", "0", "0", "-", "0"]
    assert sum("one-h100 1xH100 conv" in line for line in told) == 3, "the slowest"
    next((tmp_path / "results" / "tiny" / "points").glob("*.json")).unlink()
    assert main(["status", "tiny", *results]) == 0
    assert "not complete: start it again" in capsys.readouterr().out


def test_a_sweep_of_which_a_part_was_asked_for_is_not_called_complete_without_a_word(
    tmp_path: Path, tiny: str, write_experiment: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(write_experiment(tiny)), "--local", "--sink", "none"]
    results = ["--results", str(tmp_path / "results")]
    for limit, word in (["--limit", "1"], True), ([], False):
        assert main([*command, *results, *limit]) == 0
        capsys.readouterr()
        assert main(["status", *results]) == 0
        told = capsys.readouterr().out
        assert "complete" in told
        assert ("(1 of 4 points asked for)" in told) is word


def test_a_sweep_that_is_none_is_one_line_with_the_nearest_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results" / "tiny").mkdir(parents=True)
    (tmp_path / "results" / "tiny" / "sweep.json").write_text("[]")
    assert main(["status", "tinny", "--results", str(tmp_path / "results")]) == 2
    assert "did you mean 'tiny'" in capsys.readouterr().err
    assert main(["status", "--results", str(tmp_path / "results")]) == 0


def test_results_that_may_not_be_read_are_not_taken_for_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert main(["status", "--results", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}: Permission denied\n"
