"""A headless Chromium, spoken to over a pipe: nothing listens anywhere, and nothing needs to be installed beside it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ANSWER_S = 60.0


def find_browser() -> str | None:
    """The browser that is installed, None where none is."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Browser:
    """One page of a browser with a profile of its own; close it by leaving the `with`."""

    def __init__(self, program: str, width: int = 1600, height: int = 1000) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        to_browser, from_us = os.pipe()
        to_us, from_browser = os.pipe()
        command = [
            *(program, "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self._profile.name}"),
            *("--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--mute-audio"),
            "--no-sandbox",  # it opens our own pages alone, and has none to use as root or in most containers
            *(f"--window-size={width},{height}", "about:blank"),
        ]
        self._process = subprocess.Popen(
            command,
            preexec_fn=lambda: (_move(to_browser, 3, keep=from_browser), None)[1],
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for end in (to_browser, from_browser):
            os.close(end)
        self._out, self._in, self._left, self._count = from_us, to_us, b"", 0
        try:
            self._session = self._new_page(width, height)
        except BaseException:
            self.__exit__()
            raise

    def _new_page(self, width: int, height: int) -> str:
        target = self._call("Target.createTarget", {"url": "about:blank"})
        attached = self._call("Target.attachToTarget", {"targetId": target["targetId"], "flatten": True})
        session = str(attached["sessionId"])
        self._session = session
        self.resize(width, height)
        return session

    def resize(self, width: int, height: int) -> None:
        """Make the page so many pixels wide and high."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._page("Emulation.setDeviceMetricsOverride", size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for end in (self._out, self._in):
            os.close(end)
        self._profile.cleanup()

    def open(self, address: str) -> None:
        """Go to an address, anew also where only the part behind the # is another."""
        self._page("Page.navigate", {"url": "about:blank"})
        self._page("Page.navigate", {"url": address})

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page; of a promise, what it comes to."""
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        told = self._page("Runtime.evaluate", asked)
        if "exceptionDetails" in told:
            raise RuntimeError(told["exceptionDetails"])
        return told["result"].get("value")

    def text(self) -> str:
        """All that is to be read on the page."""
        return str(self.evaluate("document.body ? document.body.innerText : ''"))

    def wait_for(self, *texts: str, seconds: float = 60.0) -> str:
        """The page's text, once all of `texts` are in it. Raises AssertionError when they do not come."""
        deadline = time.monotonic() + seconds
        while True:
            shown = self.text()
            missing = [text for text in texts if text not in shown]
            if not missing:
                return shown
            if time.monotonic() > deadline:
                raise AssertionError(f"not on the page: {missing}\n{shown[:5000]}")
            time.sleep(0.2)

    def wait_until(self, expression: str, seconds: float = 60.0) -> Any:
        """The value of a JavaScript expression, once it is true."""
        deadline = time.monotonic() + seconds
        while not (value := self.evaluate(expression)):
            if time.monotonic() > deadline:
                raise AssertionError(f"never true: {expression}\n{self.text()[:5000]}")
            time.sleep(0.2)
        return value

    def picture(self, path: Path) -> None:
        """The page as a PNG."""
        told = self._page("Page.captureScreenshot", {"format": "png"})
        path.write_bytes(base64.b64decode(told["data"]))

    def _page(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        return self._call(method, params, self._session)

    def _call(self, method: str, params: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._in], [], [], _ANSWER_S)
            part = os.read(self._in, 1 << 20) if ready else b""
            if not part:
                raise RuntimeError("the browser does not answer")
            self._left += part
        message, _, self._left = self._left.partition(b"\0")
        return dict(json.loads(message))


def _move(reading: int, to: int, *, keep: int) -> None:
    """In the child: its end for reading becomes 3, that for writing 4, as the browser expects them."""
    reading, keep = os.dup(reading), os.dup(keep)  # out of the way of 3 and 4
    while reading in (to, to + 1):
        reading = os.dup(reading)
    while keep in (to, to + 1):
        keep = os.dup(keep)
    os.dup2(reading, to)
    os.dup2(keep, to + 1)
