"""Threads that share what extraction shares, interrupted between any two steps; and the end of a process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakes import FakeBackbone, start_python, write_photos
from headstart import backbones
from headstart.backbones.base import Backbone, Tag, Vectors
from headstart.backbones.runtimes.openvino import shutdown
from headstart.backbones.runtimes.openvino.backbone import OpenVINOBackbone
from headstart.errors import BackboneError, PhotoError
from headstart.features import extraction as features_module
from headstart.features.extraction import extract
from headstart.features.several import extract_all
from headstart.features.store import Store
from headstart.photos import images
from headstart.photos.images import Images
from headstart.photos.reading import readers

STRESS = os.environ.get("HEADSTART_STRESS") == "1"


@pytest.fixture
def switching() -> Iterator[None]:
    """Python goes on to another thread after every millionth of a second."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """40 photos, 4 copies among them, and one that is broken."""
    folder = tmp_path_factory.mktemp("album")
    paths = write_photos(folder, {"navy": 20, "red": 20}, suffix=".png")
    for i in range(4):
        (folder / f"copy{i}.png").write_bytes(Path(paths[i * 9]).read_bytes())
    (folder / "broken.png").write_bytes(Path(paths[0]).read_bytes()[:100])
    return sorted(str(path) for path in folder.rglob("*.png"))


class Answering(FakeBackbone):
    """Answers from threads of its own, many at once and in any order, as the contract allows."""

    def embed_stream(self, batches: Iterable[tuple[Tag, Images]], done: Callable[[Tag, Vectors], None]) -> None:
        with ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(self._answer, tag, pictures, done) for tag, pictures in batches]
        for answer in answers:
            answer.result()

    def _answer(self, tag: Tag, pictures: Images, done: Callable[[Tag, Vectors], None]) -> None:
        vectors = self._vectors(pictures)
        self._count("embedded", len(pictures))
        done(tag, vectors)


def all_at_once(work: Callable[[int], None], times: int, threads: int = 4) -> None:
    """Do `work(0)`, `work(1)`, ... in threads; the first error comes out."""
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(work, i) for i in range(times)]:
            future.result()


def one_by_one(network: Backbone, paths: list[str]) -> Vectors:
    """Vectors of the photos that can be used, each computed by itself."""
    vectors = []
    for path in paths:
        with suppress(PhotoError):
            vectors.append(network.embed(images.load(path, network.card.view)[None]))
    return np.concatenate(vectors)


@pytest.mark.usefixtures("switching")
def test_extractions_in_four_threads_lose_nothing_wherever_threads_are_switched(
    album: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features_module, "FLUSH", 8)
    expected = one_by_one(FakeBackbone(), album)

    def work(i: int) -> None:
        found = extract(Answering(weights=str(i)), album, Store(tmp_path))
        assert (found.computed, found.from_store, len(found.skipped), found.damaged) == (40, 4, 1, 0)
        assert np.array_equal(found.vectors, expected)
        again = extract(FakeBackbone(weights=str(i)), album, Store(tmp_path))
        assert (again.computed, again.from_store, len(again.skipped), again.damaged) == (0, 44, 1, 0)
        assert np.array_equal(again.vectors, expected)

    all_at_once(work, 200 if STRESS else 40)


@pytest.mark.usefixtures("switching")
def test_a_backbone_and_its_copies_serve_four_threads_at_any_switch(
    album: list[str], tmp_path: Path, home: Path
) -> None:
    network = backbones.load(folder=home / "compiled")
    usable = album[5:13]  # no copies
    expected = one_by_one(network, usable)

    def work(i: int) -> None:
        own = network.with_fit("squash")
        if i % 4 == 3:
            network.release()  # while the others compute
        store = Store(tmp_path / str(i))
        if i % 2:
            assert np.array_equal(extract(own, usable, store).vectors, expected)
        else:
            (outcome,) = extract_all([own], usable, store)
            assert (outcome.computed, outcome.error) == (len(expected), None)
            found = extract(own, usable, store)
            assert found.computed == 0
            assert np.array_equal(found.vectors, expected)

    all_at_once(work, 48 if STRESS else 12)


def test_leaving_early_does_not_wait_for_the_remaining_photos() -> None:
    done = []

    def read(i: int) -> None:
        time.sleep(0.02)
        done.append(i)

    with pytest.raises(KeyboardInterrupt), readers() as pool:  # noqa: PT012
        answers = pool.map(read, range(1_000))  # kept alive by this frame, as a traceback keeps it
        next(answers)
        raise KeyboardInterrupt
    assert len(done) < 100


# --- the engine ---


def toy(build_delay: float = 0.0, factor: float = 1.0) -> OpenVINOBackbone:
    """The mean colour of a picture, in OpenVINO."""
    from toys import model, op, ov, pictures, pooled

    def build() -> object:
        time.sleep(build_delay)
        image = pictures(-1, 3, 16, 16)
        image.set_layout(ov.Layout("NCHW"))
        return model({"features": op.multiply(pooled(image), op.constant(np.float32(factor)))}, image)

    return OpenVINOBackbone(replace(FakeBackbone(dim=3).card, classes=0), build)


def noise(pictures: int) -> Images:
    return np.random.default_rng(0).integers(0, 256, (pictures, 16, 16, 3), dtype=np.uint8)


def test_no_code_of_ours_runs_in_the_engines_threads() -> None:
    # A callback there needs the GIL to run and to be freed, and whoever frees the network waits for the thread.
    network, threads = toy(), set()
    batches = [(i, noise(1)) for i in range(50)]
    network.embed_stream(batches, lambda *_: threads.add(threading.get_ident()))
    assert threads == {threading.get_ident()}


def test_after_an_error_running_requests_are_waited_for() -> None:
    network, answered = toy(), []

    def batches() -> Iterator[tuple[int, Images]]:
        for i in range(20):
            yield i, noise(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        network.embed_stream(batches(), lambda tag, _: answered.append(tag))
    assert answered == list(range(len(answered)))  # in order
    assert np.allclose(network.embed(noise(3)), noise(3).mean(axis=(1, 2)), atol=1e-3)


def test_numbers_that_are_not_finite_are_reported_and_the_backbone_stays_usable() -> None:
    network = toy(factor=np.inf)
    for _ in range(3):
        with pytest.raises(BackboneError, match="not finite"):
            network.embed(noise(9))


def test_the_engine_cannot_be_used_while_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    network = toy()
    assert network.embed(noise(2)).shape == (2, 3)
    with monkeypatch.context() as patch:
        patch.setattr(shutdown, "_ending", True)
        for ask in (lambda: network.embed(noise(2)), lambda: network.batch, toy):
            with pytest.raises(BackboneError, match="the process is ending"):
                ask()
    assert network.embed(noise(2)).shape == (2, 3)


# --- the end of a process ---

RELEASES = """
import sys
from test_threads import noise, toy
network = toy()
for _ in range(int(sys.argv[1])):
    network.embed(noise(4))
    network.release()
