"""The runs that the benchmarks measure, and facts about the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from configs.compose import Composer
from sim_core import spec_from_config
from sim_core.compilation import form
from sim_core.spec import SimSpec
from sim_core.trace import Trace
from traces.workload import TraceRef, load

ROOT = Path(__file__).resolve().parent.parent


def split(a100: int, h100: int) -> list[str]:
    """The overrides of Splitwise-HA."""
    return [f"cluster.servers.0.count={a100}", f"cluster.servers.1.count={h100}", "start_state=splitwise",
            "start_state.split_type=heterogeneous", "applications.0.scheduler=mixed_pool"]  # fmt: skip


def baseline(h100: int) -> list[str]:
    """The overrides of Baseline-H100."""
    return ["cluster.servers.0.count=0", f"cluster.servers.1.count={h100}", "start_state=baseline",
            "applications.0.scheduler=token_jsq"]  # fmt: skip


COMMON = ["cluster=half_half", "performance_model=db", "seed=0"]
CASES = {  # overrides, workload
    "ha-conv-70": (split(26, 25), "rr_conv_70_2min"),
    "baseline-conv-70": (baseline(40), "rr_conv_70_2min"),
    "ha-conv-30": (split(26, 25), "rr_conv_30"),
    "ha-conv-130": (split(26, 25), "rr_conv_130_2min"),
    "ha-code-70": (split(26, 25), "rr_code_70_2min"),
    "ha4-conv-4": (split(2, 2), "rr_conv_4"),
    "ha4-code-4": (split(2, 2), "rr_code_4"),
}


def spec_and_trace(overrides: list[str], workload: str) -> tuple[SimSpec, Trace]:
    """The spec and the trace of a case."""
    spec = spec_from_config(Composer().resolved([*COMMON, *overrides]), ROOT)
    return spec, load(TraceRef(workload, "traces/samples", 0), ROOT)


def environment(compiled: str) -> dict[str, str]:
    """The environment of a measured process. Python stores compiled files below the folder `compiled`, as it does for
    users. Where storing is switched off, as in many containers, every start would compile the whole checkout again."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"} | {
        "PYTHONPYCACHEPREFIX": compiled
    }


def machine() -> dict[str, object]:
    """What the figures depend on: processor, cores, load when the measurement begins, versions, commit, and whether the
    core is compiled."""
    about = Path("/proc/cpuinfo")
    names = about.read_text().splitlines() if about.is_file() else []
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "processor": next((line.split(":")[1].strip() for line in names if line.startswith("model name")), ""),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "commit": git.stdout.strip(),
        "core": form().text,
    }
