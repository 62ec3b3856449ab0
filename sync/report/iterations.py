"""What one run did iteration by iteration: a sweep does not keep that, so the run is made again, and checked."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sync.report.data import Run

if TYPE_CHECKING:
    import pandas as pd

ROOT = Path(__file__).resolve().parents[2]  # where `python -m sim_core` is found
_SECONDS = 900  # after which a run is given up
# Recorded settings may come from a store that others write to: none of Hydra's own, which can name code to import.
_NOT_OURS = re.compile(r"^[+~]*hydra\b|_target_|^-")
_SET_HERE = ("tracking", "output_dir", "debug", "perfetto")
_WITHOUT_PICTURE = ("perfetto.max_requests=1", "perfetto.end_s=0.001")
_COLUMNS = {
    "name": "name",
    "tag": "role",
    "iteration_start": "start_s",
    "iteration_end": "end_s",
    "batch_size": "requests",
    "prompt_tasks_in_batch": "prompts",
    "num_contiguous_iterations": "iterations",
    "iteration_tokens": "tokens",
}


@dataclass(frozen=True)
class Iterations:
    """A row a run of equal iterations of an instance: `machine`, `role` (prompt, token, any), `start_s` and `end_s`
    (since the first arrival), `requests` and `prompts` in the batch, `iterations`, `tokens` in each of them. `told`
    says how it was made."""

    run: Run
    table: pd.DataFrame
    told: str


def again(run: Run, recorded: pd.DataFrame | None, root: Path = ROOT) -> Iterations | str:
    """Make `run` again with its log of iterations; where that cannot be done, the reason. `recorded` is its table of
    requests, which the new one is compared with."""
    refused = next((one for one in run.outcome.overrides if _NOT_OURS.search(one)), None)
    if refused is not None:
        return f"its settings hold one that is not the simulator's: {refused}"
    kept = [one for one in run.outcome.overrides if not one.lstrip("+~").startswith(_SET_HERE)]
    with tempfile.TemporaryDirectory(prefix="report-") as folder:
        failed = _simulate([*kept, "debug=True", *_WITHOUT_PICTURE], Path(folder), root)
        if failed:
            return failed
        table = _read(Path(folder))
        if table is None or table.empty:
            return "it served nothing"
        same = _same(Path(folder), recorded)
    told = f"Made by running {run.outcome.name} again"
    alike = {
        True: ": the times of all its requests are those of the sweep's run",
        False: ", by code that is not the sweep's: its requests differ from those of the sweep's run",
        None: " (the sweep's run kept no requests to compare with)",
    }
    return Iterations(run, table, f"{told}{alike[same]}.")


def _simulate(overrides: Sequence[str], folder: Path, root: Path) -> str:
    """Run the simulator; what went wrong, or nothing."""
    quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    command = [sys.executable, "-m", "sim_core", *overrides, f"hydra.run.dir='{quoted}'"]
    search = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))
    try:
        ended = subprocess.run(
            command, cwd=folder, env={**os.environ, "PYTHONPATH": search}, capture_output=True, text=True,
            timeout=_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"running it again took more than {_SECONDS} s"
    lines = ended.stderr.strip().splitlines() or ["no reason given"]
    return "" if ended.returncode == 0 else f"it could not be run again ({lines[-1].removeprefix('error: ')})"


def _read(folder: Path) -> pd.DataFrame | None:
    import pandas as pd

    parts = []
    for application in sorted(path for path in (folder / "instances").glob("*") if path.is_dir()):
        for path in sorted(application.glob("*.csv"), key=lambda path: int(path.stem)):
            rows = pd.read_csv(path, usecols=list(_COLUMNS), keep_default_na=False).rename(columns=_COLUMNS)
            parts.append(rows.assign(machine=f"{application.name}/{path.stem}"))
    if not parts:
        return None
    table = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    table["role"] = table["role"].replace({"None": "any"})
    table[["start_s", "end_s"]] -= _first_arrival_s(folder)
    return table


def _first_arrival_s(folder: Path) -> float:
    import pandas as pd

    details = [path for path in (folder / "detailed").glob("*.csv") if path.stem.isdecimal()]
    columns = [(path, "arrival_timestamps") for path in details] + [(folder / "unserved.csv", "arrival_s")]
    return float(np.nanmin([pd.read_csv(path, usecols=[column])[column].min() for path, column in columns]))


def _same(folder: Path, recorded: pd.DataFrame | None) -> bool | None:
    import pandas as pd

    if recorded is None or "ttft_s" not in recorded:
        return None
    parts = [
        pd.read_csv(path, usecols=["request_ids", "ttft_times", "response_times"])
        for path in sorted((folder / "detailed").glob("*.csv"))
        if path.stem.isdecimal()
    ]
    made = pd.concat(parts).sort_values("request_ids", kind="stable")
    known = recorded.sort_values("request_id", kind="stable")
    if len(made) != len(known):
        return False
    pairs = (("request_ids", "request_id"), ("ttft_times", "ttft_s"), ("response_times", "e2e_s"))
    return all(np.allclose(made[a].to_numpy(), known[b].to_numpy(), rtol=1e-12, atol=1e-12) for a, b in pairs)
