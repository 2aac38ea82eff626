"""Backbones from model files on this disk: what the file, its publisher, a probe and the user say becomes one card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from headstart.backbones.card import Card
from headstart.backbones.fetch.contents import is_complete
from headstart.backbones.graph import anatomy, convert, files, reading, sandbox
from headstart.backbones.graph.cut import cut
from headstart.backbones.graph.inputs import Input
from headstart.backbones.graph.metadata import hints_of
from headstart.backbones.graph.sandbox import GraphFacts
from headstart.backbones.hints import Hints, Layers, Options
from headstart.backbones.labels import labels_for
from headstart.backbones.ranges import known
from headstart.backbones.ranges.feeds import RANGES, Feed
from headstart.backbones.runtimes.openvino.compiled import Graphs, Output, engine
from headstart.backbones.runtimes.openvino.network import NetworkBackbone
from headstart.errors import BackboneError
from headstart.photos.images import READER_REVISION, View

#: Fraction of the shorter side that most models' own evaluations keep (224 of 256), where nothing else is known.
CROP = 0.875
_RAW = RANGES["0..255"]
Precision = Literal["float32", "bfloat16"]  # resolved


@dataclass(frozen=True)
class LocalModel:
    """A model on this disk.

    Attributes:
        handle: the name that the user gave.
        path: file or folder.
        hints: what its publisher says.
        top: topmost folder whose files may describe it; None: its own, and the one above a folder `onnx`.
    """

    handle: str
    path: Path
    hints: Hints = field(default_factory=Hints)
    top: Path | None = None


def open_network(model: LocalModel, options: Options, precision: Precision, folder: Path | None) -> NetworkBackbone:
    """Read a model, find its parts, and make its card; compiled graphs are kept in `folder`.

    Raises:
        BackboneError: it cannot be read, or is not a model for pictures.
    """
    weights = files.weights_hash(model.path)
    hints = _hints(model)
    facts = _facts(model, hints, options, weights, precision, folder)
    card = _card(model, hints, options, weights, precision, facts)
    backbone = NetworkBackbone(card, _builder(model, hints, card), labels_for(facts.classes, hints), folder)
    backbone.parameters = facts.parameters
    backbone.file_bytes = files.size(model.path)
    return backbone


def reopen(model: LocalModel, card: Card, folder: Path | None) -> NetworkBackbone:
    """The backbone of a saved card; its graph is not read before it is needed.

    Raises:
        BackboneError: the file is not the one that the card was made for.
    """
    weights = files.weights_hash(model.path)
    if weights != card.weights or (card.revision, card.reader) != (anatomy.REVISION, READER_REVISION):
        what = "it has other weights" if weights != card.weights else "this version reads graphs or photos differently"
        raise BackboneError(
            f"{model.handle} is not the backbone that this classifier was trained on: {what}.\nExpected SHA-256 "
            f"{card.weights}; received {weights}. Train the classifier again, or restore that model."
        )
    hints = _hints(model)
    labels = labels_for(card.classes, hints)
    # The files that stated its size and names may be missing after a move: the card has what matters of them.
    hints = replace(hints, size=(card.view.height, card.view.width), labels=labels or ("",) * card.classes)
    return NetworkBackbone(replace(card, classes=len(labels)), _builder(model, hints, card), labels, folder)


def _hints(model: LocalModel) -> Hints:
    """The hints in the model's own files, which override what its publisher says of all its models."""
    return hints_of(model.path, files.format_of(model.path), model.top).completed_by(model.hints)


def _card(
    model: LocalModel, hints: Hints, options: Options, weights: str, precision: Precision, facts: GraphFacts
) -> Card:
    feed = _feed(model, options, hints, weights, facts.input)
    return Card(
        handle=model.handle,
        weights=weights,
        revision=anatomy.REVISION,
        view=View(facts.input.height, facts.input.width),
        channels=feed.channels,
        mean=feed.mean,
        scale=feed.scale,
        output=facts.how,
        dim=facts.dim,
        precision=precision,
        classes=len(labels_for(facts.classes, hints)),
        crop=hints.crop if hints.crop is not None else CROP,
        licence=hints.licence,
        range_from=feed.origin,
        layers=options.layers,
    )


def _feed(model: LocalModel, options: Options, hints: Hints, weights: str, image: Input) -> Feed:
    """How pixels enter: by the input's type, the user, a probe, the publisher, or what is usual, in this order."""
    if image.type in ("uint8", "int8"):
        if options.feed is not None and options.feed.name.split(",")[0] != "0..255":
            raise BackboneError(
                f"{model.handle} is quantised: it takes pixels 0..255 as they are.\nExpected --input-range 0..255 or "
                f"0..255,BGR; received {options.input_range}."
            )
        # An int8 input is the uint8 one minus 128 (TensorFlow Lite's quantisation specification).
        mean = _RAW[0] if image.type == "uint8" else (128.0, 128.0, 128.0)
        order = (options.feed or known.recall(weights) or Feed(*_RAW)).channels
        return Feed(mean, _RAW[1], order, "network")
    # Keras' and TensorFlow Lite's models usually take -1..1 (`mode="tf"`); those from PyTorch, which have their
    # channels first, ImageNet's mean and deviation.
    usual = Feed(*RANGES["imagenet" if image.layout == "NCHW" else "-1..1"], origin="assumed")
    return options.feed or known.recall(weights) or hints.feed or usual


