"""MLflow's interface as one process of ours, so that nothing is left behind however it ends. Does not import mlflow."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn

from sync.tracking.store import web_application

LOOK_S = 0.5  # how long the end of the parent may go unnoticed
# The interface opens a panel for questions to a language model at the first visit, over a third of the page. This says
# that it was open before; the button for it stays.
_NO_PANEL = b"<script>localStorage['mlflow.assistant.fab.autoOpenedOnFirstLoad_v1'] ??= 'true'</script>"
Application = Callable[..., Awaitable[None]]


class _Server(uvicorn.Server):
    """A server that says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, *arguments: object, **options: object) -> None:
        """Listen, then say so."""
        await super().startup(*arguments, **options)  # type: ignore[arg-type]
        self._ready()


def serve(uri: str, artifacts: Path, port: int, ready: Callable[[], None]) -> None:
    """Serve the interface of the store at `uri` on loopback until a signal comes or the parent process ends. `ready`
    is called once it answers. Requests are not logged."""
    _end_with_parent()
    os.umask(0o077)  # what MLflow writes is for its owner alone
    # `mlflow ui` would start a process that starts another, and of these a signal reaches one alone.
    config = uvicorn.Config(
        _without_panel(web_application(uri, artifacts)),
        host="127.0.0.1", port=port, log_level="critical", access_log=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    _Server(config, ready).run()


def _without_panel(application: Application) -> Application:
    """The application, with `_NO_PANEL` in its page."""

    async def serving(scope: dict[str, Any], receive: Application, send: Application) -> None:
        start: dict[str, Any] = {}
        parts: list[bytes] = []

        async def changed(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                page = b"".join(parts).replace(b"<head>", b"<head>" + _NO_PANEL, 1)
                headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
                if start["status"] == 200:
                    headers.append((b"content-length", str(len(page)).encode()))
                await send({**start, "headers": headers})
                await send({"type": "http.response.body", "body": page})

        is_page = scope["type"] == "http" and scope["path"] == "/"
        await application(scope, receive, changed if is_page else send)

    return serving


def _end_with_parent() -> None:
    """Have this process end when its parent does, as if by SIGTERM; not under `nohup`, which is to outlive it."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        threading.Thread(target=_watch, args=(os.getppid(),), name="parent-watch", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)
