"""Long work that a page asks for, such as a comparison: one job at a time, with its progress; it can be cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from headstart.apps.studio.events import Stream, reason
from headstart.errors import DataError
from headstart.progress import Silent

_MOST_KEPT = 20
#: The page hears of progress in steps of this share.
_STEP = 0.02


class CancelledError(Exception):
    """The job was cancelled. No error of ours: nothing else must catch it on its way."""


@dataclass
class Job(Silent):
    """A job; it receives the progress of its own work, and ends it there if it was cancelled."""

    id: str
    kind: str
    stream: Stream
    state: Literal["running", "done", "failed", "cancelled"] = "running"
    done: float = 0.0
    error: str = ""
    result: dict[str, Any] | None = None
    stopped: threading.Event = field(default_factory=threading.Event)
    _new: int = 1

    def message(self, text: str) -> None:
        """See `Progress.message`."""
        self._check()

    def planned(self, photos: int, new: int, seconds: float) -> None:
        """See `Progress.planned`."""
        self._new = max(new, 1)
        self._check()

    def advanced(self, done: int) -> None:
        """See `Progress.advanced`."""
        self._check()
        self.reached(done / self._new)

    def reached(self, share: float) -> None:
        """Note how much is done, 0..1."""
        if share - self.done >= _STEP:
            self.done = min(share, 1.0)
            self.tell()

    def tell(self) -> None:
        """Send it to all pages."""
        self.stream.send("job", job=self.to_json())

    def to_json(self) -> dict[str, Any]:
        """How the page gets it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "state": self.state,
            "done": round(self.done, 2),
            "error": self.error,
            "result": self.result,
        }

    def _check(self) -> None:
        if self.stopped.is_set():
            raise CancelledError


class Jobs:
    """The jobs of a studio, done one after the other.

    Args:
        stream: receives their progress.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._pool = ThreadPoolExecutor(1, "headstart-studio-job")
        self._jobs: dict[str, Job] = {}
        self._counter = 0

    def start(self, kind: str, work: Callable[[Job], dict[str, Any]]) -> str:
        """Begin a job, as soon as the one before has ended; returns its id.

        Args:
            kind: of work. work: does it and returns its result; gets the job as its progress.

        Raises:
            DataError: too many are waiting.
        """
        if sum(job.state == "running" for job in self._jobs.values()) >= _MOST_KEPT:
            raise DataError("Too many jobs are waiting.\nWait until one has ended, or cancel one.")
        self._counter += 1
        job = Job(f"j{self._counter}", kind, self._stream)
        ended = [id for id, other in self._jobs.items() if other.state != "running"]
        for id in ended[:-_MOST_KEPT]:
            del self._jobs[id]
        self._jobs[job.id] = job
        job.tell()
        self._pool.submit(self._run, job, work)
        return job.id

    def job(self, id: str) -> Job:
        """A job.

        Raises:
            DataError: there is none.
        """
        if id not in self._jobs:
            raise DataError("There is no such job.\nExpected one that the page shows.")
        return self._jobs[id]

    def all(self) -> list[dict[str, Any]]:
        """All jobs that are known, for a page that has just been opened."""
        return [job.to_json() for job in list(self._jobs.values())]

    def close(self) -> None:
        """Cancel all jobs."""
        for job in self._jobs.values():
            job.stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, job: Job, work: Callable[[Job], dict[str, Any]]) -> None:
        try:
            if job.stopped.is_set():
                raise CancelledError
            job.result = work(job)
            job.state, job.done = "done", 1.0
        except CancelledError:
            job.state = "cancelled"
        except Exception as error:
            job.state, job.error = "failed", reason(error)
        finally:
            job.tell()
