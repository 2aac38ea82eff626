"""A graph in OpenVINO as a Backbone: preprocessing folded in, compiled once and kept, embedded asynchronously."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from headstart.backbones.base import Backbone, Tag, Vectors
from headstart.backbones.card import Card, Precision
from headstart.errors import BackboneError
from headstart.images import Images, View

Output = Literal["features", "scores"]
#: Pictures in one request. Measured: batches of 1 to 8 are equally fast with AVX2; with AMX 4 to 8 are best.
_BATCH = 4


@lru_cache(maxsize=1)
def _engine() -> Any:
    """OpenVINO's core, imported (0.5 s) when the first network is loaded."""
    import openvino as ov

    return ov.Core()


def resolve_precision(precision: Precision) -> Literal["float32", "bfloat16"]:
    """`auto` is bfloat16 where the processor computes in it, else float32.

    Raises:
        BackboneError: bfloat16 was asked for and the processor lacks it, or the name is unknown.
    """
    if precision == "float32":
        return "float32"
    if precision not in ("auto", "bfloat16"):
        raise BackboneError(f"There is no precision '{precision}'.\nExpected auto, float32 or bfloat16.")
    if has_bfloat16():
        return "bfloat16"
    if precision == "bfloat16":
        raise BackboneError("This processor does not compute in bfloat16.\nExpected float32 or auto.")
    return "float32"


def has_bfloat16() -> bool:
    """Does this processor compute in bfloat16?"""
    return "BF16" in _engine().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@dataclass(frozen=True)
class _Compiled:
    network: Any
    batch: int
    requests: int


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
        self._build = build
        self._folder = folder
        self._ready: dict[Output, _Compiled] = {}
        self._lock = threading.Lock()

    @property
    def batch(self) -> int:
        """See `Backbone.batch`; 1 where the engine's rows depend on their place in a larger batch."""
        return self._compiled("features").batch

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

        step = self._compiled(output).batch
        self._stream(output, ((i, images[i : i + step]) for i in range(0, len(images), step)), keep)
        return result

    def _stream(
        self, output: Output, batches: Iterable[tuple[Tag, Images]], done: Callable[[Tag, Vectors], None]
    ) -> None:
        import openvino as ov

        compiled = self._compiled(output)
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
            for tag, images in batches:
                self.check(images)
                if failures:
                    break
                padded = images
                if len(images) != compiled.batch:
                    padded = np.zeros((compiled.batch, *images.shape[1:]), np.uint8)
                    padded[: len(images)] = images
                queue.start_async({0: padded}, (tag, len(images)))
        except RuntimeError as error:
            raise BackboneError(f"{self.card.handle} failed in OpenVINO: {error}") from error
        finally:
            queue.wait_all()
        if failures:
            raise failures[0]

    def _compiled(self, output: Output) -> _Compiled:
        with self._lock:
            if output not in self._ready:
                self._ready[output] = self._load(output) or self._compile(output)
            return self._ready[output]

    # --- compiled graphs on disk: one line of JSON, then the engine's own format ---

    def _path(self, output: Output) -> Path | None:
        view = View(self.card.view.height, self.card.view.width)
        return self._folder and self._folder / f"{replace(self.card, view=view).key}-{output}.compiled"

    def _identity(self) -> dict[str, str]:
        import openvino as ov

        return {"openvino": ov.__version__, "processor": _engine().get_property("CPU", "FULL_DEVICE_NAME")}

    def _settings(self) -> dict[str, str]:
        precision = "bf16" if self.card.precision == "bfloat16" else "f32"
        return {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": precision}

    def _load(self, output: Output) -> _Compiled | None:
        path = self._path(output)
        try:
            if path is None:
                return None
            header, data = path.read_bytes().split(b"\n", 1)
            facts = json.loads(header)
            if facts.pop("sha256") != hashlib.sha256(data).hexdigest():
                return None
            batch = facts.pop("batch")
            if facts != self._identity():
                return None
            network = _engine().import_model(data, "CPU", self._settings())
        except (OSError, ValueError, KeyError, RuntimeError):
            return None  # it is only a copy of what can be compiled again
        return _Compiled(network, batch, _requests(network))

    def _compile(self, output: Output) -> _Compiled:
        import openvino as ov
        from openvino import opset13 as op

        try:
            graph = self._build()
            chosen = next(port for port in graph.outputs if output in port.names or port.node.friendly_name == output)
            graph = ov.Model([op.result(chosen.node.input_value(0))], graph.get_parameters(), output)
            graph = _with_preprocessing(graph, self.card)
            for batch in (_BATCH, 1):
                shape = [batch, self.card.view.height, self.card.view.width, 3]
                graph.reshape({graph.inputs[0]: shape})
                network = _engine().compile_model(graph, "CPU", self._settings())
                if batch == 1 or _rows_are_independent(network, shape):
                    break
        except RuntimeError as error:
            raise BackboneError(f"{self.card.handle} cannot be compiled by OpenVINO: {error}") from error
        self._keep(output, network, batch)
        return _Compiled(network, batch, _requests(network))

    def _keep(self, output: Output, network: Any, batch: int) -> None:
        path = self._path(output)
        if path is None:
            return
        blob = network.export_model()
        data = blob if isinstance(blob, bytes) else blob.getvalue()
        facts = {**self._identity(), "batch": batch, "sha256": hashlib.sha256(data).hexdigest()}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                file.write(json.dumps(facts).encode() + b"\n" + data)
            os.replace(file.name, path)
        except OSError:
            pass  # without the copy the next start takes half a second longer; the store reports a bad disk


def _requests(network: Any) -> int:
    return int(network.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))


def _with_preprocessing(graph: Any, card: Card) -> Any:
    """Let the graph take uint8 (n, height, width, 3) RGB: conversion, colour order and scaling happen inside."""
    import openvino as ov
    from openvino.preprocess import ColorFormat, PrePostProcessor

    steps = PrePostProcessor(graph)
    tensor = steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    inside = steps.input().preprocess()
    if card.channels == "BGR":
        tensor.set_color_format(ColorFormat.RGB)
        inside.convert_color(ColorFormat.BGR)
    inside.convert_element_type(ov.Type.f32).mean(list(card.mean)).scale(list(card.scale))
    return steps.build()


def _rows_are_independent(network: Any, shape: list[int]) -> bool:
    """Does a picture give the same bits in every place of the batch? Some kernels treat the last rows apart."""
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    rows = np.array(network(pictures)[0])
    turned = [np.array(network(np.roll(pictures, i, axis=0))[0]) for i in range(1, shape[0])]
    return all(np.array_equal(np.roll(rows, i, axis=0), other) for i, other in enumerate(turned, start=1))
