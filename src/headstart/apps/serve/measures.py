"""What is known of the running server: numbers for Prometheus, and one line of JSON for each request."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from headstart.apps.serve.guard import App, Message, Receive, Scope, Send

LogFormat = Literal["json", "text", "none"]
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LONGEST = 200


class Metrics:
    """Numbers that Prometheus reads; of all workers together if `PROMETHEUS_MULTIPROC_DIR` is set."""

    def __init__(self) -> None:
        self._registry = own = CollectorRegistry()
        self._several = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        if not self._several:
            ProcessCollector(registry=own)
        self.requests = Counter("headstart_requests", "Requests answered.", ["route", "status"], registry=own)
        self.seconds = Histogram(
            "headstart_request_seconds", "Seconds from the head of a request to the end of its answer.", ["route"],
            buckets=_BUCKETS, registry=own,
        )  # fmt: skip
        self.photos = Counter("headstart_photos", "Photos predicted, or why not.", ["outcome"], registry=own)
        self.waiting = Gauge(
            "headstart_photos_waiting", "Photos that are accepted and not yet answered.", multiprocess_mode="livesum",
            registry=own,
        )  # fmt: skip
        self.loads = Counter("headstart_classifier_loads", "New versions found.", ["outcome"], registry=own)

    def page(self) -> bytes:
        """The numbers in the text format of Prometheus."""
        if not self._several:
            return bytes(generate_latest(self._registry))
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return bytes(generate_latest(together))


class Watched:
    """Counts and logs the requests of an app; what they send is not logged, nor what follows a `?`.

    Args:
        app: answers the requests.
        metrics: receives the counts.
        routes: paths that are counted by name.
        log: form of a line on stderr.
    """

    def __init__(self, app: App, metrics: Metrics, routes: frozenset[str], log: LogFormat) -> None:
        self._app, self._metrics, self._routes, self._log = app, metrics, routes, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, size = time.perf_counter(), 0, 0

        async def sending(message: Message) -> None:
            nonlocal status, size
            status = message.get("status", status)
            size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            seconds = time.perf_counter() - began
            route = scope["path"] if scope["path"] in self._routes else "other"
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(seconds)
            self._write(scope, status, seconds, size)

    def _write(self, scope: Scope, status: int, seconds: float, size: int) -> None:
        if self._log == "none":
            return
        client = (scope.get("client") or [""])[0]
        facts = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "client": client,
            "method": scope["method"],
            "path": scope["path"][:_LONGEST],
            "status": status,
            "seconds": round(seconds, 4),
            "bytes": size,
            "photos": scope.get("state", {}).get("photos", 0),
        }
        text = " ".join(json.dumps(one) if " " in str(one) or not str(one).isprintable() else str(one)
                        for one in facts.values())  # fmt: skip
        sys.stderr.write((json.dumps(facts) if self._log == "json" else text) + "\n")
        sys.stderr.flush()
