"""Runs the server: a port, one process or several, a graceful end, and new versions of the classifier."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TextIO

import uvicorn

from headstart.apps.serve.answering import Predictor
from headstart.apps.serve.app import Service, build
from headstart.apps.serve.batching import Limits
from headstart.apps.serve.connections import Connection, configured
from headstart.apps.serve.guard import App, Rules
from headstart.apps.serve.measures import LogFormat, Metrics
from headstart.classifier.classifier import Classifier
from headstart.errors import HeadstartError, ServeError
from headstart.heads.linear_algebra import one_thread

_BACKLOG = 2048
#: Seconds between looks at the classifier's files; they must stay the same for one such time before they are read.
_LOOK = 1.0
#: Seconds at the end in which connections that are open may still send a request.
_GRACE = 0.3
#: Digits of a number in JSON, the fewest that Python lets us choose: 60 MB of numbers with 4,200 digits hold up all
#: requests for 6 seconds.
_MOST_DIGITS = 640
Report = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """What is served, and how.

    Attributes:
        folder: of the saved classifier.
        name: of the classifier, in addresses.
        backbone: where its backbone is, if it has moved.
        rules: who may ask, and how much. limits: what is accepted.
        log: form of the log of requests.
        watch: whether a new version in the folder is loaded.
    """

    folder: Path
    name: str
    backbone: str = ""
    rules: Rules = field(default_factory=Rules)
    limits: Limits = field(default_factory=Limits)
    log: LogFormat = "json"
    watch: bool = False


def bind(host: str, port: int) -> socket.socket:
    """Take a port, and let clients wait at it.

    Raises:
        ServeError: the port cannot be taken.
    """
    where = f"Port {port} of {host}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        taken = socket.socket(family, kind, protocol)
        try:
            if os.name == "posix":  # elsewhere it would let two servers share a port
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(address)
            taken.listen(_BACKLOG)
        except OSError:
            taken.close()
            raise
    except socket.gaierror as error:
        raise ServeError(
            f"No address belongs to the name '{host}'.\nExpected an address of this machine: 127.0.0.1, or 0.0.0.0 "
            "for all of its addresses."
        ) from error
    except OSError as error:
        raise ServeError(_why_not(where, host, error)) from error
    return taken


def _why_not(where: str, host: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another program.\nChoose another one with --port; 0 takes any that is free."
    if error.errno == errno.EACCES:
        return f"{where} may not be used by this user: it is below 1024.\nChoose another one with --port, such as 8080."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"This machine does not have the address {host}.\nExpected 127.0.0.1, or 0.0.0.0 for all that it has."
    return f"{where} cannot be used: {error.strerror or error}."


class Server(uvicorn.Server):
    """uvicorn's server, which ends without a trace: SIGTERM and Ctrl-C let it answer what it has accepted."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take both signals. uvicorn would raise them again at the end, which is not an exit code of 0."""
        signal.set_wakeup_fd(-1)  # the command line's own handling of Ctrl-C ends the process after a second
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, self.handle_exit)
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, answer with `Connection: close` for a moment, then end the connections that are idle."""
        for server in self.servers:
            server.close()
        for one in sockets or ():
            one.close()
        last = [*self.server_state.default_headers, (b"connection", b"close")]
        self.server_state.default_headers = last
        for connection in self.server_state.connections:
            if isinstance(connection, Connection) and connection.cycle is not None:
                connection.cycle.default_headers = last
        await asyncio.sleep(_GRACE)
        await super().shutdown(sockets)


def run_app(app: App, taken: socket.socket) -> None:
    """Serve an app on a port until SIGTERM or Ctrl-C, and answer what was accepted until then."""
    Server(configured(app)).run([taken])


def serve(
    settings: Settings, classifier: Classifier, taken: socket.socket, started: Callable[[], None], report: Report
) -> None:
    """Serve a classifier until SIGTERM or Ctrl-C.

    Args:
        settings: what is served, and how.
        classifier: the one in `settings.folder`.
        taken: the port.
        started: called when the model is compiled, just before requests are answered.
        report: receives messages for whoever runs the server.
    """
    sys.set_int_max_str_digits(_MOST_DIGITS)
    with one_thread():
        predictor = Predictor(classifier, settings.limits)
        predictor.warm_up()
        background = partial(_watch, settings, report) if settings.watch else None
        service = Service(settings.name, predictor, Metrics(), background)
        started()
        run_app(build(service, settings.rules, settings.log), taken)


async def _watch(settings: Settings, report: Report, service: Service) -> None:
    """Load new versions of the classifier beside the one that answers, and put them in its place."""
    used = before = _stamp(settings.folder)
    while True:
        await asyncio.sleep(_LOOK)
        now = _stamp(settings.folder)
        if now is None or now == used or now != before:
            before = now
            continue
        used = now
        try:
            new = await asyncio.to_thread(_load_beside, settings, service.predictor)
        except Exception as error:  # whatever it is: without this look there would be no later version either
            service.metrics.loads.labels("refused").inc()
            report(f"The new version of {settings.name} is not used, the old one goes on: {error}")
            continue
        service.predictor.engine.end()
        service.predictor = new
        service.metrics.loads.labels("used").inc()
        report(f"A new version of {settings.name} answers from now on: {len(new.classifier.classes)} classes.")


def _load_beside(settings: Settings, current: Predictor) -> Predictor:
    """Load what is in the folder now, and run it once. The same backbone is not loaded again."""
    classifier = Classifier.load(settings.folder, backbone=settings.backbone)
    if classifier.card.key == current.classifier.card.key:
        classifier = replace(classifier, backbone=current.classifier.backbone)
    predictor = Predictor(classifier, settings.limits)
    predictor.warm_up()
    return predictor


def _stamp(folder: Path) -> tuple[int, ...] | None:
    """Changes when a file of the classifier does; None while one is missing."""
    try:
        files = [os.stat(folder / name) for name in ("headstart.json", "head.safetensors")]
    except OSError:
        return None
    return tuple(number for one in files for number in (one.st_mtime_ns, one.st_size, one.st_ino))


def work(settings: Settings, taken: socket.socket, stderr: TextIO, number: int, workers: int) -> None:
    """Be one of several processes on a port: it takes its share of the cores, and writes its log to `stderr`."""
    sys.stderr = stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the first process ends the others
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[number::workers] or {cores[number % len(cores)]})
    report = partial(print, file=sys.stderr, flush=True) if number == 0 else _silent
    try:
        classifier = Classifier.load(settings.folder, backbone=settings.backbone)
        serve(settings, classifier, taken, _nothing, report)
    except HeadstartError as error:
        print(f"Error: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
        raise SystemExit(1) from error


def _nothing() -> None:
    pass


def _silent(_: str) -> None:
    pass