print("released")
"""
ENDS = """
import sys, threading, time
from pathlib import Path
from headstart import backbones
from headstart.photos import images
network = backbones.load(folder=Path(sys.argv[1]))
pictures = images.load(sys.argv[2], network.card.view)[None]
network.embed(pictures)

def go_on():
    while True:
        network.embed(pictures)

for _ in range(int(sys.argv[3])):
    threading.excepthook = lambda _: None  # that the process is ending
    threading.Thread(target=go_on, daemon=True).start()
    time.sleep(0.05)
"""


def ends(process: subprocess.Popen[str], seconds: float = 60) -> str:
    """What it printed; it must end by itself, without an error."""
    try:
        out, error = process.communicate(timeout=seconds)
    finally:
        process.kill()
    assert (process.returncode, error) == (0, "")
    return out


def test_a_backbone_can_be_released_while_the_engine_finishes_the_last_request() -> None:
    # With callbacks one process in 20 to 150 stood still: the thread that frees the network holds the GIL and joins the
    # engine's thread, which needs the GIL to free the callback.
    times = 1000 if STRESS else 50
    assert ends(start_python(RELEASES, times), times + 60) == "released\n"


@pytest.mark.slow
@pytest.mark.parametrize("busy", [0, 2], ids=["no thread left", "two threads that never end"])
def test_processes_end_after_they_used_a_backbone(busy: int, samples: dict[str, Path], home: Path) -> None:
    # HEADSTART_STRESS=1: a thousand of them; the other core, or both, should have something else to do meanwhile.
    backbones.load(folder=home / "compiled").embed(np.zeros((1, 224, 224, 3), np.uint8))
    with ThreadPoolExecutor(3) as pool:
        arguments = (home / "compiled", samples["temple"], busy)
        ended = [pool.submit(lambda: ends(start_python(ENDS, *arguments))) for _ in range(1000 if STRESS else 6)]
        for one in ended:
            one.result()
