"""Chromium without a window, driven over two pipes: a small client of the Chrome DevTools Protocol.

Methods and events: https://chromedevtools.github.io/devtools-protocol/. Messages are JSON, each ended by a zero byte,
on the file descriptors 3 (to the browser) and 4 (from it).
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from headstart.errors import ExportError

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
)  # fmt: skip
#: Pictures that are sent at once: memory of a tab is limited.
BATCH = 16
#: Seconds that one answer may take: a large model on a slow machine.
_PATIENCE = 300.0
#: Seconds until it is killed if it does not end.
_ENDING = 5.0
#: Gives the browser its two pipes as 3 and 4, whatever numbers they have here.
_START = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3]]
for target, end in zip((3, 4), ends): os.dup2(end, target)
os.execv(sys.argv[3], sys.argv[3:])
"""


def found() -> str | None:
    """Path of Chromium or Chrome on this machine; None: there is none that can be driven here."""
    return None if os.name == "nt" else next(filter(None, map(shutil.which, _NAMES)), None)


class Chromium:
    """A browser with one empty tab and a profile of its own.

    Attributes:
        version: such as `Chrome/150.0.7871.100`.
        requests: address of everything that the tab asked for, in order, `data:` and `blob:` included.
        console: errors and warnings that the tab reported.
    """

    def __init__(self, flags: Iterable[str] = ()) -> None:
        """Start it.

        Raises:
            ExportError: there is no Chromium here, or it does not start.
        """
        path = found()
        if path is None:
            raise ExportError(
                "No Chromium was found, which shows web pages.\n"
                f"Expected one of {', '.join(_NAMES)} on the PATH of Linux or macOS.\n"
                "Install it: apt-get install chromium"
            )
        self.requests: list[str] = []
        self.console: list[str] = []
        self._number = 0
        self._unread = b""
        self._session: str | None = None
        profile = tempfile.mkdtemp(prefix="headstart-chromium-")
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        command = [path, *_FLAGS, *root, *flags, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(
            [sys.executable, "-c", _START, str(theirs_in), str(theirs_out), *command],
            pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        #: Ends the browser and removes its profile; at the end of the process at the latest.
        self.close = weakref.finalize(self, _end, process, (self._to, self._from), profile)
        self.version = str(self.call("Browser.getVersion")["product"])
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and wait for its answer.

        Raises:
            ExportError: the browser refuses, has ended, or takes too long.
        """
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        with open(self._to, "wb", closefd=False) as pipe:
            pipe.write(json.dumps(message).encode() + b"\0")
        until = time.monotonic() + _PATIENCE
        while True:
            answer = self._message(until)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise ExportError(f"Chromium does not do {method}: {answer['error']['message']}")
                return dict(answer["result"])

    def open(self, address: str) -> None:
        """Show a page, and forget what the last one asked for."""
        self.requests.clear()
        self.console.clear()
        self.call("Page.navigate", url=address)

    def evaluate(self, script: str) -> Any:
        """Value of a JavaScript expression; a promise is awaited.

        Raises:
            ExportError: it throws.
        """
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            thrown = answer["exceptionDetails"]
            raise ExportError(f"The page failed: {thrown.get('exception', {}).get('description', thrown['text'])}")
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 120.0) -> Any:
        """The first value of an expression that is true in JavaScript's sense.

        Raises:
            ExportError: there is none in time.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if value := self.evaluate(script):
                return value
            time.sleep(0.05)
        raise ExportError(f"The page was not ready after {seconds:.0f} s: {script}")

    def _message(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._from], [], [], max(until - time.monotonic(), 0))
            part = os.read(self._from, 2**20) if ready else b""
            if not part:
                raise ExportError(f"Chromium {'ended' if ready else 'does not answer'}.")
            self._unread += part
        text, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        match message.get("method"), message.get("params", {}):
            case "Network.requestWillBeSent", event:
                self.requests.append(event["request"]["url"])
            case "Log.entryAdded", event:
                self.console.append(event["entry"]["text"])
            case "Runtime.exceptionThrown", event:
                self.console.append(event["exceptionDetails"].get("exception", {}).get("description", "error"))
        return message


def _end(process: subprocess.Popen[bytes], ends: tuple[int, int], profile: str) -> None:
    for end in ends:
        os.close(end)  # it ends by itself then, and removes what it has in the folder for temporary files
    with suppress(subprocess.TimeoutExpired):
        process.wait(_ENDING)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    shutil.rmtree(profile, ignore_errors=True)
