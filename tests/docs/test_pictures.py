"""docs/quickstart_picture.py draws the picture of README from the results of the demo."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from matplotlib.image import imread

from tests.docs.pages import ROOT


def python(*arguments: str, folder: Path, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=os.environ | environment, capture_output=True, text=True,
        timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_picture_of_the_demo_is_drawn_from_its_results(tmp_path: Path) -> None:
    options = ("rate=8,16", "--local", "--sink", "none", "--results", str(tmp_path / "results"))
    python("-m", "sweep", "experiments/quickstart.yaml", *options, folder=ROOT)
    # As README says it, `python docs/quickstart_picture.py`, but with the results of the folder that it runs in.
    python(str(ROOT / "docs" / "quickstart_picture.py"), "drawn.png", folder=tmp_path, MPLCONFIGDIR=str(tmp_path))
    drawn, kept = (imread(path) for path in (tmp_path / "drawn.png", ROOT / "docs" / "quickstart.png"))
    assert drawn.shape == kept.shape
    assert drawn.std() > 0
