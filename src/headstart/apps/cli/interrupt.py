"""Ctrl-C ends the process within two seconds, whatever it is doing."""

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
#: Seconds in which the command can end by itself and write what it has computed.
_GRACE = 1.0
_MESSAGE = "Stopped. Finished work is kept; run the same command to continue."

_pressed = False
_leaving = False
_code = INTERRUPTED
_stopping = threading.Lock()


def watch() -> None:
    """Make sure that Ctrl-C ends this process from now on.

    The first Ctrl-C raises `KeyboardInterrupt` in the main thread; later ones are ignored, so that they do not disturb
    a clean end. But that thread may be inside a library for minutes, wait for another thread, or be where Python drops
    exceptions (in a `__del__`, for example). So the signal also wakes a thread, which ends the process if it is still
    running after a second. That is safe, because the store, the cache and all saved files survive `kill -9`. Where
    Ctrl-C is ignored, as under `nohup`, it stays ignored.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.signal(signal.SIGINT, _raise)
    sys.unraisablehook = _report
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_insist, args=(reading,), name="headstart-interrupt", daemon=True).start()
    # Registered first, so run last: from then on Python would let Ctrl-C kill a process that has done its work.
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)


def pressed() -> bool:
    """Whether Ctrl-C was pressed: an error that follows is most likely its consequence."""
    return _pressed


def leave(code: int) -> NoReturn:
    """End the process; after Ctrl-C at once.

    What Python does at its end (waiting for threads, freeing models) may take long, and is of no use then.
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


def _report(dropped: sys.UnraisableHookArgs) -> None:
    """Where Python drops a Ctrl-C, it would print a traceback."""
    if not issubclass(dropped.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)


def _insist(reading: int) -> None:
    while signal.SIGINT not in os.read(reading, 64):
        pass
    time.sleep(_GRACE)
    # In a thread of its own: writing to a pipe that nobody reads may block for ever.
    last = threading.Thread(target=_stop, daemon=True)
    last.start()
    last.join(0.2)
    os._exit(_code)


def _stop() -> NoReturn:
    with _stopping:
        if _code == INTERRUPTED:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                print(_MESSAGE, file=sys.stderr, flush=True)
        os._exit(_code)
