"""One classifier, many callers: threads, tasks of asyncio, processes forked while it works."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import headstart
from fakes import FakeBackbone, start_python, training_of, write_photos
from headstart import Classifier
from headstart.classifier import bundle
from headstart.disk import atomic, locks
from headstart.errors import BundleError, DataError, HeadstartError, StoreError
from headstart.features.store import Store
from headstart.photos.sources import find_files, scan

MANY = os.environ.get("HEADSTART_STRESS") == "1"
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@contextmanager
def switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_photos(tmp_path_factory.mktemp("photos"), {"red": 6, "blue": 6, "lime": 6})


def trained(photos: list[str], store: Path) -> Classifier:
    return training_of(FakeBackbone(), photos, [Path(path).parent.name for path in photos], store=store).classifier


def all_at_once(calls: list[Callable[[], object]], threads: int = 8) -> None:
    """Run calls in threads; the first error of any comes out."""
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(call) for call in calls]:
            future.result()


# --- threads ---


def test_threads_and_tasks_that_ask_one_classifier_all_get_the_right_answer(photos: list[str], tmp_path: Path) -> None:
    classifier = trained(photos, tmp_path / "first")
    expected = classifier.predict_proba(photos)
    # Nothing is known in the second store: all of them read, compute and write.
    classifier = replace(classifier, store=Store(tmp_path / "second"))

    def ask(number: int) -> None:
        rows = np.random.default_rng(number).choice(len(photos), 3, replace=False)
        found = classifier.predict_proba([photos[row] for row in rows])
        assert np.array_equal(found, expected[rows])

    async def tasks(calls: int) -> None:
        async def task(first: int) -> None:
            for number in range(first, calls, 4):
                await asyncio.to_thread(ask, number)

        await asyncio.gather(*map(task, range(4)))

    calls = 1800 if MANY else 120
    with switching_often():
        waiting = threading.Thread(target=asyncio.run, args=(tasks(calls // 9),))
        waiting.start()
        all_at_once([lambda number=number: ask(number) for number in range(calls)])
        waiting.join()
    assert not [path for path in (tmp_path / "second").rglob("*") if path.name.endswith(".new")]


def test_threads_that_use_one_store_while_it_is_refreshed_pruned_and_cleared_never_fail(
    photos: list[str], tmp_path: Path
) -> None:
    classifier = trained(photos, tmp_path)
    expected = classifier.predict(photos).tolist()

    def ask(number: int) -> None:
        assert classifier.predict(photos[number % 9 :]).tolist() == expected[number % 9 :]

    def keep_house(number: int) -> None:
        (classifier.store.clear if number % 20 == 0 else lambda: classifier.store.prune(number % 2 * 90))()
        classifier.store.shelves()
        assert classifier.store.size >= 0

    rounds = range(400 if MANY else 40)
    with switching_often():
        all_at_once([lambda n=n: (keep_house if n % 5 == 0 else ask)(n) for n in rounds])


def test_threads_that_save_to_one_place_leave_one_whole_classifier(photos: list[str], tmp_path: Path) -> None:
    classifier = trained(photos, tmp_path / "store")
    model = tmp_path / "models" / "mine"
    model.parent.mkdir()
    classifier.save(model)
    whole = {path.name: path.read_bytes() for path in model.iterdir()}
    all_at_once([lambda: classifier.save(model, overwrite=True)] * (200 if MANY else 16))
    assert [path.name for path in model.parent.iterdir()] == ["mine"]
    assert {path.name: path.read_bytes() for path in model.iterdir()} == whole


def test_threads_that_write_one_file_leave_one_whole_text_and_nothing_else(tmp_path: Path) -> None:
    texts = [chr(65 + i) * 10_000 for i in range(8)]
    all_at_once([lambda text=text: atomic.write(tmp_path / "file", text) for text in texts * 20])
    assert (tmp_path / "file").read_text() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# --- forked children ---

FORKS = """
import multiprocessing, os, sys, threading, time
from pathlib import Path
import numpy as np
from headstart import backbones
from headstart.errors import HeadstartError
from headstart.features.extraction import extract
from headstart.features.store import Store

network = None
pictures = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8)

