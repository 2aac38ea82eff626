"""Backbones from model files on this disk: one card from the file, its publisher, a probe and the user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from headstart.backbones.card import Card, Precision
from headstart.backbones.fetch.contents import is_complete
from headstart.backbones.graph import anatomy, convert, files, reading, sandbox
from headstart.backbones.graph.cut import cut
from headstart.backbones.graph.inputs import Input
from headstart.backbones.graph.metadata import hints_of
from headstart.backbones.graph.sandbox import GraphFacts
from headstart.backbones.hints import Hints, Options
from headstart.backbones.labels import labels_for
from headstart.backbones.ranges import known
from headstart.backbones.ranges.feeds import RANGES, Feed
from headstart.backbones.runtimes.openvino.backbone import OpenVINOBackbone
from headstart.backbones.runtimes.openvino.compiled import Graphs, Output, engine
from headstart.errors import BackboneError
from headstart.photos.images import READER_REVISION, View

#: Fraction of the shorter side that most models' own evaluations keep (224 of 256), where nothing else is known.
CROP = 0.875
_RAW = RANGES["0..255"]


@dataclass(frozen=True)
class LocalModel:
    """A model on this disk.

    Attributes:
        handle: the name that the user gave.
        path: file or folder.
        hints: what its publisher states.
        top: topmost folder whose files may describe it; None: its own, and the one above a folder `onnx`.
    """

    handle: str
    path: Path
    hints: Hints = field(default_factory=Hints)
    top: Path | None = None


def open_model(model: LocalModel, options: Options, precision: Precision, folder: Path | None) -> OpenVINOBackbone:
    """Read a model, find its parts, and make its card; compiled graphs are kept in `folder`.

    Raises:
        BackboneError: it cannot be read, or is not a model for pictures.
    """
    opening = _Opening(model, files.weights_hash(model.path), _hints(model), options, precision, folder)
    facts = opening.facts()
    card = opening.card(facts)
    backbone = OpenVINOBackbone(card, opening.builder(card), opening.labels(facts), folder)
    backbone.parameters = facts.parameters
    backbone.file_bytes = files.size(model.path)
    return backbone


def reopen(model: LocalModel, card: Card, folder: Path | None) -> OpenVINOBackbone:
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
    opening = _Opening(model, weights, hints, Options(layers=card.layers), card.precision, folder)
    return OpenVINOBackbone(replace(card, classes=len(labels)), opening.builder(card), labels, folder)


def _hints(model: LocalModel) -> Hints:
    """The hints in the model's own files, which override what its publisher states for all its models."""
    return hints_of(model.path, files.format_of(model.path), model.top).completed_by(model.hints)


