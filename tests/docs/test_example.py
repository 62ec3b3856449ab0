"""docs/example.ipynb runs as it stands, and shows what it showed when it was saved."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.docs.pages import ROOT

NOTEBOOK = ROOT / "docs" / "example.ipynb"
PACKAGES = ("sim_core", "sweep", "sync", "traces", "configs", "data")
MOST_BYTES = 600_000


def outputs(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """For each code cell what it shows: texts and tables as they are, `figure` for a picture."""
    return [[_shown(output) for output in cell.outputs] for cell in notebook.cells if cell.cell_type == "code"]


def _shown(output: nbformat.NotebookNode) -> str:
    if output.output_type == "stream":
        return str(output.text)
    return "figure" if "image/png" in output.data else str(output.data["text/plain"])


@pytest.mark.slow
def test_the_notebook_runs_in_a_copy_of_the_project_and_shows_what_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    project = tmp_path / "project"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, project / package, ignore=shutil.ignore_patterns("__pycache__"))
    (project / "docs").mkdir()
    saved = nbformat.read(NOTEBOOK, as_version=4)
    notebook = nbformat.from_dict(saved)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(project / "docs")}}
    )
    client.execute()
    assert outputs(notebook) == outputs(saved)
    assert sum(shown == "figure" for cell in outputs(notebook) for shown in cell) == 7
    assert any("machines" in shown and "power" in shown for cell in outputs(notebook) for shown in cell)
    assert (project / "results" / "example" / "sweep.json").exists()


def test_the_saved_notebook_is_small_and_names_no_machine() -> None:
    text = NOTEBOOK.read_text()
    assert len(text) < MOST_BYTES
    assert not re.search(r"/(tmp|home|root|work|Users)/", text)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert all(cell.metadata == {} for cell in notebook.cells)
