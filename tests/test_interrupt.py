"""Ctrl-C ends every command within two seconds, whatever it is doing, and says so."""

from __future__ import annotations

import io
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes import start_python, write_photos
from hub_server import MODEL, HubServer, Request, serving, stand_alone, tar

HEADSTART = str(Path(sys.executable).with_name("headstart"))
STOPPED = "Stopped. Finished work is kept; run the same command to continue.\n"
TIMES = 20 if os.environ.get("HEADSTART_STRESS") == "1" else 1
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at a process's threads in /proc")


def begun(child: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """Wait until our code listens to Ctrl-C; before it, only Python itself is there."""
    threads = Path(f"/proc/{child.pid}/task")
    while child.poll() is None and len(list(threads.iterdir())) < 2:
        time.sleep(0.001)
    return child


def interrupt(child: subprocess.Popen[str]) -> tuple[float, int, str]:
    """Seconds until it ended after one Ctrl-C, its exit code, its stderr."""
    child.send_signal(signal.SIGINT)
    started = time.monotonic()
    try:
        _, error = child.communicate(timeout=30)
    finally:
        child.kill()
    return time.monotonic() - started, child.returncode, error


def start(*command: object, home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HEADSTART_HOME": str(home)},
    )


# --- every command ---


def dripping(body: bytes) -> object:
    """Answer over about a second."""

    def answer(request: Request) -> None:
        request.send(body[:1000], claimed=len(body))
        step = -(-len(body) // 20)
        for begin in range(1000, len(body), step):
            time.sleep(0.05)
            request.wfile.write(body[begin : begin + step])

    return answer


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A network and photos that arrive slowly."""
    stand_alone(tmp_path, monkeypatch)
    photos = io.BytesIO()
    with zipfile.ZipFile(photos, "w") as archive:
        archive.writestr("pizza_steak/train/pizza/1.jpg", random.Random(0).randbytes(200_000))
    network = {**MODEL, "variables/more": random.Random(0).randbytes(200_000)}
    with serving() as server:
        monkeypatch.setenv("HEADSTART_SAMPLES_URL", server.url)
        server.on("/pizza_steak.zip", dripping(photos.getvalue()))  # type: ignore[arg-type]
        server.on("/google/net/1", dripping(tar(network)))  # type: ignore[arg-type]
        yield server


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory, graphs: Path) -> tuple[Path, Path, Path]:
    """Photos, a store that has their vectors, and a classifier."""
    root = tmp_path_factory.mktemp("used")
    write_photos(root / "photos", {"navy": 10, "red": 10, "lime": 10})
    (root / "store").mkdir()
    (root / "store" / "compiled").symlink_to(graphs / "compiled")
    command = [HEADSTART, "train", root / "photos", "-o", root / "model"]
    environment = {**os.environ, "HEADSTART_HOME": str(root / "store")}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return root / "photos", root / "store", root / "model"


COMMANDS = {
    "classify": ("classify", "PHOTOS"),
    "train": ("train", "PHOTOS", "-o", "NEW"),
    "compare": ("compare", "PHOTOS", "-b", "builtin:efficientnet-lite0", "--head", "logistic", "--head", "knn"),
    "predict": ("predict", "MODEL", "PHOTOS"),
    "evaluate": ("evaluate", "MODEL", "PHOTOS"),
    "models": ("models", "mobilenet"),
    "cache verify": ("cache", "verify"),
    "cache prune": ("cache", "prune", "--days", "0"),
    "samples get": ("samples", "get", "pizza_steak", "NEW"),
    "backbones get": ("backbones", "get", "URL"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_ctrl_c_at_any_moment_ends_every_command_within_two_seconds(
    name: str, used: tuple[Path, Path, Path], server: HubServer, tmp_path: Path
) -> None:
    # HEADSTART_STRESS=1: 200 times in all.
    photos, store, model = used

    def begin(turn: int) -> subprocess.Popen[str]:
        home = tmp_path / f"home{turn}"
        if name.startswith("cache"):
            shutil.copytree(store, home, symlinks=True)
            (home / "compiled").unlink()  # so that pruning does not take it from the other tests
        else:
            home.mkdir()
            (home / "compiled").symlink_to(store / "compiled")
        words = {"PHOTOS": photos, "MODEL": model, "NEW": tmp_path / f"new{turn}", "URL": server.url + "/google/net/1"}
        return begun(start(HEADSTART, *(words.get(word, word) for word in COMMANDS[name]), home=home))

    started = time.monotonic()
    whole = begin(0)
    whole.communicate(timeout=120)
    seconds = time.monotonic() - started
    moments = random.Random(name)
    for turn in range(1, TIMES + 1):
        child = begin(turn)
        time.sleep(moments.uniform(0, 0.5 if turn == 1 else 0.9) * seconds)
        took, code, error = interrupt(child)
        assert took < 2, f"{took:.1f} s, code {code}: {error}"
        assert "Traceback" not in error
        if turn > 1 and code == whole.returncode:  # so late in its work, it may be done
            assert STOPPED not in error
        else:
            assert (code, error[-len(STOPPED) :]) == (130, STOPPED)


# --- what can keep a process from ending ---

HOLDS = """
import hashlib, sys, threading, time, types
from headstart.apps import cli
from headstart.errors import DataError

def ready():
    print("ready", flush=True)

def deaf():
    ready()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 1_000_000_000)  # minutes in C, without a look at signals

class Dropping:
    def __del__(self):
        ready()
        time.sleep(60)  # Python drops what is raised here

def dropping():
    Dropping()
    time.sleep(60)

def swallowing():
    ready()
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

def translating():
    ready()
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        raise DataError("The library failed.")

def joining():
    threading.Thread(target=time.sleep, args=(60,)).start()
    ready()
    time.sleep(60)

def unread():
    ready()
    while True:
        print("x" * 10_000, file=sys.stderr)

def leaving():
    threading.Thread(target=time.sleep, args=(60,)).start()
    threading.Timer(0.1, ready).start()
    return 3  # what comes now is Python's own end, which waits for the thread

commands = types.ModuleType("headstart.apps.cli.commands")
commands.app = lambda **_: globals()[sys.argv[1]]()
sys.modules[commands.__name__] = commands
cli.main()
"""


def hold(kind: str) -> subprocess.Popen[str]:
    child = start_python(HOLDS, kind)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


@pytest.mark.parametrize("kind", ["deaf", "dropping", "swallowing", "translating", "joining"])
def test_nothing_that_a_library_does_keeps_a_process_alive(kind: str) -> None:
    took, code, error = interrupt(hold(kind))
    assert took < 2
    assert code == 130
    assert error.endswith(STOPPED)
    assert error.count(STOPPED) == 1
    assert "The library failed" not in error


def test_a_message_that_nobody_reads_keeps_no_process_alive() -> None:
    child = hold("unread")
    child.send_signal(signal.SIGINT)
    try:
        assert child.wait(timeout=2.5) == 130
    finally:
        child.kill()
        child.communicate()


def test_ctrl_c_after_the_work_is_done_ends_with_the_works_own_exit_code() -> None:
    took, code, error = interrupt(hold("leaving"))
    assert took < 2
    assert (code, error) == (3, "")


def test_a_second_ctrl_c_does_not_disturb_the_end() -> None:
    child = hold("joining")
    for _ in range(5):
        child.send_signal(signal.SIGINT)
        time.sleep(0.001)
    _, code, error = interrupt(child)
    assert (code, error) == (130, STOPPED)


def test_where_ctrl_c_is_ignored_it_stays_so(tmp_path: Path) -> None:
    # As under `nohup`, or in the background of a script.
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = start(HEADSTART, "models", "mobilenet", home=tmp_path)
    finally:
        signal.signal(signal.SIGINT, usual)
    for _ in range(20):
        child.send_signal(signal.SIGINT)
        time.sleep(0.02)
    _, code, error = interrupt(child)
    assert code == 0
    assert STOPPED not in error


def test_a_dropped_ctrl_c_prints_nothing_and_other_dropped_errors_are_reported() -> None:
    program = """
import os, signal, sys
from headstart.apps.cli import interrupt
interrupt.watch()

class Dropping:
    def __init__(self, act): self.act = act
    def __del__(self): self.act()

Dropping(lambda: 1 / 0)
Dropping(lambda: signal.raise_signal(signal.SIGINT))
sys.stderr.flush()
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "ZeroDivisionError" in done.stderr
    assert "KeyboardInterrupt" not in done.stderr
