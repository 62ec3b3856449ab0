"""Checks that something answers at the address of a Ray cluster."""

from __future__ import annotations

import socket

from sim_core.errors import SpecError

_CONNECT_S = 10.0


def check_answers(address: str, key: str) -> None:
    """Raise SpecError if nothing listens at a `host:port`; Ray itself would wait for minutes and fill the screen.
    `key` names the setting or option that has the address. Other addresses, such as `auto`, are not checked."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise SpecError(f"no Ray cluster answers there ({error})", key=key, value=address) from error
