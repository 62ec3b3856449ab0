"""Which code it is, and with that which run: a result is a function of the code too."""

from __future__ import annotations

from sim_core.digest import sha256
from sim_core.spec import SimSpec

__version__ = "0.1.0"


def code_digest() -> str:
    """SHA-256 over the package's source files, in hex: results computed by other code are not resumed."""
    from pathlib import Path  # not at every start

    folder = Path(__file__).resolve().parent
    parts: list[bytes] = []
    for file in sorted(folder.rglob("*.py")):
        content = file.read_bytes()
        parts += [f"{file.relative_to(folder).as_posix()}\0{len(content)}\0".encode(), content]
    return sha256(parts).hex()


def content_key(spec: SimSpec, trace_identity: str, code: str) -> str:
    """What a run's outcome depends on, as one SHA-256 in hex: two runs with one key are the same run.

    `code` is `code_digest()`, which takes reading all of it: worked out once for many runs.
    """
    return sha256([f"{spec.digest()}\n{trace_identity}\n{code}\n".encode()]).hex()
