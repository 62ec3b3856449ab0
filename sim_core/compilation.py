"""Whether the core runs compiled, or the same files as plain Python.

`setup.py` compiles `MODULES` with mypyc, beside their sources, and writes `RECORD`: the compiler, and the checksums of
these sources. The compiled files count only as a whole. They are left aside where `SIM_CORE_PURE` is set, where a
source is not the one that was compiled, and where they do not load. Results are the same to the bit either way.

This module runs before the others of the package, at every start, and is never compiled.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import NamedTuple
from zlib import crc32

LIBRARY = "sim_core__mypyc"  # the extension that holds all compiled code; those of the modules lead to it
RECORD = "compiled.crc32"
PURE = "SIM_CORE_PURE"  # set to anything but 0, the core runs as plain Python
FOLDER = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 (pathlib loads slowly)

MODULES = tuple(
    f"sim_core.{name}"
    for name in (
        *("event", "engine", "request", "step", "owner", "memory", "application", "fleet", "workload"),
        *("replica", "step_replica", "ahead_replica", "closed_loop"),
        *("recorder", "simulation", "beyond", "standstill", "kv.base", "kv.whole_sequence"),
        *("engine_turns", "engine_replica"),
        *(f"kv.{name}" for name in ("content", "chain", "block_queue", "endless", "paged", "reserving")),
        *(f"performance.{name}" for name in ("step_times", "curve", "affine", "context_line", "table_times")),
        *(f"performance.{name}" for name in ("grid_times", "calibrated_times")),
        *(f"network.{name}" for name in ("base", "private", "ports", "shared", "shared_fifo")),
        *(f"batching.{name}" for name in ("base", "batch", "line", "first_come", "default", "orca", "splitwise")),
        *(f"batching.{name}" for name in ("whole_prompts", "standstill", "waits_queue", "long_queue")),
        *(f"batching.{name}" for name in ("vllm", "vllm_sequence", "vllm_step", "vllm_members", "vllm_scheduler")),
        *(
            f"batching.{name}"
            for name in ("sequence_batcher", "new_token_ratio", "receive_interval", "sglang", "trtllm")
        ),
        *(f"scheduling.{name}" for name in ("base", "ranking", "view", "jsq", "token_jsq", "overlap", "random")),
        *(f"scheduling.{name}" for name in ("round_robin", "mixed_pool", "mixed_pool_returning", "conditional_disagg")),
        *(f"scheduling.{name}" for name in ("stems", "prompt_loads", "prefix_affinity")),
    )
)


class Form(NamedTuple):
    """`is_compiled`, and in words: `compiled by mypyc 2.4.0`, `plain Python: SIM_CORE_PURE is set`."""

    is_compiled: bool
    text: str


@cache
def form() -> Form:
    """How the core runs in this process. The first call, made before the core is imported, settles that."""
    reason = _reason_for_plain()
    if reason is None:
        return Form(True, f"compiled by {_record()[0]}")
    if _is_built():
        sys.meta_path.insert(0, _Sources())
    return Form(False, f"plain Python: {reason}")


def is_pure_asked() -> bool:
    """Whether the plain core is asked for."""
    return os.environ.get(PURE, "0") not in ("", "0")


def record_of(compiler: str, folder: str = FOLDER) -> list[str]:
    """The lines of a `RECORD`: the compiler, and the checksum of the source of each module."""
    return [compiler, *(f"{_checksum(_source(name, folder))} {name}" for name in MODULES)]


def _reason_for_plain() -> str | None:
    """Why the core cannot run compiled; None: it can."""
    if is_pure_asked():
        return f"{PURE} is set"
    if not _is_built():
        return "it is not compiled (make compiled)"
    record = _record()
    if not record or record != record_of(record[0]):
        return "its sources have changed since it was compiled (make compiled)"
    try:
        __import__(LIBRARY)
    except ImportError as error:
        return f"its compiled form does not load here ({' '.join(str(error).split())[:200]})"
    return None


def _is_built() -> bool:
    """Whether this Python would find compiled modules."""
    stem = _source(MODULES[0], FOLDER).removesuffix(".py")
    return any(os.path.exists(stem + suffix) for suffix in EXTENSION_SUFFIXES)  # noqa: PTH110


def _record() -> list[str]:
    try:
        with open(os.path.join(FOLDER, RECORD), encoding="utf-8") as file:  # noqa: PTH118, PTH123
            return file.read().splitlines()
    except (OSError, ValueError):
        return []


def _checksum(path: str) -> str:
    with open(path, "rb") as file:  # noqa: PTH123
        return f"{crc32(file.read()):08x}"


def _source(module: str, folder: str) -> str:
    return os.path.join(folder, *module.split(".")[1:]) + ".py"  # noqa: PTH118


class _Sources:
    """Finds the sources of modules whose compiled form does not count."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        if name not in MODULES:
            return None
        from importlib.util import spec_from_file_location  # here: not needed at every start

        source = _source(name, FOLDER)
        return spec_from_file_location(name, source, loader=SourceFileLoader(name, source))
