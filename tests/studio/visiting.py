"""A studio in a process of its own, and someone at its page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = "from headstart.apps.cli import main; main()"
#: Milliseconds that the browser waits for anything.
PATIENCE = 20_000


@dataclass
class StudioProcess:
    """A studio on a folder. `address` is where its page is."""

    folder: Path
    home: Path
    options: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen[str] = field(init=False)

    def start(self) -> None:
        command = [sys.executable, "-c", PROGRAM, "studio", str(self.folder), "--no-browser", *self.options]
        command += ["--port", str(self.port)] if self.port else []
        environment = {**os.environ, "HEADSTART_HOME": str(self.home), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        assert self.process.stdout is not None
        said = ""
        while "http://127.0.0.1:" not in said:
            line = self.process.stdout.readline()
            assert line, f"the studio ended: {said}"
            said += line
        self.port = int(said.split("http://127.0.0.1:")[1].split("/")[0])

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        self.process.kill()
        self.process.communicate()

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=20)

    def state(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.address + "api/state", timeout=20) as answer:
            return dict(json.load(answer))

    def do(self, action: str, **values: object) -> None:
        self.post("api/do", action=action, **values)

    def post(self, path: str, **values: object) -> None:
        body = json.dumps(values).encode()
        headers = {"X-Headstart": "1", "Content-Type": "application/json", "Origin": self.address.rstrip("/")}
        urllib.request.urlopen(urllib.request.Request(self.address + path, body, headers), timeout=20).close()

    def clear(self) -> None:
        """Take out all classes."""
        for one in self.state()["classes"]:
            self.do("remove_class", name=one["name"])

    def wait(self, wanted: str, seconds: float = 60) -> dict[str, Any]:
        """The state, as soon as its training is `wanted` and nothing is being read."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            state = self.state()
            waiting = any(photo["state"] == "waiting" for photo in state["photos"])
            if state["training"] and state["training"]["state"] == wanted and not waiting and not state["work"]:
                return state
            time.sleep(0.05)
        raise TimeoutError(f"not {wanted}: {state['training']}")


class Visitor:
    """Someone at the page: what it logged and where it asked are kept, clicks are counted."""

    def __init__(self, browser: Any, address: str, width: int = 1280, dark: bool = False) -> None:
        self.address = address
        self.context = browser.new_context(
            viewport={"width": width, "height": 844 if width < 500 else 800},
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
        )
        self.context.set_default_timeout(PATIENCE)
        self.logged: list[str] = []
        self.asked: set[str] = set()
        self.clicks = 0
        self.page = self.open()

    def open(self) -> Any:
        """One more tab."""
        page = self.context.new_page()
        page.on("console", lambda message: self.logged.append(message.text))
        page.on("pageerror", lambda error: self.logged.append(str(error)))
        page.on("request", lambda request: self.asked.add(request.url))
        page.goto(self.address)
        page.wait_for_selector("main h2")
        return page

    def button(self, name: str, **more: Any) -> Any:
        return self.page.get_by_role("button", name=name, **more)

    def click(self, target: Any) -> None:
        target.click()
        self.clicks += 1

    def go(self, view: str) -> None:
        """To a view, by its link; it is there when this returns."""
        from playwright.sync_api import expect

        link = self.page.get_by_role("navigation", name="Views").get_by_role("link", name=view)
        self.click(link)
        expect(link).to_have_attribute("aria-current", "page")

    def region(self, name: str) -> Any:
        """The box of a class."""
        return self.page.get_by_role("region", name=f"Class {name}", exact=True)

    def choose_files(self, target: Any, files: list[Path] | Path) -> None:
        """Click what opens the file picker, and choose files in it."""
        with self.page.expect_file_chooser() as chooser:
            self.click(target)
        chooser.value.set_files(files)

    def drop(self, target: Any, paths: list[Path]) -> None:
        """Drop files or folders from outside the browser."""
        box = target.bounding_box()
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + min(40, box["height"] / 2)}
        devtools = self.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            devtools.send("Input.dispatchDragEvent", {"type": kind, **at, "data": data})
        devtools.detach()

    def close(self) -> None:
        """Leave; whatever was logged or asked elsewhere is a fault."""
        self.context.close()
        assert self.logged == []
        assert {
            url for url in self.asked if not url.startswith((self.address, "blob:" + self.address, "data:"))
        } == set()
