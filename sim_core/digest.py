"""SHA-256, with what it takes to load put off until the first is wanted: a tenth of the package's whole import."""

from __future__ import annotations

from collections.abc import Iterable


def sha256(parts: Iterable[bytes]) -> bytes:
    """The digest of all parts, one behind the other."""
    import hashlib  # loads OpenSSL

    h = hashlib.sha256()
    for part in parts:
        h.update(part)
    return h.digest()
