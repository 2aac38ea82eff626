"""A classifier as one graph of the engine: from uint8 pictures to probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart.backbones.base import Backbone
from headstart.backbones.joined import SUM
from headstart.backbones.runtimes.openvino.backbone import OpenVINOBackbone
from headstart.backbones.runtimes.openvino.compiled import engine
from headstart.classifier.classifier import Classifier
from headstart.errors import ExportError
from headstart.heads.head import Head, LinearHead, NeighbourHead
from headstart.photos.images import View

#: Names of the input and the output in every format that has names.
INPUT, OUTPUT = "image", "probabilities"


def features(classifier: Classifier) -> Any:
    """The backbone as an `openvino.Model`; of a joined one, with all its parts.

    Returns:
        a graph with one input, uint8 `(1, height, width, 3)`, and one output, `(1, dim)`.

    Raises:
        ExportError: the backbone comes from a plugin, which has no graph.
    """
    parts = [_graph(part) for part in classifier.backbone.parts]
    if len(parts) == 1:
        return parts[0]
    ov = engine()
    op = ov.opset13
    view = classifier.card.view
    picture = op.parameter([1, view.height, view.width, 3], ov.Type.u8, name=INPUT)
    seen = _parts_of(picture, view)
    vectors = []
    for part, graph in zip(classifier.backbone.parts, parts, strict=True):
        found = op.convert(graph.outputs[0].node.input_value(0), "f32")
        graph.get_parameters()[0].output(0).replace(seen[part.card.view])
        vectors.append(_balanced(found))
    return ov.Model([op.result(op.concat(vectors, 1))], [picture], "features")


def _parts_of(picture: Any, view: View) -> dict[View, Any]:
    """What each part of a view sees, see `View.part`; models that see the same share it."""
    if not view.parts:
        return {view: picture.output(0)}
    op = engine().opset13
    rows = op.variadic_split(picture, 1, np.array([part.height for part in view.parts]))
    found = {}
    for i, part in enumerate(view.parts):
        found[part] = rows.output(i)
        if part.width < view.width:
            widths = np.array([part.width, view.width - part.width])
            found[part] = op.variadic_split(rows.output(i), 2, widths).output(0)
    return found


def _balanced(vectors: Any) -> Any:
    """See `backbones.joined.balance`."""
    op = engine().opset13
    total = op.reduce_sum(op.abs(vectors), np.array([1]), True)
    return op.multiply(vectors, op.divide(np.float32(SUM), op.maximum(total, np.float32(1e-12))))


def _graph(backbone: Backbone) -> Any:
    if not isinstance(backbone, OpenVINOBackbone):
        raise ExportError(
            f"{backbone.card.handle} comes from a plugin: headstart does not know what it computes.\n"
            "Expected a backbone from a model file. The formats of the head alone still work: sklearn, arrays."
        )
    found = backbone.graph("features")
    shape = found.inputs[0].get_partial_shape()
    found.reshape({found.inputs[0]: [1, *(side.get_length() for side in list(shape)[1:])]})
    return found


def joined(backbone: Any, head: Head) -> Any:
    """The backbone, the normalisation, the head and the softmax as an `openvino.Model`.

    Args:
        backbone: of `features`; it becomes part of the result.
        head: of the classifier.

    Returns:
        a graph with the input `image`, uint8 `(1, height, width, 3)`, RGB, 0..255, and the output `probabilities`,
        float32 `(1, k)`, in the order of the classifier's classes.
    """
    ov = engine()
    op = ov.opset13
    vectors = op.convert(backbone.outputs[0].node.input_value(0), "f32")
    scores = _scores(_normalised(vectors), head)
    probabilities = op.softmax(op.divide(scores, np.float32(head.temperature)), 1)
    result = op.result(probabilities)
    result.output(0).get_tensor().set_names({OUTPUT})
    model = ov.Model([result], backbone.get_parameters(), "headstart")
    model.inputs[0].get_tensor().set_names({INPUT})
    model.inputs[0].node.set_friendly_name(INPUT)
    return model


def _normalised(vectors: Any) -> Any:
    """`heads.power.normalise` without a sign, which not every format has."""
    op = engine().opset13
    return op.subtract(op.sqrt(op.relu(vectors)), op.sqrt(op.relu(op.negative(vectors))))


def _scores(vectors: Any, head: Head) -> Any:
    op = engine().opset13
    if isinstance(head, LinearHead):
        return op.add(op.matmul(vectors, head.weights, False, False), head.bias[None])
    assert isinstance(head, NeighbourHead)
    return _votes(vectors, head)


def _votes(vectors: Any, head: NeighbourHead) -> Any:
    """`NeighbourHead.scores`. The photos that vote are those at least as near as the k-th nearest."""
    op = engine().opset13
    last = np.array([1])
    centred = op.subtract(vectors, head.centre[None])
    length = op.sqrt(op.reduce_sum(op.multiply(centred, centred), last, True))
    cosines = op.matmul(op.divide(centred, op.maximum(length, np.float32(1e-12))), head.vectors.T.copy(), False, False)
    most = min(head.n_neighbors, len(head.vectors))
    nearest = op.topk(cosines, np.int64(most), 1, "max", "value").output(0)
    votes = op.convert(op.greater_equal(cosines, op.reduce_min(nearest, last, True)), "f32")
    distances = op.divide(op.subtract(cosines, op.reduce_max(nearest, last, True)), np.float32(0.07))
    weights = op.multiply(votes, op.exp(op.minimum(distances, np.float32(0))))
    of_class = np.zeros((len(head.labels), head.classes), np.float32)
    of_class[np.arange(len(head.labels)), head.labels] = 1
    shares = op.add(op.matmul(weights, of_class, False, False), np.float32(0.01))
    return op.log(op.divide(shares, op.reduce_sum(shares, last, True)))
