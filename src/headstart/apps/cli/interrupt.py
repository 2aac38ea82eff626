"""Ctrl-C: heard once, and within two seconds the process is gone, whatever it was doing."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import NoReturn

INTERRUPTED = 130
#: Seconds that the command has to end by itself, writing what is computed.
_GRACE = 1.0
_MESSAGE = "Stopped. What was done is kept; the same command continues there."

_pressed = False
_leaving = False
_code = INTERRUPTED
_stopping = threading.Lock()


def watch() -> None:
    """From now on Ctrl-C ends this process in any case.

    The first one raises `KeyboardInterrupt` in the main thread; more of them would only disturb the clean end. But
    that thread may be within a library for minutes, wait for another thread, or be at a place where Python drops
    exceptions (a `__del__`, say). So the signal also wakes a thread, which ends the process if it is still there
    after a while. It may, because the store, the cache and all that is saved stand a `kill -9`. Where Ctrl-C is
    ignored, as under `nohup`, it stays so.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.signal(signal.SIGINT, _raise)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    threading.Thread(target=_insist, args=(heard,), name="headstart-interrupt", daemon=True).start()
    # What is registered first is done last: after it Python would have Ctrl-C kill a process that has done its work.
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)


def pressed() -> bool:
    """Was Ctrl-C pressed? Then whatever error follows is most likely its consequence."""
    return _pressed


def leave(code: int) -> NoReturn:
    """End the process; after Ctrl-C at once.

    What Python does at its end (waiting for threads, freeing networks) may take long, and then is of no use.
    """
    global _leaving, _code
    _leaving, _code = True, code
    if code == INTERRUPTED:
        _stop()
    raise SystemExit(code)


def _raise(*_: object) -> None:
    global _pressed
    if not _pressed and not _leaving:
        _pressed = True
        raise KeyboardInterrupt


def _insist(heard: int) -> None:
    while signal.SIGINT not in os.read(heard, 64):
        pass
    time.sleep(_GRACE)
    # In a thread of its own, because a pipe that nobody reads may never take the message.
    last = threading.Thread(target=_stop, daemon=True)
    last.start()
    last.join(0.2)
    os._exit(_code)


def _stop() -> NoReturn:
    with _stopping:
        if _code == INTERRUPTED:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                shown = "\x1b[?25h" if sys.stderr.isatty() else ""  # a bar may have hidden the cursor
                print(f"{shown}{_MESSAGE}", file=sys.stderr, flush=True)
        os._exit(_code)
