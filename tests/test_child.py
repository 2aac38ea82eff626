"""Work in a process of its own: it answers, or its end is reported; the caller lives on."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time

import pytest

from headstart.safety.child import ChildError, call

HERE = "test_child"


def double(data: bytes) -> bytes:
    print("a library that prints")
    return data * 2


def hog(data: bytes) -> bytes:
    return bytes(int(data))


def crash(_: bytes) -> bytes:
    print("last words", file=sys.stderr, flush=True)
    ctypes.string_at(0)
    return b""


def sleep(data: bytes) -> bytes:
    time.sleep(float(data))
    return b"awake"


def burn(_: bytes) -> bytes:
    while True:
        pass


def fail(_: bytes) -> bytes:
    raise UnicodeError("not a word")


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(os.path.dirname(__file__))


def test_the_result_of_the_function_is_returned() -> None:
    data = os.urandom(3_000_000)
    assert call(f"{HERE}:double", data, seconds=30, megabytes=100) == data * 2


def test_more_data_than_a_pipe_holds_arrives_complete_with_a_cancel_event() -> None:
    data = bytes(range(256)) * 40_000  # the child reads it after its imports, the first look at `cancel` comes before
    cancel = threading.Event()
    assert call(f"{HERE}:double", data, seconds=10, megabytes=200, cancel=cancel) == data * 2


def test_a_child_that_ends_without_reading_is_reported() -> None:
    with pytest.raises(ChildError) as caught:
        call(f"{HERE}:no_such_work", bytes(10_000_000), seconds=10, megabytes=100, cancel=threading.Event())
    assert caught.value.reason == "died"


def join(data: bytes, *words: str) -> bytes:
    return data + " ".join(words).encode()


def test_words_go_along() -> None:
    assert call(f"{HERE}:join", b"a: ", "b", "ä", seconds=30, megabytes=100) == "a: b ä".encode()


def test_memory_is_limited() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("memory is limited on Linux only")
    assert len(call(f"{HERE}:hog", b"50000000", seconds=30, megabytes=200)) == 50_000_000
    with pytest.raises(ChildError, match="200 MB") as caught:
        call(f"{HERE}:hog", b"300000000", seconds=30, megabytes=200)
    assert caught.value.reason == "memory"


@pytest.mark.parametrize("work", ["sleep", "burn"])
def test_time_is_limited(work: str) -> None:
    started = time.monotonic()
    with pytest.raises(ChildError, match="more than 1 seconds") as caught:
        call(f"{HERE}:{work}", b"60", seconds=1, megabytes=100)
    assert caught.value.reason == "time"
    assert time.monotonic() - started < 10


def test_a_crash_is_reported_with_its_last_words() -> None:
    with pytest.raises(ChildError, match="last words") as caught:
        call(f"{HERE}:crash", b"", seconds=30, megabytes=100)
    assert caught.value.reason == "died"


def test_an_exception_is_reported_with_its_kind() -> None:
    with pytest.raises(ChildError, match="UnicodeError: not a word") as caught:
        call(f"{HERE}:fail", b"", seconds=30, megabytes=100)
    assert caught.value.reason == "failed"


def test_setting_the_event_ends_the_child() -> None:
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    started = time.monotonic()
    with pytest.raises(ChildError) as caught:
        call(f"{HERE}:sleep", b"60", seconds=60, megabytes=100, cancel=cancel)
    assert caught.value.reason == "cancelled"
    assert time.monotonic() - started < 5
