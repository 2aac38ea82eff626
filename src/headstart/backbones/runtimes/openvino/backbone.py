"""An OpenVINO graph as a `Backbone`: several batches run at once, and each row depends on one picture alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np

from headstart.backbones.base import Backbone, Maps, Tag, Vectors
from headstart.backbones.card import Card
from headstart.backbones.runtimes.openvino import shutdown
from headstart.backbones.runtimes.openvino.compiled import Compiled, Graphs, NoMapError, Output
from headstart.errors import BackboneError, reason
from headstart.photos.images import Images

#: Milliseconds after which a wait for the engine checks whether Ctrl-C was pressed.
_POLL = 50


class OpenVINOBackbone(Backbone):
    """A graph with a card. It is compiled at the first picture, not if all vectors are found in the store.

    Args:
        card: how to feed the graph, and what it returns.
        build: creates the graph, an `openvino.Model` with one input, float32 `(n, 3, height, width)` already
            normalised, and the outputs `features` and, if the card has classes, `scores`.
        labels: names of the model's classes.
        folder: where compiled graphs are kept (None: nowhere). A missing, damaged or wrong one is replaced.
    """

    def __init__(
        self, card: Card, build: Callable[[], Any], labels: tuple[str, ...] = (), folder: Path | None = None
    ) -> None:
        if len(labels) != card.classes:
            raise BackboneError(
                f"{card.handle} has {card.classes} classes but {len(labels)} class names.\nExpected one for each."
            )
        self.card = card
        self.labels = labels
        self._graphs = Graphs(card, build, folder)  # shared by copies with another view

    @property
    def batch(self) -> int:
        """See `Backbone.batch`; 1 if the engine's rows depend on their place in a larger batch."""
        return self._graph("features").batch

    def release(self) -> None:
        """See `Backbone.release`; the compiled graph is loaded again at the next use."""
        self._graphs.close()

    def with_card(self, card: Card) -> Self:
        """See `Backbone.with_card`; only the way photos are fitted to the input size may differ."""
        if replace(card, view=self.card.view).key != self.card.key or _size(card) != _size(self.card):
            raise BackboneError(f"{self.card.handle} cannot run with the card of another model.")
        return super().with_card(card)

    def graph(self, output: Output) -> Any:
        """A new `openvino.Model` of what it computes, to build on.

        Returns:
            a graph with one input, uint8 `(1, height, width, 3)` unless the file fixes another batch size, RGB,
            0..255, and one output, that of `embed` or `classify`.

        Raises:
            BackboneError: the file has changed or cannot be read any more.
        """
        with shutdown.inside():
            return self._graphs.prepared(output)

    def embed(self, images: Images) -> Vectors:
        """See `Backbone.embed`."""
        return self._run("features", images)

    def classify(self, images: Images) -> Vectors:
        """See `Backbone.classify`."""
        if not self.labels:
            return super().classify(images)
        return self._run("scores", images)

    def maps(self, images: Images) -> Maps | None:
        """See `Backbone.maps`."""
        try:
            return self._run("map", images)
        except NoMapError:
            return None

    def embed_stream(self, batches: Iterable[tuple[Tag, Images]], done: Callable[[Tag, Vectors], None]) -> None:
        """See `Backbone.embed_stream`; as many batches run at once as the processor has streams."""
        self._stream("features", batches, done)

    def _run(self, output: Output, images: Images) -> Vectors:
        self.check(images)
        compiled = self._graph(output)
        result = np.empty((len(images), *compiled.model.output(0).shape[1:]), np.float32)

        def keep(start: int, rows: Vectors) -> None:
            result[start : start + len(rows)] = rows

        step = compiled.batch
        self._stream(output, ((i, images[i : i + step]) for i in range(0, len(images), step)), keep)
        return result

    def _graph(self, output: Output) -> Compiled:
        with shutdown.inside():
            return self._graphs.get(output)

    def _stream(
        self, output: Output, batches: Iterable[tuple[Tag, Images]], done: Callable[[Tag, Vectors], None]
    ) -> None:
        batches = iter(batches)
        first = next(batches, None)  # the graph is compiled only if there is a batch
        if first is None:
            return
        with shutdown.inside():
            self._send(self._graphs.get(output), chain([first], batches), done)

    def _send(
        self, compiled: Compiled, batches: Iterable[tuple[Tag, Images]], done: Callable[[Tag, Vectors], None]
    ) -> None:
        busy: deque[tuple[Any, Tag, int]] = deque()  # oldest first

        def collect() -> Any:
            """Wait for the oldest request and pass its result on; it can be used again afterwards."""
            shutdown.check()
            request, tag, count = busy[0]
            with _translated(self.card.handle):
                while not request.wait_for(_POLL):
                    pass
                rows = np.array(request.get_output_tensor(0).data[:count], dtype=np.float32)
            busy.popleft()
            if not np.isfinite(rows).all():
                raise BackboneError(f"{self.card.handle} returned numbers that are not finite.")
            done(tag, rows)
            return request

        # No AsyncInferQueue: its callback runs in the engine's threads. A thread that drops it after `wait_all` waits
        # for the GIL, while the thread with the GIL frees the graph and joins the first one: a deadlock.
        try:
            for tag, images in batches:
                self.check(images)
                if len(images) > compiled.batch:
                    raise BackboneError(f"A batch has {len(images)} pictures.\nExpected at most {compiled.batch}.")
                padded = images
                if len(images) != compiled.batch:
                    padded = np.zeros((compiled.batch, *images.shape[1:]), np.uint8)
                    padded[: len(images)] = images
                # One request more than streams keeps every stream busy while Python fetches the next batch.
                request = collect() if len(busy) > compiled.requests else compiled.model.create_infer_request()
                with _translated(self.card.handle):
                    request.start_async({0: padded})
                busy.append((request, tag, len(images)))
            while busy:
                collect()
        finally:
            for request, *_ in busy:
                request.cancel()
            for request, *_ in busy:
                with suppress(RuntimeError):  # it was cancelled, or failed like the one that is being reported
                    request.wait()


@contextmanager
def _translated(handle: str) -> Iterator[None]:
    """Translate OpenVINO's errors, which are of many types, into ours with the name of the model."""
    try:
        yield
    except Exception as error:
        raise BackboneError(f"{handle} failed in OpenVINO: {reason(error)}") from error


def _size(card: Card) -> tuple[int, int]:
    return card.view.height, card.view.width