# --- the graph ---


def _facts(
    model: LocalModel, hints: Hints, options: Options, weights: str, precision: Precision, folder: Path | None
) -> GraphFacts:
    """The facts of a graph as found earlier; else a child process finds them and keeps compiled graphs in `folder`."""
    kind = files.format_of(model.path)
    readable = _readable(model, weights)
    key = [weights, kind, anatomy.REVISION, engine().__version__, precision, options.layers]
    key += [hints.size, hints.kind, len(hints.labels)]
    if (facts := sandbox.recall(key)) is not None:
        return facts

    def ask(path: Path) -> GraphFacts:
        question = {
            "handle": model.handle,
            "original": str(model.path),
            "path": str(path),
            "weights": weights,
            "hints": asdict(hints),
            "options": asdict(options),
            "precision": precision,
            "folder": folder and str(folder),
        }
        reply = sandbox.ask("headstart.backbones.local:trial_run", question, model.handle, files.size(path))
        return GraphFacts.from_json(reply)

    try:
        facts = ask(readable)
    except BackboneError as error:
        if kind == "savedmodel" and not is_complete(model.path):
            raise BackboneError(
                f"{model.handle} is incomplete: files of its variables are missing.\nExpected saved_model.pb and all "
                "of variables/. Save or download it again."
            ) from error
        if kind != "savedmodel" or not isinstance(error, reading.UnreadableError):
            raise
        facts = ask(_readable(model, weights, str(error).splitlines()[0][-200:]))
    sandbox.keep(key, facts)
    return facts


def trial_run(data: bytes) -> bytes:
    """In the child process of `_facts`: do once with a model everything that will be done with it later."""

    def work(asked: dict[str, Any]) -> dict[str, Any]:
        model, path = LocalModel(asked["handle"], Path(asked["original"])), Path(asked["path"])
        hints, options, weights = Hints.from_json(asked["hints"]), Options(**asked["options"]), asked["weights"]
        graph, facts = _graph(model, path, hints, weights, options.layers)
        card = _card(model, hints, options, weights, asked["precision"], facts)
        # Compiling changes a graph, so each output gets a copy. Copies share the weights and take 10 ms; reading the
        # file again for the second output took 0.7 of 3 s for a quantised classifier of 4 MB.
        graphs = Graphs(card, graph.clone, asked["folder"] and Path(asked["folder"]))
        for output in get_args(Output)[: 2 if card.classes else 1]:
            ready = graphs.get(output)
            # Noise and not a blank picture, because some models divide by the picture's deviation.
            shape = (ready.batch, card.view.height, card.view.width, 3)
            ready.network(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
        return asdict(facts)

    return sandbox.answer(data, work)


def _readable(model: LocalModel, weights: str, refused: str = "") -> Path:
    """What OpenVINO can read: the model itself, or TensorFlow's conversion of it; `refused`: why not itself."""
    kind = files.format_of(model.path)
    if kind not in files.FOREIGN and not refused:
        return model.path
    why = "a Keras file" if kind == "keras" else "a module of TensorFlow Hub's first format"
    if refused:
        why = f"a SavedModel that OpenVINO cannot read ({refused})"
    return convert.converted(model.path, weights, model.handle, why)


def _graph(model: LocalModel, path: Path, hints: Hints, weights: str, layers: Layers) -> tuple[Any, GraphFacts]:
    """The graph cut at its feature, and what was found in it."""
    if files.weights_hash(model.path) != weights:
        raise BackboneError(f"{model.handle} was changed while it was in use.\nExpected the same file. Start again.")
    graph = reading.read(path, model.handle)
    parts = anatomy.dissect(graph, hints, model.handle)
    # Independent scores are not those of classes of which a picture has one.
    classes = 0 if parts.scores is None or parts.scores.scale == "independent" else parts.scores.classes
    parameters = anatomy.parameters(graph)
    result = cut(graph, parts, layers)
    dim = result.outputs[0].get_partial_shape()[1].get_length()
    return result, GraphFacts(parts.input, parts.feature.how, dim, classes, parameters, path != model.path)


def _builder(model: LocalModel, hints: Hints, card: Card) -> Callable[[], Any]:
    def build() -> Any:
        facts = _facts(model, hints, Options(layers=card.layers), card.weights, card.precision, None)
        path = _readable(model, card.weights, "as was found earlier" if facts.converted else "")
        graph, facts = _graph(model, path, hints, card.weights, card.layers)
        if (facts.how, facts.dim) != (card.output, card.dim):
            raise BackboneError(
                f"{model.handle} gives another feature than its card says.\nExpected {card.output}, {card.dim} "
                f"numbers; received {facts.how}, {facts.dim} numbers. Restore the files that were beside it, such as "
                "config.json, or train again."
            )
        return graph

    return build
