"""The version of the package, and the key of a run: what its results are a function of."""

from __future__ import annotations

from sim_core.digest import sha256
from sim_core.spec import SimSpec

__version__ = "0.1.0"


def content_key(spec: SimSpec, trace_identity: str, code: str) -> str:
    """What a run's outcome depends on, as one SHA-256 in hex: two runs with one key are the same run.

    `code` is `Code().digest_for(spec)`; one `Code` serves many runs.
    """
    return sha256([f"{spec.digest()}\n{trace_identity}\n{code}\n".encode()]).hex()
