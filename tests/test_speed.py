"""How fast a model is, alone and beside programs that keep the processors busy."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from fakes import FakeBackbone
from headstart.features.speed import _QUIET, Stopwatch, share_of_processors
from headstart.photos.images import Images
from headstart.photos.reading import processors

PICTURES = list(np.zeros((5, 16, 16, 3), np.uint8))


class Computing(FakeBackbone):
    """Takes so much processor time for a batch, in one thread."""

    seconds = 0.01

    def _vectors(self, images: Images) -> Images:
        end = time.thread_time() + self.seconds
        while time.thread_time() < end:
            pass
        return super()._vectors(images)


@pytest.fixture(autouse=True)
def short_turns() -> None:
    """Turns are as long as they are."""


def timed(network: FakeBackbone) -> Stopwatch:
    watch = Stopwatch(network, PICTURES)
    while not watch.is_finished:
        watch.turn()
    return watch


def _spin() -> None:
    while True:
        pass


@contextmanager
def busy_processors() -> Iterator[None]:
    """Programs that keep every processor busy."""
    spawn = multiprocessing.get_context("spawn")
    programs = [spawn.Process(target=_spin, daemon=True) for _ in range(2 * processors())]
    for one in programs:
        one.start()
    time.sleep(1)
    try:
        yield
    finally:
        for one in programs:
            one.kill()
            one.join()


def test_alone_the_time_on_the_wall_counts() -> None:
    network = FakeBackbone()
    network.delay = 0.02  # a batch of four
    watch = timed(network)
    watch._processor = 0.9 * watch._wall * processors()  # as if all had computed
    found = watch.speed(_QUIET)
    assert not found.under_load
    assert 100 < found.photos_per_second <= 200
    assert watch.speed(_QUIET - 0.01).photos_per_second == pytest.approx(found.photos_per_second / 0.9)


def test_under_load_it_is_what_the_processor_time_allows() -> None:
    watch = timed(Computing())
    share = watch._processor / watch._wall / processors()
    found = watch.speed(min(share, 0.89))
    assert found.under_load
    assert found.photos_per_second == pytest.approx(processors() * 4 / 0.01, rel=0.25)


def test_who_waits_for_something_else_is_not_slowed_by_load() -> None:
    network = FakeBackbone()
    network.delay = 0.02
    found = timed(network).speed(0.5)
    assert found.under_load
    assert 100 < found.photos_per_second <= 200


def test_only_whole_batches_are_timed() -> None:
    network = FakeBackbone()
    watch = timed(network)
    assert network.embedded % 4 == 0
    assert sum(watch._done) == network.embedded - 4  # without warming up


def test_busy_processors_are_noticed() -> None:
    with busy_processors():
        shares = [share_of_processors() for _ in range(5)]
    assert np.mean(shares) < _QUIET
    assert all(0 <= share <= 1.01 for share in shares)
