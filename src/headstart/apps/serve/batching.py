"""Photos of many requests -> feature vectors: decoded by threads, given to the backbone as they come.

Nothing waits for a batch to fill: a free thread takes what is ready, one photo when there is little to do, as many as
the backbone takes at once when there is much, and goes on with what is ready by then. Photos that may take long to
decode have a thread of their own with a low priority, so they delay only each other.
"""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, TypeVar

import numpy as np

from headstart.backbones.base import Backbone, Vectors
from headstart.errors import BusyError, PhotoError
from headstart.photos import images
from headstart.photos.budget import ReadingPool
from headstart.photos.decode_cost import unusual, webp_pixels
from headstart.photos.formats import open_header, sniff
from headstart.photos.images import Images
from headstart.photos.pictures import Pixels
from headstart.photos.reading import processors

Answer = TypeVar("Answer")
#: A photo: the bytes of its file, or a picture that is already decoded.
Photo = bytes | Pixels

#: Decoding more pixels than this takes a tenth of a second or more. JPEGs are decoded at reduced size, which is faster.
_QUICK = {"jpeg": 6 * 10**7, "png": 4 * 10**6, "webp": 4 * 10**6, "bmp": 10**7}
#: Added to the priority number of the thread for slow photos; a larger number means a lower priority.
_NICE = 15


@dataclass(frozen=True)
class Limits:
    """What is accepted.

    Attributes:
        photo_bytes: bytes of one photo's file.
        pixels: pixels of one photo, according to its header.
        photos: photos in one request.
        waiting: photos that are accepted and not yet answered, of all requests together.
        seconds: from the moment a request is complete to its answer.
    """

    photo_bytes: int = 20_000_000
    pixels: int = 100_000_000
    photos: int = 32
    waiting: int = 256
    seconds: float = 30.0


@dataclass(frozen=True)
class _Ready:
    """A decoded photo, what is done with its vector, and where the result goes."""

    picture: Images
    then: Callable[[Vectors], Any]
    future: asyncio.Future[Any]