def load():
    global network
    network = backbones.load(folder=Path(os.environ["HEADSTART_HOME"]) / "compiled")
    return network.embed(pictures)

def outcome(work):
    try:
        return repr(work())
    except HeadstartError as error:
        return type(error).__name__ + ": " + str(error)

def forked(work):
    "What a child answers that does this work and ends as programs end; 'hangs' if it has not within 5 seconds."
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        os.write(writing, outcome(work).encode())
        sys.exit(0)
    os.close(writing)
    until = time.monotonic() + 5
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.read(reading, 4096).decode() if status == 0 else f"status {status}"
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return "hangs"

"""


def lines_of(script: str, *arguments: object) -> list[str]:
    """What a process prints that can fork; it must end well."""
    child = start_python(FORKS + script, *arguments)
    out, error = child.communicate(timeout=120)
    assert child.returncode == 0, error
    return out.splitlines()


@forks
@pytest.mark.parametrize(
    "work",
    [
        "network.embed(pictures)",
        "network.classify(pictures)",
        "network.batch",
        "list(network.embed_stream([(0, pictures[:1])], print) or ())",
        "backbones.load(folder=None).embed(pictures)",
        "backbones.load(precision='float32').embed(pictures)",
        "extract(network, sys.argv[1:], Store('store'))",
        "forked(lambda: network.embed(pictures))",
    ],
)
def test_a_child_forked_after_use_refuses_and_explains_what_to_do(
    work: str, photos: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = lines_of(
        f"expected = load()\nprint(forked(lambda: {work}).splitlines()[0])\n"
        "print(np.array_equal(network.embed(pictures), expected))",
        photos[0],
    )
    assert "BackboneError: No backbone can run in this process: it was forked" in lines[-2]
    assert lines[-1] == "True"  # the parent goes on


@forks
@pytest.mark.parametrize(
    "work", ["None", "network.release()", "globals().pop('network') and __import__('gc').collect() and 0"]
)
def test_a_child_forked_after_use_can_let_go_of_the_network_and_end(work: str) -> None:
    assert lines_of(f"load()\nfor _ in range(5): print(forked(lambda: bool({work})))") == ["False"] * 5


@pytest.mark.slow
@forks
def test_a_child_forked_while_other_threads_compute_or_load_refuses_too() -> None:
    lines = lines_of(
        "stop = False\n"
        "def busy():\n"
        "    load()\n"
        "    while not stop: network.embed(pictures)\n"
        "threads = [threading.Thread(target=busy) for _ in range(2)]\n"
        "for thread in threads: thread.start()\n"
        "time.sleep(0.05)\n"
        "for _ in range(12):\n"
        "    print(forked(lambda: backbones.load().embed(pictures)).splitlines()[0])\n"
        "    time.sleep(0.1)\n"
        "stop = True\n"
        "for thread in threads: thread.join()\n"
    )
    assert len(lines) == 12
    assert {line[:20] for line in lines} == {"BackboneError: No ba"}


@forks
def test_a_child_forked_before_the_first_use_computes() -> None:
    lines = lines_of("print(forked(lambda: load().sum()))\nprint(repr(load().sum()))")
    assert lines[0] == lines[1]


@forks
def test_a_pool_of_forked_processes_answers_from_the_store_and_refuses_the_rest(
    photos: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = lines_of(
        "load()\n"
        "known, new = sys.argv[1:3], sys.argv[3:]\n"
        "store = Store('store')\n"
        "def sums(paths): return extract(network, paths, store).vectors.sum()\n"
        "def answer(paths): return outcome(lambda: sums(paths))\n"
        "expected = answer(known)\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "    print([one == expected for one in pool.map(answer, [known] * 4)])\n"
        "    print(pool.map(answer, [new])[0].splitlines()[0])\n"
        "    try: pool.map(sums, [new])\n"
        "    except HeadstartError as error: print(type(error).__name__)\n",
        *photos[:4],
    )
    assert lines[0] == "[True, True, True, True]"
    assert lines[1].startswith("BackboneError: No backbone can run in this process")
    assert lines[2] == "BackboneError"


@forks
def test_a_lock_that_a_thread_holds_while_another_forks_is_neither_kept_nor_waited_for_by_the_child(
    tmp_path: Path,
) -> None:
    lines = lines_of(
        "from headstart.disk import locks\n"
        "lock = Path(sys.argv[1]) / 'lock'\n"
        "held, ended = threading.Event(), threading.Event()\n"
        "def hold():\n"
        "    with locks.locked(lock):\n"
        "        held.set()\n"
        "        ended.wait()\n"
        "def take():\n"
        "    with locks.locked(lock): return 'taken'\n"
        "thread = threading.Thread(target=hold)\n"
        "thread.start()\n"
        "held.wait()\n"
        "reading, writing = os.pipe()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os.read(reading, 1)\n"  # lives on, with whatever it inherited
        "    os._exit(take() != 'taken')\n"
        "ended.set()\n"
        "thread.join()\n"
        "print(take())\n"
        "os.write(writing, b'.')\n"
        "print(os.waitpid(child, 0)[1])\n",
        tmp_path,
    )
    assert lines == ["taken", "0"]


def test_a_folder_that_another_thread_removes_and_makes_meanwhile_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What `Path.mkdir` does when the folder is there at its first look and gone at the second.
    make, calls = Path.mkdir, []

    def racing(self: Path, *arguments: object, **options: object) -> None:
        calls.append(self)
        if len(calls) == 1:
            raise FileExistsError(17, "File exists", str(self))
        make(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", racing)
    with locks.locked(tmp_path / "new" / "lock"):
        assert (tmp_path / "new" / "lock").exists()
    assert len(calls) == 2


def test_a_lock_in_a_file_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError), locks.locked(tmp_path / "file" / "lock"):
        pass


def test_who_waited_for_a_lock_that_its_owner_removed_locks_the_new_file(tmp_path: Path) -> None:
    path, waits = tmp_path / "folder" / "lock", threading.Event()
    order: list[str] = []

    def second() -> None:
        with locks.owned(path, "waiting", lambda _: waits.set()):
            order.append("second")
            time.sleep(0.2)
            order.append("second ends")

    thread = threading.Thread(target=second)
    with locks.locked(path, keep=False):
        thread.start()
        waits.wait(10)
        order.append("first ends")
    while "second" not in order:
        time.sleep(0.001)
    with locks.locked(path):
        order.append("third")
    thread.join()
    assert order == ["first ends", "second", "second ends", "third"]


# --- empty paths ---


EMPTY: list[tuple[Callable[[], object], type[HeadstartError]]] = [
    (lambda: find_files(["red", ""]), DataError),
    (lambda: scan(""), DataError),
    (lambda: headstart.classify(""), DataError),
    (lambda: headstart.train(""), DataError),
    (lambda: headstart.train("red", test=""), DataError),
    (lambda: headstart.load(""), BundleError),
    (lambda: bundle.check_target("", overwrite=True), BundleError),
    (lambda: Store(""), StoreError),
]


@pytest.mark.parametrize(("ask", "error"), EMPTY)
def test_an_empty_path_is_an_error_and_not_the_working_folder(
    ask: Callable[[], object],
    error: type[HeadstartError],
    photos: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained(photos, tmp_path / "store").save(tmp_path / "model")
    monkeypatch.chdir(tmp_path / "model")
    write_photos(tmp_path / "model" / "red", {"red": 3, "blue": 3})
    with pytest.raises(error, match="empty"):
        ask()


def test_a_classifier_asked_about_an_empty_path_does_not_walk_the_working_folder(
    photos: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = trained(photos, tmp_path)
    monkeypatch.chdir(Path(photos[0]).parents[1])
    for ask in (classifier.predict, classifier.predict_proba, classifier.predictions, classifier.evaluate):
        with pytest.raises(DataError, match="empty"):
            ask("")


@pytest.mark.parametrize("words", [["predict", "model", ""], ["train", ""], ["cache", "prune", "--days", ""]])
def test_an_empty_argument_is_reported_on_the_command_line(words: list[str]) -> None:
    script = "import sys; from headstart.apps.cli import main; sys.argv = ['headstart', *sys.argv[1:]]; main()"
    child = start_python(script, *words)
    assert child.communicate(timeout=60) == (
        "",
        "Error: An argument is empty. Expected a value; is a variable of your shell not set?\n",
    )
    assert child.returncode == 2
