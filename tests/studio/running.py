"""A studio in this process, without a browser, that tests ask as its page does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from headstart.apps.studio.app import guarded
from headstart.apps.studio.studio import Studio
from headstart.backbones import DEFAULT

HERE, PHONE = ("127.0.0.1", 5000), ("192.168.1.9", 5000)
#: Seconds in which anything must have happened.
PATIENCE = 60
HEADERS = {"X-Headstart": "1"}


@dataclass
class Running:
    """A studio, and a client that is its page."""

    studio: Studio
    page: TestClient
    _heard: threading.Condition

    def until(self, happened: Callable[[], bool]) -> None:
        """Wait for something that an event tells."""
        with self._heard:
            assert self._heard.wait_for(happened, PATIENCE)

    def trained(self, photos: int) -> dict[str, Any]:
        """Wait until the classifier has learned from so many photos; returns what the page shows of it."""
        self.until(lambda: self._training()["state"] == "ready" and self._training()["photos"] == photos)
        return self._training()

    def job(self, id: str) -> dict[str, Any]:
        """Wait until a job has ended."""
        self.until(lambda: self.studio.jobs.job(id).state != "running")
        return self.studio.jobs.job(id).to_json()

    def state(self) -> dict[str, Any]:
        """As the page gets it."""
        found: dict[str, Any] = self.page.get("/api/state").json()
        return found

    def phone(self) -> TestClient:
        """Another device in the network."""
        return TestClient(self.page.app, base_url="http://192.168.1.7:8770", client=PHONE, headers=HEADERS)

    def _training(self) -> dict[str, Any]:
        return self.studio.trainer.training


@contextmanager
def running(folder: Path, lan: bool = True) -> Iterator[Running]:
    """A studio on a folder, as long as it is needed."""
    before = {*threading.enumerate()}
    network = "192.168.1.7" if lan else ""
    studio = Studio(folder, [DEFAULT], f"http://{network}:8770" if lan else "")
    heard = threading.Condition()
    send = studio.stream.send

    def told(kind: str, **content: Any) -> None:
        send(kind, **content)
        with heard:
            heard.notify_all()

    studio.stream.send = told  # type: ignore[method-assign]
    app = guarded(studio, network)
    with TestClient(app, base_url="http://127.0.0.1:8770", client=HERE, headers=HEADERS) as page:
        yield Running(studio, page, heard)
    for thread in {*threading.enumerate()} - before:
        if thread.name.startswith("headstart"):
            thread.join(PATIENCE)
