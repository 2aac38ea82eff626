"""A network on this disk -> Backbone: what its file, its publisher, a probe and the user say, put into one card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from headstart.backbones.card import Card
from headstart.backbones.fetch.contents import is_complete
from headstart.backbones.graph import anatomy as graph
from headstart.backbones.graph import convert, files, sandbox
from headstart.backbones.graph.cut import cut
from headstart.backbones.graph.inputs import Input
from headstart.backbones.graph.metadata import hints_of
from headstart.backbones.graph.sandbox import Found
from headstart.backbones.hints import RANGES, Feed, Hints, Layers, Options
from headstart.backbones.labels import labels_for
from headstart.backbones.ranges import known as settled
from headstart.backbones.runtimes.openvino.compiled import Graphs, Output, engine
from headstart.backbones.runtimes.openvino.network import NetworkBackbone
from headstart.errors import BackboneError
from headstart.photos.images import READER_REVISION, View

#: Share of the shorter side that most networks' own evaluations keep (224 of 256), where nothing is told.
CROP = 0.875
_RAW = RANGES["0..255"]
Precision = Literal["float32", "bfloat16"]  # resolved


@dataclass(frozen=True)
class Local:
    """A network on this disk.

    Attributes:
        handle: how the user asked for it.
        path: file or folder.
        hints: what its publisher says.
        top: uppermost folder whose files may tell about it; its own, and the one above a folder `onnx`, if None.
    """

    handle: str
    path: Path
    hints: Hints = field(default_factory=Hints)
    top: Path | None = None


def open_network(source: Local, options: Options, precision: Precision, folder: Path | None) -> NetworkBackbone:
    """Read a network, find its parts, and make its card.

    Args:
        source: where it lies and what is known of it.
        options: what the user says of it.
        precision: resolved.
        folder: where compiled graphs are kept.

    Raises:
        BackboneError: it cannot be read, or is not a network for pictures.
    """
    weights = files.weights_hash(source.path)
    hints = _joined(source, hints_of(source.path, files.format_of(source.path), source.top))
    found = _found(source, hints, options, weights, precision, folder)
    card = _card(source, hints, options, weights, precision, found)
    network = NetworkBackbone(card, _builder(source, hints, card), labels_for(found.classes, hints), folder)
    network.parameters = found.parameters
    network.file_bytes = sum(file.stat().st_size for file in files.parts(source.path))
    return network


def _card(source: Local, hints: Hints, options: Options, weights: str, precision: Precision, found: Found) -> Card:
    feed = _feed(source, options, hints, weights, found.input)
    return Card(
        handle=source.handle,
        weights=weights,
        revision=graph.REVISION,
        view=View(found.input.height, found.input.width),
        channels=feed.channels,
        mean=feed.mean,
        scale=feed.scale,
        output=found.how,
        dim=found.dim,
        precision=precision,
        classes=len(labels_for(found.classes, hints)),
        crop=hints.crop if hints.crop is not None else CROP,
        licence=hints.licence,
        range_from=feed.origin,
        layers=options.layers,
    )


def reopen(source: Local, card: Card, folder: Path | None) -> NetworkBackbone:
    """The network of a saved card, without reading its graph until it is needed.

    Raises:
        BackboneError: the file is not the one that the card was made for.
    """
    weights = files.weights_hash(source.path)
    here = (graph.REVISION, READER_REVISION)
    if weights != card.weights or (card.revision, card.reader) != here:
        what = "other weights" if weights != card.weights else "graph or photos are read otherwise by this version"
        raise BackboneError(
            f"{source.handle} is not the network that this classifier was trained on: {what}.\nExpected SHA-256 "
            f"{card.weights}; received {weights}. Train it anew, or bring back that network."
        )
    hints = _joined(source, hints_of(source.path, files.format_of(source.path), source.top))
    labels = labels_for(card.classes, hints)
    # The file may have been moved without those that told its size and names: the card knows what matters of them.
    known = replace(hints, size=(card.view.height, card.view.width), labels=labels or ("",) * card.classes)
    return NetworkBackbone(replace(card, classes=len(labels)), _builder(source, known, card), labels, folder)


def _joined(source: Local, own: Hints) -> Hints:
    """What the file says itself counts more than what its publisher says of all its files."""
    given = source.hints
    return Hints(
        feed=own.feed or given.feed,
        size=own.size or given.size,
        crop=own.crop if own.crop is not None else given.crop,
        labels=own.labels or given.labels,
        kind=given.kind or own.kind,
        licence=own.licence or given.licence,
    )


# --- the graph ---


def _found(
    source: Local, hints: Hints, options: Options, weights: str, precision: Precision, folder: Path | None
) -> Found:
    """What is in a graph, as it was found before; else a child finds it, and keeps the compiled graph in `folder`."""
    kind = files.format_of(source.path)
    itself = _readable(source, weights)
    key = [weights, kind, graph.REVISION, engine().__version__, precision, options.layers]
    key += [hints.size, hints.kind, len(hints.labels)]
    if (known := sandbox.recall(key)) is not None:
        return known
    question = {
        "handle": source.handle,
        "source": str(source.path),
        "weights": weights,
        "hints": asdict(hints),
        "options": asdict(options),
        "precision": precision,
        "folder": folder and str(folder),
    }

    def ask(path: Path) -> Found:
        size = sum(file.stat().st_size for file in files.parts(path))
        asked = {**question, "path": str(path)}
        return Found.from_json(sandbox.ask("headstart.backbones.local:try_out", asked, source.handle, size))

    try:
        found = ask(itself)
    except BackboneError as error:
        if kind == "savedmodel" and not is_complete(source.path):
            raise BackboneError(
                f"{source.handle} is not whole: files of its variables are missing.\nExpected saved_model.pb and all "
                "of variables/. Save or download it again."
            ) from error
        if kind != "savedmodel" or not isinstance(error, files.UnreadableError):
            raise
        found = ask(_readable(source, weights, str(error).splitlines()[0][-200:]))
    sandbox.keep(key, found)
    return found


def try_out(data: bytes) -> bytes:
    """In the child of `_found`: do once with a network what will be done with it later."""

    def work(asked: dict[str, Any]) -> dict[str, Any]:
        source, path = Local(asked["handle"], Path(asked["source"])), Path(asked["path"])
        hints, options, weights = Hints.from_json(asked["hints"]), Options(**asked["options"]), asked["weights"]
        prepared, found = _graph(source, path, hints, weights, options.layers)
        card = _card(source, hints, options, weights, asked["precision"], found)
        again = _Once(prepared, lambda: _graph(source, path, hints, weights, options.layers)[0])
        graphs = Graphs(card, again, asked["folder"] and Path(asked["folder"]))
        for output in get_args(Output)[: 2 if card.classes else 1]:
            ready = graphs.get(output)
            # Noise and not a blank picture: some networks divide by the picture's deviation.
            shape = (ready.batch, card.view.height, card.view.width, 3)
            ready.network(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
        return asdict(found)

    return sandbox.answer(data, work)


def _readable(source: Local, weights: str, refused: str = "") -> Path:
    """What OpenVINO reads of a network: itself, or what TensorFlow made of it; `refused`: why it cannot be itself."""
    kind = files.format_of(source.path)
    if kind not in files.FOREIGN and not refused:
        return source.path
    why = "a Keras file" if kind == "keras" else "a module of TensorFlow Hub's first format"
    if refused:
        why = f"a SavedModel that OpenVINO cannot read ({refused})"
    return convert.converted(source.path, weights, source.handle, why)


def _graph(source: Local, path: Path, hints: Hints, weights: str, layers: Layers) -> tuple[Any, Found]:
    """The graph cut at its feature, and what was found in it."""
    if files.weights_hash(source.path) != weights:
        raise BackboneError(f"{source.handle} was changed while it was in use.\nExpected the same file. Start again.")
    model = files.read(path, source.handle)
    anatomy = graph.dissect(model, hints, source.handle)
    scores = anatomy.scores
    # Marks that are independent of each other are not classes, of which a picture has one.
    classes = 0 if scores is None or scores.scale == "independent" else scores.classes
    parameters = graph.parameters(model)
    prepared = cut(model, anatomy, layers)
    dim = prepared.outputs[0].get_partial_shape()[1].get_length()
    return prepared, Found(anatomy.input, anatomy.feature.how, dim, classes, parameters, path != source.path)


def _feed(source: Local, options: Options, hints: Hints, weights: str, entry: Input) -> Feed:
    """How pixels enter, by whoever knows best: the input's type, the user, a probe, the publisher, or custom."""
    if entry.type in ("uint8", "int8"):
        if options.feed is not None and options.feed.name.split(",")[0] != "0..255":
            raise BackboneError(
                f"{source.handle} is quantised: it takes pixels 0..255 as they are.\nReceived --input-range "
                f"{options.input_range}. Expected 0..255, or 0..255,BGR."
            )
        # An int8 input is the uint8 one moved by 128 (TensorFlow Lite's quantisation specification).
        mean = _RAW[0] if entry.type == "uint8" else (128.0, 128.0, 128.0)
        order = (options.feed or settled.recall(weights) or Feed(*_RAW)).channels
        return Feed(mean, _RAW[1], order, "network")
    known = options.feed or settled.recall(weights) or hints.feed
    return known or Feed(*RANGES[_usual(entry)], origin="assumed")


