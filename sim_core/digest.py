"""SHA-256. hashlib is imported on first use: loading OpenSSL is a tenth of this package's import time."""

from __future__ import annotations

from collections.abc import Iterable


def sha256(parts: Iterable[bytes]) -> bytes:
    """The digest of the concatenated parts."""
    import hashlib  # loads OpenSSL

    h = hashlib.sha256()
    for part in parts:
        h.update(part)
    return h.digest()