@dataclass(frozen=True)
class _Opening:
    """A model that is being opened: where it is, its hash, what is known of it, and how it is to be run."""

    model: LocalModel
    weights: str
    hints: Hints
    options: Options
    precision: Precision
    folder: Path | None

    def labels(self, facts: GraphFacts) -> tuple[str, ...]:
        return labels_for(facts.classes, self.hints)

    def card(self, facts: GraphFacts) -> Card:
        feed = self.feed(facts.input)
        return Card(
            handle=self.model.handle,
            weights=self.weights,
            revision=anatomy.REVISION,
            view=View(facts.input.height, facts.input.width),
            channels=feed.channels,
            mean=feed.mean,
            scale=feed.scale,
            output=facts.how,
            dim=facts.dim,
            precision=self.precision,
            classes=len(self.labels(facts)),
            crop=self.hints.crop if self.hints.crop is not None else CROP,
            licence=self.hints.licence,
            range_from=feed.origin,
            layers=self.options.layers,
        )

    def feed(self, image: Input) -> Feed:
        """How pixels enter: by the input's type, the user, a probe, the publisher, or what is usual, in this order."""
        given = self.options.feed
        if image.type in ("uint8", "int8"):
            if given is not None and given.name.split(",")[0] != "0..255":
                raise BackboneError(
                    f"{self.model.handle} is quantised: it takes pixels 0..255 as they are.\nExpected --input-range "
                    f"0..255 or 0..255,BGR; received {self.options.input_range}."
                )
            # An int8 input is the uint8 one minus 128 (TensorFlow Lite's quantisation specification).
            mean = _RAW[0] if image.type == "uint8" else (128.0, 128.0, 128.0)
            order = (given or known.recall(self.weights) or Feed(*_RAW)).channels
            return Feed(mean, _RAW[1], order, "network")
        # Keras' and TensorFlow Lite's models usually take -1..1 (`mode="tf"`); those from PyTorch, which have their
        # channels first, ImageNet's mean and deviation.
        usual = Feed(*RANGES["imagenet" if image.layout == "NCHW" else "-1..1"], origin="assumed")
        return given or known.recall(self.weights) or self.hints.feed or usual

    def facts(self) -> GraphFacts:
        """The facts of a graph as found earlier; else a child process finds them and keeps compiled graphs."""
        kind = files.format_of(self.model.path)
        readable = self.readable()
        key = [self.weights, kind, anatomy.REVISION, engine().__version__, self.precision, self.options.layers]
        key += [self.hints.size, self.hints.kind, len(self.hints.labels)]
        if (facts := sandbox.recall(key)) is not None:
            return facts
        try:
            facts = self.tested(readable)
        except BackboneError as error:
            if kind == "savedmodel" and not is_complete(self.model.path):
                raise BackboneError(
                    f"{self.model.handle} is incomplete: files of its variables are missing.\nExpected saved_model.pb "
                    "and all of variables/. Save or download it again."
                ) from error
            if kind != "savedmodel" or not isinstance(error, reading.UnreadableError):
                raise
            facts = self.tested(self.readable(str(error).splitlines()[0][-200:]))
        sandbox.keep(key, facts)
        return facts

    def tested(self, path: Path) -> GraphFacts:
        """What `trial_run` finds in a child process."""
        question = {
            "handle": self.model.handle,
            "original": str(self.model.path),
            "path": str(path),
            "weights": self.weights,
            "hints": asdict(self.hints),
            "options": asdict(self.options),
            "precision": self.precision,
            "folder": self.folder and str(self.folder),
        }
        reply = sandbox.ask("headstart.backbones.local:trial_run", question, self.model.handle, files.size(path))
        return GraphFacts.from_json(reply)

    def readable(self, refused: str = "") -> Path:
        """What OpenVINO can read: the model itself, or TensorFlow's conversion of it; `refused`: why not itself."""
        kind = files.format_of(self.model.path)
        if kind not in files.FOREIGN and not refused:
            return self.model.path
        why = "a Keras file" if kind == "keras" else "a module of TensorFlow Hub's first format"
        if refused:
            why = f"a SavedModel that OpenVINO cannot read ({refused})"
        return convert.converted(self.model.path, self.weights, self.model.handle, why)

    def graph(self, path: Path) -> tuple[Any, GraphFacts]:
        """The graph cut at its feature, and what was found in it."""
        model = self.model
        if files.weights_hash(model.path) != self.weights:
            raise BackboneError(
                f"{model.handle} was changed while it was in use.\nExpected the same file. Start again."
            )
        graph = reading.read(path, model.handle)
        parts = anatomy.dissect(graph, self.hints, model.handle)
        # Independent scores are not those of classes of which a picture has one.
        classes = 0 if parts.scores is None or parts.scores.scale == "independent" else parts.scores.classes
        parameters = anatomy.parameters(graph)
        result = cut(graph, parts, self.options.layers)
        dim = result.outputs[0].get_partial_shape()[1].get_length()
        return result, GraphFacts(parts.input, parts.feature.how, dim, classes, parameters, path != model.path)

    def builder(self, card: Card) -> Callable[[], Any]:
        def build() -> Any:
            converted = replace(self, folder=None).facts().converted
            graph, facts = self.graph(self.readable("as was found earlier" if converted else ""))
            if (facts.how, facts.dim) != (card.output, card.dim):
                raise BackboneError(
                    f"{self.model.handle} gives another feature than its card states.\nExpected {card.output}, "
                    f"{card.dim} numbers; received {facts.how}, {facts.dim} numbers. Restore the files that were "
                    "beside it, such as config.json, or train again."
                )
            return graph

        return build


def trial_run(data: bytes) -> bytes:
    """In the child process: do once with a model everything that will be done with it later."""

    def work(asked: dict[str, Any]) -> dict[str, Any]:
        opening = _Opening(
            LocalModel(asked["handle"], Path(asked["original"])),
            asked["weights"],
            Hints.from_json(asked["hints"]),
            Options(**asked["options"]),
            asked["precision"],
            asked["folder"] and Path(asked["folder"]),
        )
        graph, facts = opening.graph(Path(asked["path"]))
        card = opening.card(facts)
        # Compiling changes a graph, so each output gets a copy. Copies share the weights and take 10 ms; reading the
        # file again for the second output took 0.7 of 3 s for a quantised classifier of 4 MB.
        graphs = Graphs(card, graph.clone, opening.folder)
        for output in get_args(Output)[: 2 if card.classes else 1]:
            ready = graphs.get(output)
            # Noise and not a blank picture, because some models divide by the picture's deviation.
            shape = (ready.batch, card.view.height, card.view.width, 3)
            ready.model(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
        return asdict(facts)

    return sandbox.answer(data, work)