class Engine:
    """Feature vectors for an event loop. It belongs to the loop in which its methods are called.

    Args:
        backbone: computes the vectors.
        limits: what is accepted.
    """

    def __init__(self, backbone: Backbone, limits: Limits | None = None) -> None:
        self.backbone = backbone
        self.limits = limits or Limits()
        #: Photos that are accepted and not yet answered.
        self.waiting = 0
        self._decoders = ReadingPool(processors())
        self._slow = ReadingPool(1)
        self._embedders = ThreadPoolExecutor(processors(), "headstart-embed")
        self._ready: deque[_Ready] = deque()
        self._is_ending = False

    async def features(self, photo: Photo) -> Vectors:
        """The feature vector of one photo, as `headstart embed` gives it: float32 `(dim,)`, not normalised.

        Raises:
            PhotoError: the photo cannot be used. BusyError: too many photos are waiting. BackboneError: the model
                failed. TimeoutError: it took longer than `Limits.seconds`.
        """
        return (await self.run([photo], _same))[0]

    async def run(self, photos: Sequence[Photo], then: Callable[[Vectors], Answer]) -> list[Answer]:
        """Embed photos and pass each vector to `then`, in a thread of the engine.

        Args:
            photos: of one request; all of them are accepted, or none.
            then: makes the answer from a vector, float32 `(dim,)`, which it may change.

        Returns:
            the answers in the order of the photos.

        Raises:
            as `features`; a PhotoError of several photos names the photo by its number. The first error stops the
            other photos.
        """
        with self._places(len(photos)):
            async with asyncio.timeout(self.limits.seconds):
                work = [asyncio.ensure_future(self._one(photo, then)) for photo in photos]
                try:
                    return list(await asyncio.gather(*work))
                except PhotoError as error:
                    number = next(i for i, one in enumerate(work, start=1) if one.done() and one.exception())
                    detail = f"photo {number} of {len(photos)}: {error.detail}" if len(photos) > 1 else error.detail
                    raise PhotoError(error.reason, detail) from error
                finally:
                    for one in work:
                        one.cancel()

    def end(self) -> None:
        """Stop all threads as soon as the photos that are waiting are answered; no more may follow."""
        self._is_ending = True
        asyncio.get_running_loop().call_soon(self._end_if_idle)  # after requests that are just about to begin

    def _end_if_idle(self) -> None:
        if self._is_ending and not self.waiting:
            self.close()

    def close(self) -> None:
        """Stop all threads now."""
        for pool in (self._decoders, self._slow, self._embedders):
            pool.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def _places(self, photos: int) -> Iterator[None]:
        if self.waiting + photos > self.limits.waiting:
            raise BusyError(
                f"{self.waiting} photos are waiting already; at most {self.limits.waiting} may wait. Try again later."
            )
        self.waiting += photos
        try:
            yield
        finally:
            self.waiting -= photos
            self._end_if_idle()

    async def _one(self, photo: Photo, then: Callable[[Vectors], Answer]) -> Answer:
        loop = asyncio.get_running_loop()
        picture = await loop.run_in_executor(self._decoders, self._decode_quick, photo)
        if picture is None:
            picture = await loop.run_in_executor(self._slow, self._decode_slow, photo)
        future: asyncio.Future[Answer] = loop.create_future()
        self._ready.append(_Ready(picture, then, future))
        self._embedders.submit(self._embed, loop)
        return await future

    def _decode_quick(self, photo: Photo) -> Images | None:
        """Decode a photo, or return None if that may take long."""
        if isinstance(photo, bytes):
            if len(photo) > self.limits.photo_bytes:
                raise PhotoError("too large", f"{len(photo):,} bytes; at most {self.limits.photo_bytes:,} are accepted")
            if _is_slow(photo):
                return None
        return self._decode(photo)

    def _decode_slow(self, photo: Photo) -> Images:
        with suppress(OSError, AttributeError):  # only Linux has a priority for each thread
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        return self._decode(photo)

    def _decode(self, photo: Photo) -> Images:
        return images.decode(photo, self.backbone.card.view, most=self.limits.pixels)

    def _embed(self, loop: asyncio.AbstractEventLoop) -> None:
        """Embed what is ready, until nothing is. Another thread may have taken all of it already.

        As one stream: the backbone computes the next photos while this thread answers the last ones.
        """
        taken: dict[int, list[_Ready]] = {}  # batches that are not answered yet

        def batches() -> Iterator[tuple[int, Images]]:
            for number in count():
                if not (batch := self._take()):
                    return
                taken[number] = batch
                yield number, np.stack([one.picture for one in batch])

        def embedded(number: int, vectors: Vectors) -> None:
            settled = [
                partial(_settle, one.future, one.then(row)) for one, row in zip(taken[number], vectors, strict=True)
            ]
            del taken[number]
            _pass_on(loop, settled)

        try:
            self.backbone.embed_stream(batches(), embedded)
        except Exception as error:  # goes to those who wait
            _pass_on(loop, [partial(_fail, one.future, error) for batch in taken.values() for one in batch])

    def _take(self) -> list[_Ready]:
        """The next batch of what is ready, as large as the backbone takes it; empty: nothing is ready."""
        batch: list[_Ready] = []
        with suppress(IndexError):
            while len(batch) < self.backbone.batch:
                one = self._ready.popleft()
                if not one.future.cancelled():
                    batch.append(one)
        return batch


def _is_slow(data: bytes) -> bool:
    """Whether decoding this file may take long, from its header."""
    kind = sniff(data[:32])
    if unusual(kind, data) or kind not in _QUICK:
        return True
    if kind == "webp":
        return webp_pixels(data) > _QUICK[kind]
    try:
        width, height = open_header(kind, io.BytesIO(data)).size
    except Exception:  # damaged: `images.decode` finds out how
        return False
    return width * height > _QUICK[kind]


def _same(vector: Vectors) -> Vectors:
    return vector


def _pass_on(loop: asyncio.AbstractEventLoop, settled: Sequence[Callable[[], None]]) -> None:
    with suppress(RuntimeError):  # the loop has ended: nobody waits
        for settle in settled:
            loop.call_soon_threadsafe(settle)


def _settle(future: asyncio.Future[Any], answer: object) -> None:
    if not future.done():
        future.set_result(answer)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
