"""Random numbers: named streams, all from one seed, the same in every process and on every node."""

from __future__ import annotations

import random

from sim_core.digest import sha256


class Streams:
    """`streams["arrivals"]` is the generator of that name, in the state in which it was left.

    A stream depends on (seed, name) alone, so drawing from one, or adding one, does not change the others. Of
    `random.Random`, only `random()` is promised to stay the same in all versions of Python: values that have to be
    reproducible to the byte are derived from it.
    """

    __slots__ = ("_streams", "seed")

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[str, random.Random] = {}

    def __getitem__(self, name: str) -> random.Random:
        stream = self._streams.get(name)
        if stream is None:
            # sha256, as hash() of a text differs from process to process
            digest = sha256([f"{self.seed}\0{name}".encode()])
            stream = self._streams[name] = random.Random(int.from_bytes(digest, "big"))
        return stream
