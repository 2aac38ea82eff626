"""Several processes that share a port; one that ends by itself is replaced."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import tempfile
import time
from multiprocessing.context import SpawnProcess

from headstart.apps.serve.running import Report, Settings, work
from headstart.errors import ServeError

_POLL = 0.1
#: A process that fails sooner would fail again.
_TOO_SOON = 10.0


class Workers:
    """Processes on one port.

    Args:
        settings: what is served, and how. taken: the port. count: of the processes. report: receives messages.
    """

    def __init__(self, settings: Settings, taken: socket.socket, count: int, report: Report) -> None:
        self._settings, self._taken, self._count, self._report = settings, taken, count, report
        self._context = multiprocessing.get_context("spawn")
        self._stopping = False

    def run(self) -> None:
        """Run until SIGTERM or Ctrl-C; then the processes answer what they have accepted.

        Raises:
            ServeError: a process failed at its start.
        """
        signal.set_wakeup_fd(-1)  # see `running.Server`
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, self._stop)
        shared = tempfile.mkdtemp(prefix="headstart-metrics-")
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared
        running = {number: (self._start(number), time.monotonic()) for number in range(self._count)}
        try:
            while not self._stopping:
                time.sleep(_POLL)
                for number, (process, began) in list(running.items()):
                    if process.exitcode is not None and not self._stopping:
                        self._ended(process, time.monotonic() - began)
                        running[number] = (self._start(number), time.monotonic())
        finally:
            self._taken.close()
            for process, _ in running.values():
                process.terminate()
            for process, _ in running.values():
                process.join()
            shutil.rmtree(shared, ignore_errors=True)

    def _start(self, number: int) -> SpawnProcess:
        process = self._context.Process(target=work, args=(self._settings, self._taken, number, self._count))
        process.start()
        return process

    def _ended(self, process: SpawnProcess, seconds: float) -> None:
        """Count the end of a process that was not asked to end."""
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(process.pid)  # type: ignore[no-untyped-call]
        if seconds < _TOO_SOON:
            raise ServeError(f"A worker ended at its start with the exit code {process.exitcode}: see above.")
        self._report(f"A worker ended with the exit code {process.exitcode}; another one takes its place.")

    def _stop(self, *_: object) -> None:
        self._stopping = True
