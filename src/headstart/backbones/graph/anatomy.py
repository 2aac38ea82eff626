"""The anatomy of a graph: where photos enter it, where its class scores are, and which tensor is the feature.

Works on any `openvino.Model`. Shapes are fixed first (one picture of the input size), so that all computation of shapes
is constant and there is a simple path from an output back to the photo.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from headstart.backbones.graph.inputs import Input, find_input, fix_shapes, name_of
from headstart.backbones.hints import Hints
from headstart.errors import BackboneError

#: Version of this analysis; part of every card's key.
REVISION = 1
#: Lengths of the class lists of published classifiers: ImageNet-1k without and with a background class,
#: ImageNet-21k in its editions (21,841, 21,843; the processed 10,450 and 11,221 of Ridnik et al. 2021).
CLASS_LISTS = frozenset({1000, 1001, 10450, 11221, 21841, 21843})
#: Fewer numbers than this are scores if they are at most half of the layer's inputs: embeddings have 128 or more.
_FEW = 128
_SCORES = ("logits", "probs", "probabilities", "predictions", "scores", "classifier")
_FEATURES = ("features", "feature_vector", "pooler_output", "image_embeds", "embedding", "default")
#: Steps that keep the numbers and their meaning: they change shape, order, quantisation or scale.
_FORM = frozenset(
    {"Convert", "ConvertLike", "FakeQuantize", "Reshape", "Squeeze", "Unsqueeze", "Transpose"}
    | {"Multiply", "Divide", "Subtract", "Add"}
)
_POOLING = frozenset(["ReduceMean", "AvgPool", "AdaptiveAvgPool"])
_ACTIVATIONS = frozenset(
    {"Relu", "Clamp", "PRelu", "Elu", "Selu", "Gelu", "HSwish", "Swish", "HSigmoid", "Mish", "SoftPlus", "Tanh"}
    | {"Minimum", "Maximum"}
)
_PROBABILITIES = frozenset({"Softmax", "LogSoftmax"})


@dataclass(frozen=True)
class Scores:
    """Class scores: their tensor (of floats), their number, and their scale."""

    tensor: Any
    classes: int
    scale: Literal["probabilities", "log probabilities", "logits", "independent"]


@dataclass(frozen=True)
class Feature:
    """The tensor that becomes the vector. `axis`: of the channels; `how`: a description, and part of the key."""

    tensor: Any
    form: Literal["vector", "map", "tokens"]
    axis: int
    dim: int
    how: str


@dataclass(frozen=True)
class Anatomy:
    """The parts of a graph."""

    input: Input
    feature: Feature
    scores: Scores | None


def dissect(model: Any, hints: Hints, handle: str) -> Anatomy:
    """Find input, feature and scores. The model's shapes are set to those of one picture.

    Raises:
        BackboneError: no input is for pictures, or no output can be a feature.
    """
    image = find_input(model, hints, handle)
    fix_shapes(model, image, handle)
    if not model.outputs:
        raise BackboneError(f"{handle} has no outputs.\nExpected a model that returns numbers for a picture.")
    outputs = sorted(model.outputs, key=lambda port: _rank(port, hints))
    scores = next((found for port in outputs if (found := _scores(port, hints))), None)
    if scores is not None and hints.kind != "feature_vector":
        named = next((port for port in outputs if _named(port, _FEATURES) and not _scores(port, hints)), None)
        if named is None:
            return Anatomy(image, _before(scores, image, handle), scores)
    else:
        scores, named = None, outputs[0]
    return Anatomy(image, _feature(_floats(named.node.input_value(0)), image, handle, "output"), scores)


# --- outputs ---


def _rank(port: Any, hints: Hints) -> tuple[int, str]:
    """Sort key of outputs: those with a usual name first, of scores or of features depending on the hints."""
    first, second = (_FEATURES, _SCORES) if hints.kind == "feature_vector" else (_SCORES, _FEATURES)
    return (0 if _named(port, first) else 1 if _named(port, second) else 2, name_of(port))


def _scores(port: Any, hints: Hints) -> Scores | None:
    """The class scores of an output; None if it returns something else.

    It returns scores if it ends in a softmax, or in sigmoids after a fully connected layer; if the model comes with a
    label list of the same length; or if it ends in a fully connected layer with as many outputs as a published class
    list has names, or with few outputs from many inputs.
    """
    value = _floats(port.node.input_value(0))
    classes = int(np.prod(_shape(value)[1:]))
    if len(_wide(value)) > 1:
        return None  # a map or tokens
    above = value
    while (step := _above(above)) is not None and _type(above) in _FORM:
        above = step
    if _type(above) in _PROBABILITIES:
        return Scores(above, classes, "probabilities" if _type(above) == "Softmax" else "log probabilities")
    if _type(above) == "Sigmoid" and _classifier(above) is not None:
        return Scores(above, classes, "independent")
    layer = _classifier(value)
    if layer is None or hints.kind == "feature_vector":
        return None
    known = classes in CLASS_LISTS or len(hints.labels) == classes or hints.kind == "classification"
    entering = int(np.prod(_shape(layer.input_value(0))[1:]))
    # Raw scores of a user's own classes look like a short embedding. For both, the input of the layer is a feature.
    few = classes < _FEW and 2 * classes <= entering and _classifier(value, through=_FORM) is not None
    return Scores(value, classes, "logits") if known or few or _named(port, _SCORES) else None


def _before(scores: Scores, image: Input, handle: str) -> Feature:
    """The input of the last fully connected or 1x1 layer before the scores.

    If a small head was added to a larger model (1,280 -> 100 -> 2), it is the input of the head's first layer: a layer
    that narrows keeps what its own classes need and drops what other classes would need.
    """
    layer = _classifier(scores.tensor)
    if layer is None:
        return _feature(scores.tensor, image, handle, "scores")
    value = layer.input_value(0)
    while len(_wide(value)) <= 1 and (inner := _classifier(value, through=_FORM | _ACTIVATIONS)) is not None:
        if np.prod(_shape(inner.input_value(0))[1:]) <= np.prod(_shape(value)[1:]):
            break
        value = inner.input_value(0)
    if (flattened := _flattened(value)) is not None:
        return _feature(flattened, image, handle, "before the classifier")
    return _feature(value, image, handle, "before the classifier", inside=True)


def _flattened(value: Any) -> Any | None:
    """The map that a vector was flattened from, None if it was not: the mean is as good a feature as all numbers."""
    while len(_wide(value)) <= 1 and _type(value) in ("Reshape", "Squeeze", "Convert"):
        above = _above(value)
        if above is None:
            return None
        if len(_wide(above)) > 1 and len(_shape(above)) == 4:
            return above
        value = above
    return None


def _classifier(
    value: Any, through: frozenset[str] = _FORM | _POOLING | _ACTIVATIONS | _PROBABILITIES | {"Sigmoid"}
) -> Any | None:
    """The nearest fully connected or 1x1 layer above a tensor, with only the steps of `through` between them."""
    at: Any | None = value
    while at is not None:
        if _is_dense(at.get_node()):
            return at.get_node()
        at = _above(at) if _type(at) in through else None
    return None


def _is_dense(node: Any) -> bool:
    kind = node.get_type_name()
    if kind not in ("MatMul", "Convolution") or not constant(node.input_value(1)):
        return False
    kernel = list(node.get_input_shape(1))
    if kind == "MatMul":
        return len(kernel) == 2
    # A convolution as large as the whole map is a fully connected layer too.
    return kernel[2:] == [1] * len(kernel[2:]) or kernel[2:] == list(node.get_input_shape(0))[2:]


def _feature(value: Any, image: Input, handle: str, how: str, inside: bool = False) -> Feature:
    """How a tensor becomes a vector: unchanged, by the mean of a map, or by the class token or the mean of tokens."""
    shape = _shape(value)
    wide = _wide(value)
    if len(wide) <= 1:
        axis = wide[0] if wide else len(shape) - 1
        return Feature(value, "vector", axis, shape[axis], how)
    if len(shape) == 4:
        if inside and value.get_node().get_type_name() != "MatMul":
            axis = 1  # the input of a convolution: OpenVINO puts channels first
        elif shape[1] == shape[2] != shape[3]:
            axis = 3
        elif shape[2] == shape[3] != shape[1]:
            axis = 1
        else:
            axis = 3 if image.layout == "NHWC" else 1
        return Feature(value, "map", axis, shape[axis], f"{how}, mean of the map")
    if len(shape) == 3:
        which = "class token" if has_class_token(shape[1]) else "mean of the tokens"
        return Feature(value, "tokens", 2, shape[2], f"{how}, {which}")
    raise BackboneError(
        f"{handle} outputs a tensor of shape {tuple(shape)}.\nExpected (n, dim), (n, tokens, dim), (n, height, width, "
        "dim) or (n, dim, height, width)."
    )


def parameters(model: Any) -> int:
    """Number of parameters of a graph, quantised ones included, shapes and axes (64-bit integers) excluded.

    Where batch normalisation has not been folded into the layers before it, its statistics are included.
    """
    constants = (node for node in model.get_ops() if node.get_type_name() == "Constant")
    kept = (node for node in constants if node.get_element_type().get_type_name() not in ("i64", "boolean"))
    return sum(math.prod(node.get_output_shape(0)) for node in kept)


def has_class_token(tokens: int) -> bool:
    """Whether there is a class token before the patches.

    A square number of tokens has only patches; with one more, or up to nine more with registers (Darcet et al. 2024),
    there is a class token.
    """

    def square(n: int) -> bool:
        return math.isqrt(n) ** 2 == n

    return not square(tokens) and any(square(n) for n in range(max(1, tokens - 9), tokens))


# --- walking ---


def _above(value: Any) -> Any | None:
    """The one tensor, apart from constants, that a node is computed from; None if there are none or several.

    `x * f(x)`, the form in which swish and similar functions are exported, is computed from x.
    """
    inputs = [v for v in inputs_of(value.get_node()) if not constant(v)]
    if len(inputs) == 2 and _type(value) == "Multiply":
        one, other = _line(inputs[0]), _line(inputs[1])
        return next((v for v in one if v in other), None)
    return inputs[0] if len(inputs) == 1 else None


def _line(value: Any) -> list[Any]:
    """A tensor and the tensors above it that it is an elementwise function of."""
    line = [value]
    while _type(line[-1]) in _FORM | _ACTIVATIONS | {"Sigmoid", "Erf"} and (step := _above(line[-1])) is not None:
        line.append(step)
    return line


def inputs_of(node: Any) -> list[Any]:
    """The tensors that enter a node."""
    return [node.input_value(i) for i in range(node.get_input_size())]


def constant(value: Any) -> bool:
    """Whether a tensor is independent of the photo; shapes are, once they are fixed."""
    todo = [value.get_node()]
    while todo:
        node = todo.pop()
        if node.get_type_name() == "Parameter":
            return False
        if node.get_type_name() != "ShapeOf":
            # Pictures come from the first input: following it first ends the search soonest.
            todo += [v.get_node() for v in reversed(inputs_of(node))]
    return True


def _floats(value: Any) -> Any:
    """The tensor before a quantised model converts it to integers, in its own unit.

    The last step before that is a FakeQuantize that returns these integers, with another scale and zero.
    """
    real = value
    while not real.get_element_type().is_real() and (step := _above(real)) is not None:
        real = step
    return real.get_node().input_value(0) if real is not value and _type(real) == "FakeQuantize" else real


def _shape(value: Any) -> list[int]:
    return list(value.get_shape())


def _wide(value: Any) -> list[int]:
    return [axis for axis, side in enumerate(_shape(value)) if axis and side > 1]


def _type(value: Any) -> str:
    return str(value.get_node().get_type_name())


def _named(port: Any, words: tuple[str, ...]) -> bool:
    """Whether it has one of these names, ignoring scopes, numbers and suffixes (`module/logits:0`, `logits_1`)."""
    own = {re.sub(r"[_:]?\d+$", "", name.split(":")[0]).rsplit("/", 1)[-1].lower() for name in port.names}
    return bool(own & set(words))
