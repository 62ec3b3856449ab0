"""The version of the package, and the content key of a run."""

from __future__ import annotations

from sim_core.digest import sha256
from sim_core.spec import SimSpec

__version__ = "0.1.0"


def content_key(spec: SimSpec, trace_identity: str, code: str) -> str:
    """SHA-256, in hex, over everything that a run's outcome depends on: runs with equal keys have equal outcomes.

    `code` is the digest of a `sim_core.Code` for `spec`; one `Code` serves many runs.
    """
    return sha256([f"{spec.digest()}\n{trace_identity}\n{code}\n".encode()]).hex()
