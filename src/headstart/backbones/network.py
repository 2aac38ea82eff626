"""A graph in OpenVINO as a Backbone: many batches in work at once, each row a picture's and no one else's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np

from headstart.backbones.base import Backbone, Tag, Vectors
from headstart.backbones.card import Card
from headstart.backbones.compiled import Graphs, Output, engine
from headstart.errors import BackboneError, reason
from headstart.images import Images


class NetworkBackbone(Backbone):
    """A graph with a card. Compiling waits until the first picture: a run that finds all in the store never does.

    Args:
        card: how to feed the graph and what comes out.
        build: makes the graph, an `openvino.Model` with one input, float32 `(n, 3, height, width)` already
            normalised, and the outputs `features` and, if the card has classes, `scores`.
        labels: names of its own classes.
        folder: where compiled graphs are kept (None: nowhere). A missing, damaged or foreign one is made again.
    """

    def __init__(
        self, card: Card, build: Callable[[], Any], labels: tuple[str, ...] = (), folder: Path | None = None
    ) -> None:
        if len(labels) != card.classes:
            raise BackboneError(
                f"{card.handle} has {card.classes} classes but {len(labels)} names.\nExpected a name for each."
            )
        self.card = card
        self.labels = labels
        self._graphs = Graphs(card, build, folder)  # shared by copies that look at photos in another view

    @property
    def batch(self) -> int:
        """See `Backbone.batch`; 1 where the engine's rows depend on their place in a larger batch."""
        return self._graphs.get("features").batch

    def release(self) -> None:
        """See `Backbone.release`; the compiled graph is loaded again when next used."""
        self._graphs.close()

    def with_card(self, card: Card) -> Self:
        """See `Backbone.with_card`; only the way photos are brought to the input size may differ."""
        if replace(card, view=self.card.view).key != self.card.key or _size(card) != _size(self.card):
            raise BackboneError(f"{self.card.handle} cannot run under a card of another network.")
        return super().with_card(card)

    def embed(self, images: Images) -> Vectors:
        """See `Backbone.embed`."""
        return self._run("features", images, self.card.dim)

    def classify(self, images: Images) -> Vectors:
        """See `Backbone.classify`."""
        if not self.labels:
            return super().classify(images)
        return self._run("scores", images, self.card.classes)

    def embed_stream(self, batches: Iterable[tuple[Tag, Images]], done: Callable[[Tag, Vectors], None]) -> None:
        """See `Backbone.embed_stream`: as many batches are in work as the processor has streams."""
        self._stream("features", batches, done)

    def _run(self, output: Output, images: Images, width: int) -> Vectors:
        self.check(images)
        result = np.empty((len(images), width), np.float32)

        def keep(start: int, rows: Vectors) -> None:
            result[start : start + len(rows)] = rows

        step = self._graphs.get(output).batch
        self._stream(output, ((i, images[i : i + step]) for i in range(0, len(images), step)), keep)
        return result

    def _stream(
        self, output: Output, batches: Iterable[tuple[Tag, Images]], done: Callable[[Tag, Vectors], None]
    ) -> None:
        ov = engine()
        batches = iter(batches)
        first = next(batches, None)  # not before there is something to do is the graph compiled
        if first is None:
            return
        compiled = self._graphs.get(output)
        failures: list[Exception] = []

        def collect(request: Any, job: tuple[Tag, int]) -> None:
            tag, count = job
            try:
                rows = np.array(request.get_output_tensor(0).data[:count], dtype=np.float32)
                if not np.isfinite(rows).all():
                    raise BackboneError(f"{self.card.handle} gave numbers that are not finite.")
                done(tag, rows)
            except Exception as error:  # the engine's thread would swallow it
                failures.append(error)

        # One request more than streams keeps every stream busy while Python fetches the next batch.
        queue = ov.AsyncInferQueue(compiled.network, compiled.requests + 1)
        queue.set_callback(collect)
        try:
            for tag, images in chain([first], batches):
                self.check(images)
                if len(images) > compiled.batch:
                    raise BackboneError(f"A batch has {len(images)} pictures.\nExpected at most {compiled.batch}.")
                if failures:
                    break
                padded = images
                if len(images) != compiled.batch:
                    padded = np.zeros((compiled.batch, *images.shape[1:]), np.uint8)
                    padded[: len(images)] = images
                with _translated(self.card.handle):
                    queue.start_async({0: padded}, (tag, len(images)))
        finally:
            with _translated(self.card.handle):
                queue.wait_all()
        if failures:
            raise failures[0]


@contextmanager
def _translated(handle: str) -> Iterator[None]:
    """OpenVINO's errors are of many kinds; ours tell which network it was."""
    try:
        yield
    except Exception as error:
        raise BackboneError(f"{handle} failed in OpenVINO: {reason(error)}") from error


def _size(card: Card) -> tuple[int, int]:
    return card.view.height, card.view.width
