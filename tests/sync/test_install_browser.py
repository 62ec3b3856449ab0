"""`.ci/install-browser` installs a Chromium where it may, and never fails."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("bash", "dirname", "env", "mktemp", "mv", "rm", "tail", "timeout")  # what the script uses of the system


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder that is the whole PATH, without a browser and without apt-get."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(next(p for p in (Path("/usr/bin", tool), Path("/bin", tool)) if p.exists()))
    return folder


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def install(programs: Path, user: int = 0) -> subprocess.CompletedProcess[str]:
    program(programs, "id", f"echo {user}")
    return subprocess.run(
        [str(ROOT / ".ci" / "install-browser")],
        env={"PATH": str(programs), "PYTHON": sys.executable, "TMPDIR": str(programs)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_browser_that_is_there_is_enough(programs: Path) -> None:
    program(programs, "chromium", "")
    program(programs, "apt-get", "echo called >&2")
    ended = install(programs)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_a_missing_browser_is_installed_quietly_by_root(programs: Path) -> None:
    program(programs, "chromium.made", "")
    log = programs / "log"
    moved = f"mv {programs}/chromium.made {programs}/chromium"
    noted = f'echo "$DEBIAN_FRONTEND ${{!#}}" >> {log}'
    program(programs, "apt-get", f'echo much text; {noted}; [[ "${{!#}}" == chromium ]] && {moved}; true')
    ended = install(programs)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr == "Installing Chromium, with which MLflow's page is checked.\n"
    assert log.read_text().split("\n") == ["noninteractive update", "noninteractive chromium", ""]


@pytest.mark.parametrize(
    ("apt", "user", "reason"),
    [
        (None, 0, "there is no apt-get"),
        ("exit 0", 1000, "that takes root"),
        ("echo E: no network; exit 100", 0, "apt-get failed (E: no network)"),
        ("exit 0", 0, "apt-get has installed none"),
    ],
)
def test_a_browser_that_cannot_be_installed_fails_nothing_and_the_reason_is_said(
    programs: Path, apt: str | None, user: int, reason: str
) -> None:
    if apt is not None:
        program(programs, "apt-get", apt)
    ended = install(programs, user)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr.splitlines()[-1] == f"No browser is installed, and Chromium is not installed now: {reason}."