def _usual(entry: Input) -> str:
    """The commonest input range of its kind.

    Keras' and TensorFlow Lite's networks take -1..1 (`mode="tf"`); those from PyTorch, which have their channels
    first, ImageNet's mean and deviation.
    """
    return "imagenet" if entry.layout == "NCHW" else "-1..1"


class _Once:
    """Gives the graph that was read already, the first time; reads it again after that, so that none is held."""

    def __init__(self, model: Any, again: Callable[[], Any]) -> None:
        self._model, self._again = model, again

    def __call__(self) -> Any:
        model, self._model = self._model, None
        return self._again() if model is None else model


def _builder(source: Local, hints: Hints, card: Card) -> Callable[[], Any]:
    def build() -> Any:
        options = Options(layers=card.layers)
        found = _found(source, hints, options, card.weights, card.precision, None)
        path = _readable(source, card.weights, "as it was found before" if found.converted else "")
        prepared, found = _graph(source, path, hints, card.weights, card.layers)
        if (found.how, found.dim) != (card.output, card.dim):
            raise BackboneError(
                f"{source.handle} gives another feature than its card says: {found.how}, {found.dim} numbers.\n"
                f"Expected {card.output}, {card.dim} numbers. Bring back what lay beside it, such as config.json, or "
                "train anew."
            )
        return prepared

    return build
