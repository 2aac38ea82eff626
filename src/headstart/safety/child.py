"""Work on an untrusted file in a child process, so that the file cannot crash the user's process.

The child imports a function, limits its own memory and processor time, and runs the function: bytes in, bytes out. It
is started as a plain program, so it does not run the user's `__main__` again, and it writes nothing to the terminal.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import IO, Literal, cast

Reason = Literal["time", "memory", "died", "failed", "cancelled"]
_OK, _MEMORY, _FAILED = b"\x00", b"\x01", b"\x02"
_POLL = 0.05
#: Bytes from the end of a failed child's stderr that go into the message.
_KEPT = 2000


class ChildError(Exception):
    """The child returned no result. Callers turn this into one of `headstart.errors`.

    Attributes:
        reason: `time` or `memory` (a limit was reached), `died` (by a signal, such as a segmentation fault),
            `failed` (the function raised an exception), `cancelled`.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason


def call(
    work: str, data: bytes, *words: str, seconds: float, megabytes: int, cancel: threading.Event | None = None
) -> bytes:
    """Run a function of ours in a process with limits.

    Args:
        work: `package.module:function`, a function from bytes (and words) to bytes.
        data: its input.
        words: more arguments for it.
        seconds: the most time it may take, imports included.
        megabytes: the most memory it may take, imports and `data` not included. Enforced on Linux only.
        cancel: when set, the child is ended.

    Returns:
        the result of the function.

    Raises:
        ChildError: it did not return.
    """
    code = f"import sys; sys.path[:] = {sys.path!r}; from headstart.safety.child import serve; serve()"
    command = [sys.executable, "-I", "-c", code, work, str(megabytes), str(int(seconds) + 1), *words]
    # In its own session: Ctrl-C on the terminal reaches only the parent, which ends the child. One memory arena for
    # all its threads: glibc reserves 64 MB of the address space for each arena.
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},
    ) as process:
        feeder = _feed(process, data)
        try:
            out, err = _wait(process, time.monotonic() + seconds, cancel)
        except subprocess.TimeoutExpired as error:
            raise ChildError("time", f"it took more than {seconds:g} seconds") from error
        finally:
            process.kill()
            feeder.join()
    status, answer = out[:1], out[1:]
    if process.returncode == 0 and status == _OK:
        return answer
    if status == _MEMORY:
        raise ChildError("memory", f"it needs more than {megabytes:,} MB of memory")
    if status == _FAILED:
        raise ChildError("failed", answer.decode("utf-8", "replace"))
    if process.returncode == -getattr(signal, "SIGXCPU", 0):
        raise ChildError("time", f"it took more than {seconds:g} seconds of processor time")
    last = err[-_KEPT:].decode("utf-8", "replace").strip()
    raise ChildError("died", f"its process ended with {_ending(process.returncode)}" + (f": {last}" if last else ""))


def _ending(code: int) -> str:
    """Describe a return code: `signal SIGSEGV` is clearer than -11."""
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"code {code}"


def _feed(process: subprocess.Popen[bytes], data: bytes) -> threading.Thread:
    """Write the input in a thread: `communicate` forgets the rest of it when it is called again (Python 3.11)."""
    pipe = cast("IO[bytes]", process.stdin)
    process.stdin = None

    def write() -> None:
        with suppress(OSError), pipe:  # the child may end without reading all
            pipe.write(data)

    feeder = threading.Thread(target=write, daemon=True)
    feeder.start()
    return feeder


def _wait(process: subprocess.Popen[bytes], end: float, cancel: threading.Event | None) -> tuple[bytes, bytes]:
    """Wait for the output of the process, checking at intervals whether the work was cancelled."""
    while True:
        left = end - time.monotonic()
        try:
            return process.communicate(timeout=max(min(left, _POLL if cancel is not None else left), 0.0))
        except subprocess.TimeoutExpired:
            if cancel is not None and cancel.is_set():
                raise ChildError("cancelled", "it was cancelled") from None
            if time.monotonic() >= end:
                raise


def serve() -> None:
    """Run in the child: `WORK MEGABYTES SECONDS WORDS...` in `sys.argv`, data on stdin; status and result on stdout."""
    work, megabytes, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of libraries must not mix with the result
    module, _, name = work.partition(":")
    function = getattr(importlib.import_module(module), name)
    try:
        data = sys.stdin.buffer.read()
        _limit(megabytes, seconds)
        status, result = _OK, function(data, *sys.argv[4:])
    except MemoryError:
        status, result = _MEMORY, b""
    except Exception as error:
        status, result = _FAILED, f"{type(error).__name__}: {error}".encode("utf-8", "replace")
    answer.write(status + result)
    answer.flush()
    os._exit(0)  # skips the clean-up of an engine that may be damaged


def _limit(megabytes: int, seconds: int) -> None:
    """Limit this process to `megabytes` more memory than now, and to `seconds` of processor time on each core.

    Memory is limited where the system reports how much is used (Linux). Only writable memory counts (`RLIMIT_DATA`),
    not address space that engines and threads merely reserve, nor files mapped for reading. The limit of processor
    time ends a child whose parent was killed.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    cores = os.cpu_count() or 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds * cores, seconds * cores + 1))
    with suppress(OSError, ValueError), open("/proc/self/statm", "rb") as file:
        now = int(file.read().split()[5]) * resource.getpagesize()
        most = now + megabytes * 10**6
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
