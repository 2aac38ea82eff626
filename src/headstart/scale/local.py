"""The engine of one machine: workers are processes, each with cores of its own."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any

from headstart.errors import DataError
from headstart.photos.reading import processors
from headstart.progress import Progress
from headstart.scale.engines import Engine, Queue
from headstart.scale.own import ENVIRONMENT
from headstart.scale.worker import Done

#: Cores of a worker on a large machine: with more, Python's lock holds the threads that read photos back.
CORES = 8
_WAIT = 0.5
#: Workers in a row that may die before they are ready.
_MOST_UNBORN = 5


class Local(Engine):
    """Processes of this machine.

    Args:
        workers: how many; 0: one for eight cores.
    """

    def __init__(self, workers: int = 0) -> None:
        cores = processors()
        self._workers = workers or -(-cores // CORES)
        if self._workers > cores:
            raise DataError(f"{workers} workers are too many for {cores} processors.\nExpected at most one for each.")
        self.threads = cores // self._workers

    @property
    def workers(self) -> int:
        """See `Engine.workers`."""
        return self._workers

    def run(self, address: str, queue: Queue, progress: Progress) -> Generator[Done, None, None]:
        """See `Engine.run`."""
        crew = _Crew(address, queue, self.workers, self.threads)
        try:
            yield from crew.work()
        finally:
            crew.stop()


class _Crew:
    """The processes of a run, and what they answer."""

    def __init__(self, address: str, units: Queue, workers: int, threads: int) -> None:
        self._address = address
        self._units = units
        self._workers = workers
        self._threads = threads
        self._answers: queue.Queue[tuple[int, dict[str, Any]]] = queue.Queue()
        self._processes: dict[int, subprocess.Popen[str]] = {}
        self._working: dict[int, int] = {}  # process -> unit
        self._idle: set[int] = set()
        self._slots: dict[int, int] = {}  # process -> which cores
        self._unborn = 0  # workers in a row that died before they were ready

    def work(self) -> Iterator[Done]:
        while True:
            self._fill()
            if not self._working and self._units.empty:
                return
            try:
                process, answer = self._answers.get(timeout=_WAIT)
            except queue.Empty:
                continue
            unit = self._working.pop(process, None)
            if "ended" in answer:
                self._idle.discard(process)
                ended = self._processes.pop(process)
                self._slots.pop(process)
                how = _how(ended.wait())
                _close(ended)
                if unit is not None:
                    self._units.died(unit, how)
                    continue
                self._unborn += 1
                if self._unborn > _MOST_UNBORN:
                    raise DataError(f"Workers end before they begin to work ({how}).\nTheir own messages are above.")
            else:
                done = self._units.answered(unit, answer)
                self._idle.add(process)
                self._unborn = 0
                if done is not None:
                    yield done

    def _fill(self) -> None:
        """Give units to idle processes; start processes while there is more to do."""
        for process in sorted(self._idle):
            unit = self._units.next()
            if unit is None:
                break
            self._idle.discard(process)
            self._working[process] = unit
            pipe = self._processes[process].stdin
            with suppress(OSError):  # it has died: its end is among the answers
                if pipe is not None:
                    pipe.write(f"{unit}\n")
                    pipe.flush()
        if not self._idle and len(self._processes) < self._workers and not self._units.empty:
            self._start()

    def _start(self) -> None:
        slot = min(set(range(self._workers)) - set(self._slots.values()))
        code = f"import sys; sys.path[:] = {sys.path!r}; from headstart.scale.local import begin; begin()"
        cores = ",".join(map(str, _cores(slot, self._threads)))
        process = subprocess.Popen(
            [sys.executable, "-c", code, self._address, cores],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**ENVIRONMENT, **os.environ, "HEADSTART_THREADS": str(self._threads)},
        )
        self._processes[process.pid] = process
        self._slots[process.pid] = slot
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is not None:
            for line in process.stdout:
                self._answers.put((process.pid, json.loads(line)))
        self._answers.put((process.pid, {"ended": True}))

    def stop(self) -> None:
        """End all processes; what they had not written whole is not there."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
            _close(process)


def _close(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # what was to be written is lost with its reader
            if pipe is not None:
                pipe.close()


def _cores(slot: int, count: int) -> list[int]:
    """The processors of a worker; none where the system has no such choice."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))[slot * count : (slot + 1) * count]


def _how(code: int) -> str:
    import signal

    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"code {code}"


def begin() -> None:
    """Run as a worker's process: take the cores, then serve."""
    import signal

    from headstart.scale.worker import serve

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C on the terminal reaches the parent, which ends its workers
    cores = [int(core) for core in sys.argv.pop().split(",") if core]
    if cores:
        os.sched_setaffinity(0, cores)
    serve()
