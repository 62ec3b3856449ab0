"""Whether a Ray cluster can be at an address at all."""

from __future__ import annotations

import socket

from sim_core.errors import SpecError

_CONNECT_S = 10.0


def check_answers(address: str, key: str) -> None:
    """Raise SpecError where nobody listens at a `host:port`: Ray itself would wait for minutes and fill the screen.
    `key` is where the user has the address from."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise SpecError(f"no Ray cluster answers there ({error})", key=key, value=address) from error
