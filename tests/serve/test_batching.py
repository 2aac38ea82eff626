"""Photos of many requests: decoded by threads, embedded as they come, bounded, each answered by its own vector."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bombs import png
from fakes import FakeBackbone
from headstart.apps.serve import batching
from headstart.apps.serve.batching import Engine, Limits
from headstart.backbones.base import Tag, Vectors
from headstart.errors import BackboneError, BusyError, PhotoError
from headstart.photos.images import Images
from headstart.photos.pictures import Pixels


def photo(grey: int, size: tuple[int, int] = (16, 16), kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (grey,) * 3).save(file, kind)
    return file.getvalue()


async def all_of(engine: Engine, *photos: Any) -> list[Any]:
    return await asyncio.gather(*map(engine.features, photos), return_exceptions=True)


def test_each_photo_gets_its_own_vector_and_many_share_a_batch() -> None:
    sizes: list[int] = []

    class Watched(FakeBackbone):
        def _vectors(self, images: Images) -> Vectors:
            sizes.append(len(images))
            return super()._vectors(images)

    engine = Engine(Watched(delay=0.002))
    found = asyncio.run(all_of(engine, *(photo(grey) for grey in range(200))))
    assert [vector[0] for vector in found] == list(range(200))
    assert max(sizes) == 4
    assert engine.waiting == 0
    engine.close()


def test_an_engine_that_ends_answers_what_it_has_accepted_first() -> None:
    async def ended() -> tuple[list[Any], Engine]:
        engine = Engine(FakeBackbone(delay=0.01))
        work = [asyncio.ensure_future(engine.features(photo(grey))) for grey in range(20)]
        engine.end()
        return await asyncio.gather(*work), engine

    found, engine = asyncio.run(ended())
    assert [vector[0] for vector in found] == list(range(20))
    (after,) = asyncio.run(all_of(engine, photo(0)))
    assert "after shutdown" in str(after)


def test_a_lone_photo_does_not_wait_for_others() -> None:
    async def lone() -> Vectors:
        async with asyncio.timeout(5):
            return await Engine(FakeBackbone()).features(photo(7))

    assert asyncio.run(lone())[0] == 7


def test_pictures_in_memory_are_taken_too() -> None:
    pixels = Pixels(Image.fromarray(np.full((9, 9, 3), 40, np.uint8)))
    assert asyncio.run(Engine(FakeBackbone()).features(pixels))[0] == 40


def test_more_photos_than_may_wait_are_refused_at_once_and_later_ones_are_taken() -> None:
    async def crowd() -> tuple[list[Any], Vectors]:
        engine = Engine(FakeBackbone(delay=0.01), Limits(waiting=3))
        found = await all_of(engine, *(photo(grey) for grey in range(5)))
        with pytest.raises(BusyError, match="at most 3"):
            await engine.run([photo(1)] * 4, lambda vector: vector)
        return found, await engine.features(photo(9))

    found, later = asyncio.run(crowd())
    assert [isinstance(one, BusyError) for one in found] == [False, False, False, True, True]
    assert later[0] == 9


def test_a_photo_that_cannot_be_used_is_refused_alone() -> None:
    limits = Limits(photo_bytes=100_000, pixels=10**6)
    found = asyncio.run(
        all_of(
            Engine(FakeBackbone(), limits),
            photo(5),
            b"no photo",
            b"",
            photo(1, (99, 99), "JPEG")[:-99],
            bytes(100_001),
            photo(1, (2000, 2000)),
            png(30_000, 8, 2),
            photo(6),
        )
    )
    assert (found[0][0], found[-1][0]) == (5, 6)
    assert [error.reason for error in found[1:-1]] == [
        "not an image", "empty", "truncated", "too large", "too large", "too large"
    ]  # fmt: skip


def test_of_several_photos_the_one_that_cannot_be_used_is_named() -> None:
    with pytest.raises(PhotoError, match="not an image: photo 2 of 3"):
        asyncio.run(Engine(FakeBackbone()).run([photo(1), b"no photo", photo(2)], lambda vector: vector))


def test_photos_that_take_long_do_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    finished = threading.Event()
    decode = batching.images.decode

    def slow(data: Any, *arguments: Any, **named: Any) -> Images:
        if data == large:
            assert finished.wait(10), "the others waited for the slow photos"
        return decode(data, *arguments, **named)

    large = png(2001, 8, 0)
    monkeypatch.setattr(batching.images, "decode", slow)

    async def both() -> list[Any]:
        engine = Engine(FakeBackbone())
        slow_ones = asyncio.ensure_future(all_of(engine, *[large] * 8))
        await asyncio.sleep(0)
        quick = await all_of(engine, *(photo(grey) for grey in range(20)))
        finished.set()
        return quick + await slow_ones

    assert [vector[0] for vector in asyncio.run(both())] == [*range(20), *[0] * 8]


def test_a_request_that_takes_too_long_is_given_up_and_its_places_are_free() -> None:
    async def late() -> int:
        engine = Engine(FakeBackbone(delay=0.2), Limits(seconds=0.05))
        with pytest.raises(TimeoutError):
            await engine.features(photo(1))
        return engine.waiting

    assert asyncio.run(late()) == 0


def test_an_error_of_the_model_goes_to_those_who_wait() -> None:
    class Broken(FakeBackbone):
        def _vectors(self, images: Images) -> Vectors:
            raise BackboneError("broken")

    found = asyncio.run(all_of(Engine(Broken()), photo(1), photo(2)))
    assert [str(error) for error in found] == ["broken", "broken"]


def test_batches_that_are_computed_at_once_are_answered_in_any_order_or_fail_together() -> None:
    class Streams(FakeBackbone):
        def embed_stream(self, batches: Iterable[tuple[Tag, Images]], done: Callable[[Tag, Vectors], None]) -> None:
            whole = [(tag, self._vectors(images)) for tag, images in batches]
            for tag, vectors in reversed(whole):
                if any(vectors[:, 0] == 13):
                    raise BackboneError("broken")
                done(tag, vectors)

    found = asyncio.run(all_of(Engine(Streams(delay=0.002)), *(photo(grey) for grey in range(40))))
    failed = [grey for grey, one in enumerate(found) if isinstance(one, BackboneError)]
    assert 13 in failed
    assert [one[0] for one in found if not isinstance(one, BackboneError)] == [
        grey for grey in range(40) if grey not in failed
    ]
    assert len(failed) < 40
