"""A limit on the memory for decoding, shared by all threads of the process; threads whose work can be cancelled."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType

_POLL = 0.1
_thread = threading.local()


def cancel_event() -> threading.Event | None:
    """The event that is set when this thread's work is cancelled; None if it does not belong to a `ReadingPool`."""
    return getattr(_thread, "cancel", None)


def check_cancelled() -> None:
    """Raise `CancelledError` if the work of this thread has been cancelled."""
    cancel = cancel_event()
    if cancel is not None and cancel.is_set():
        raise CancelledError


class ReadingPool(ThreadPoolExecutor):
    """Threads that read and decode photos. Stopping them early also stops the photos they are decoding."""

    def __init__(self, threads: int) -> None:
        self._cancel = threading.Event()
        super().__init__(threads, "headstart-read", initializer=_begin, initargs=(self._cancel,))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See `ThreadPoolExecutor.shutdown`; `cancel_futures` also cancels running work."""
        if cancel_futures:
            self._cancel.set()
        super().shutdown(wait, cancel_futures=cancel_futures)

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        self.shutdown(cancel_futures=kind is not None)


def _begin(cancel: threading.Event) -> None:
    _thread.cancel = cancel


class Budget:
    """A number of bytes, shared by the photos being decoded.

    Photos are served in order, so that small ones cannot hold up a large one forever. Photos that need no more than
    `free` bytes never wait.

    Args:
        total: bytes.
        free: photos that need no more are not counted.
    """

    def __init__(self, total: int, free: int) -> None:
        self.total, self._free = total, free
        self.reset()

    def reset(self) -> None:
        """Free all bytes; for a forked process, which lacks the threads that held them."""
        self._used = 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Wait for `size` bytes (at most `total`) and hold them.

        Raises:
            CancelledError: the work of this thread was cancelled while it waited.
        """
        if size <= self._free:
            yield
            return
        size = min(size, self.total)
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                while self._waiting[0] is not ticket or self._used + size > self.total:
                    check_cancelled()
                    self._changed.wait(_POLL if cancel_event() else None)
                self._used += size
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()
