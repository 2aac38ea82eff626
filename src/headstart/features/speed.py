"""How fast is a model if it has the processors to itself? Measured in short turns, so that several can take turns.

Beside other busy programs wall time measures whom the scheduler favours: on two cores a small model, 7.6 times as fast
as a large one, looked 7 to 25 times as fast. By the processor time of a photo it was 6.3 to 8.0 times as fast.
benchmarks/speeds.py measures whole comparisons.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle

import numpy as np

from headstart.backbones.base import Backbone
from headstart.photos.images import Images
from headstart.photos.reading import processors

#: Seconds of one turn, and of all turns of a model.
_TURN, _TURNS = 0.15, 0.6
#: Seconds for which the processors are tried after each round of turns.
_TRIED = 0.03
#: Below this share of the processors other programs were busy: a quiet machine gives 0.95 to 1.
_QUIET = 0.9


@dataclass(frozen=True)
class Speed:
    """How fast a model is.

    Attributes:
        photos_per_second: of the model alone.
        under_load: whether other programs kept the processors busy; then it is estimated from processor time.
    """

    photos_per_second: float
    under_load: bool


class Stopwatch:
    """Times a model in turns.

    Args:
        backbone: the model. pictures: uint8 `(height, width, 3)` in its view, one at least.
    """

    def __init__(self, backbone: Backbone, pictures: Sequence[Images]) -> None:
        self._backbone = backbone
        step = min(backbone.batch, len(pictures))  # a part of a batch takes as long as a whole one
        self._batches = [np.stack(pictures[i : i + step]) for i in range(0, len(pictures) - step + 1, step)]
        self._done: list[int] = []  # photos of each batch; appended to by any thread
        self._wall = self._processor = 0.0
        backbone.embed_stream([(0, self._batches[0])], lambda *_: None)  # compiles and warms up

    @property
    def is_finished(self) -> bool:
        """Whether the model had all its turns."""
        return self._wall >= _TURNS

    def turn(self) -> None:
        """Embed for a short time, one batch at least."""
        wall, processor = time.perf_counter(), time.process_time()
        self._backbone.embed_stream(self._until(wall + _TURN), lambda photos, _: self._done.append(photos))
        self._wall += time.perf_counter() - wall
        self._processor += time.process_time() - processor

    def _until(self, end: float) -> Iterator[tuple[int, Images]]:
        for batch in cycle(self._batches):
            yield len(batch), batch
            if time.perf_counter() >= end:
                return

    def speed(self, share: float) -> Speed:
        """The speed, given the `share_of_processors` meanwhile.

        Under load it is what the processor time would allow if all processors worked for it; but a model that took
        less than half of what it could get was waiting for something else, as a plugin's may: then wall time counts.
        """
        photos, under_load = sum(self._done), share < _QUIET
        if under_load and self._processor > share / 2 * self._wall * processors():
            return Speed(photos * processors() / self._processor, under_load)
        return Speed(photos / self._wall, under_load)


def share_of_processors() -> float:
    """The share of the processors' time that this process gets when it asks for all of it, 0..1."""
    with ThreadPoolExecutor(processors()) as pool:
        return float(np.mean(list(pool.map(_busy, [_TRIED] * processors()))))


def _busy(seconds: float) -> float:
    """Work without Python's lock; the share of the time that this thread was running."""
    block = bytes(1 << 18)
    wall, processor = time.perf_counter(), time.thread_time()
    while time.perf_counter() < wall + seconds:
        hashlib.sha256(block)
    return (time.thread_time() - processor) / (time.perf_counter() - wall)
