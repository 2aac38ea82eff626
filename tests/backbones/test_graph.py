"""Where pictures enter a graph, which tensor is its feature, where its class scores are: small graphs, by numpy."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from headstart.backbones.graph.anatomy import Anatomy, dissect, has_class_token
from headstart.backbones.graph.cut import STAGE_SHARE, cut
from headstart.backbones.hints import Hints
from headstart.errors import BackboneError
from toys import channels_first, channels_last, conv, dense, model, numbers, op, ov, pictures, pooled, relu, softmax

PICTURE = np.random.default_rng(0).uniform(0, 2, (1, 4, 4, 3)).astype(np.float32)
#: The body of most toys here: a 1x1 convolution and a ReLU, 3 channels -> 6.
BODY = numbers(6, 3)
MAP = relu(PICTURE @ BODY.T)
POOLED = MAP.mean(axis=(1, 2))


def body(x: Any) -> Any:
    """NHWC picture -> map (n, 6, height, width)."""
    return op.relu(conv(channels_first(x), BODY))


def run(graph: Any, x: np.ndarray, hints: Hints | None = None, layers: Any = "last") -> tuple[Anatomy, dict[str, Any]]:
    """Dissect, cut and run, in float32; the answers by name."""
    anatomy = dissect(graph, hints or Hints(), "toy")
    prepared = cut(graph, anatomy, layers)
    compiled = ov.Core().compile_model(prepared, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    names = [port.node.friendly_name for port in prepared.outputs]
    answers = compiled(x)
    return anatomy, {name: np.array(answers[i]) for i, name in enumerate(names)}


def close(received: np.ndarray, expected: np.ndarray, within: float = 1e-5) -> None:
    assert received.shape == expected.shape
    np.testing.assert_allclose(received, expected, rtol=within, atol=within)


# --- the way in ---


@pytest.mark.parametrize(
    ("shape", "size", "layout", "side"),
    [
        ((1, 4, 4, 3), None, "NHWC", (4, 4)),
        ((1, 3, 4, 4), None, "NCHW", (4, 4)),
        ((1, 4, 6, 3), None, "NHWC", (4, 6)),
        ((-1, 4, 4, 3), None, "NHWC", (4, 4)),
        ((-1, 4, 4, -1), None, "NHWC", (4, 4)),
        ((-1, -1, 4, 4), None, "NCHW", (4, 4)),
        ((-1, -1, -1, 3), (6, 5), "NHWC", (6, 5)),
        ((-1, 3, -1, -1), (6, 5), "NCHW", (6, 5)),
        ((-1, -1, -1, 3), None, "NHWC", (224, 224)),
        ((-1, -1, -1, -1), (6, 5), "NCHW", (6, 5)),
        ((1, 4, 4, 3), (6, 5), "NHWC", (4, 4)),
        ((2, 4, 4, 3), None, "NHWC", (4, 4)),
    ],
)
def test_layout_and_size_are_read_from_the_input(
    shape: tuple[int, ...], size: tuple[int, int] | None, layout: str, side: tuple[int, int]
) -> None:
    image = pictures(*shape)
    x = channels_first(image) if layout == "NHWC" else image
    graph = model({"out": pooled(op.relu(conv(x, BODY)))}, image)
    x = np.random.default_rng(1).uniform(0, 2, (max(shape[0], 1), *side, 3)).astype(np.float32)
    anatomy, answers = run(graph, x if layout == "NHWC" else x.transpose(0, 3, 1, 2), Hints(size=size))
    assert (anatomy.input.layout, anatomy.input.height, anatomy.input.width) == (layout, *side)
    close(answers["features"], relu(x @ BODY.T).mean(axis=(1, 2)), 1e-4)


@pytest.mark.parametrize(("kind", "type_"), [("f32", "float32"), ("f16", "float16"), ("u8", "uint8"), ("i8", "int8")])
def test_every_type_of_pixels_goes_in_as_it_is(kind: str, type_: Any) -> None:
    image = pictures(1, 4, 4, 3, kind=kind)
    graph = model({"out": pooled(body(op.convert(image, "f32")))}, image)
    x = np.random.default_rng(1).integers(0, 127, (1, 4, 4, 3)).astype(type_)
    anatomy, answers = run(graph, x)
    assert anatomy.input.type == type_
    close(answers["features"], relu(x.astype(np.float32) @ BODY.T).mean(axis=(1, 2)), 1e-4)


def test_two_inputs_three_dimensions_four_channels_and_doubles_are_refused() -> None:
    one, two = pictures(1, 4, 4, 3), pictures(1, 4, 4, 3, name="other")
    with pytest.raises(BackboneError, match=r"(?s)toy has the inputs image .*, other .*Expected one, of shape"):
        dissect(model({"out": op.add(one, two)}, one, two), Hints(), "toy")
    for shape in ((4, 4, 3), (1, 4, 4, 4), (1, 4, 4, 1), (1, 5)):
        image = pictures(*shape)
        with pytest.raises(BackboneError, match=r"toy has the inputs image .*\nExpected one, of shape"):
            dissect(model({"out": op.relu(image)}, image), Hints(), "toy")
    free = op.parameter(ov.PartialShape.dynamic(), ov.Type.f32)
    with pytest.raises(BackboneError, match="Expected one, of shape"):
        dissect(model({"out": op.relu(free)}, free), Hints(), "toy")
    for kind in ("f64", "i32"):
        image = pictures(1, 4, 4, 3, kind=kind)
        with pytest.raises(BackboneError, match=f"takes pictures of type {kind}.\nExpected float32"):
            dissect(model({"out": op.convert(image, "f32")}, image), Hints(), "toy")


def test_a_model_that_declares_any_size_but_needs_one_is_reported() -> None:
    image = pictures(1, -1, -1, 3)
    graph = model({"out": pooled(body(op.add(image, numbers(1, 4, 4, 3))))}, image)
    with pytest.raises(BackboneError, match=r"^toy does not take pictures of 8x8: .*\nExpected a model for"):
        dissect(graph, Hints(size=(8, 8)), "toy")


def test_an_output_whose_size_depends_on_the_picture_is_refused() -> None:
    image = pictures(1, 4, 4, 3)
    found = op.non_zero(op.relu(image))
    with pytest.raises(BackboneError, match="outputs whose size depends on the picture: boxes"):
        dissect(model({"boxes": found, "features": pooled(body(image))}, image), Hints(), "toy")


# --- outputs without classes ---


def test_a_map_is_pooled_in_either_layout() -> None:
    for image, x, given in (
        (pictures(1, 4, 4, 3), channels_first, PICTURE),
        (pictures(1, 3, 4, 4), lambda y: y, PICTURE.transpose(0, 3, 1, 2)),
    ):
        first = op.relu(conv(x(image), BODY))
        for out in (first, channels_last(first)):
            anatomy, answers = run(model({"out": out}, image), given)
            assert (anatomy.feature.form, anatomy.feature.dim) == ("map", 6)
            assert anatomy.feature.how == "output, mean of the map"
            assert anatomy.scores is None
            close(answers["features"], POOLED)


def test_a_cube_of_a_map_has_its_channels_where_the_pictures_have_them() -> None:
    cube = numbers(4, 3)
    last = pictures(1, 4, 4, 3)
    _, answers = run(model({"out": channels_last(conv(channels_first(last), cube))}, last), PICTURE)
    close(answers["features"], (PICTURE @ cube.T).mean(axis=(1, 2)))
    first = pictures(1, 3, 4, 4)
    _, answers = run(model({"out": conv(first, cube)}, first), PICTURE.transpose(0, 3, 1, 2))
    close(answers["features"], (PICTURE @ cube.T).mean(axis=(1, 2)))


def test_a_vector_with_ones_around_it_is_a_vector() -> None:
    for keep in (lambda x: x, channels_last):
        image = pictures(1, 4, 4, 3)
        anatomy, answers = run(model({"out": keep(pooled(body(image), keep=True))}, image), PICTURE)
        assert (anatomy.feature.form, anatomy.feature.how) == ("vector", "output")
        close(answers["features"], POOLED)


@pytest.mark.parametrize(("before", "which"), [(1, "class token"), (0, "mean of the tokens"), (5, "class token")])
def test_tokens_give_their_class_token_or_their_mean(before: int, which: str) -> None:
    # 16 patches; in front nothing, a class token (twice the patches' mean), or that and four registers of sevens.
    image = pictures(1, 4, 4, 3)
    patches = op.reshape(channels_last(body(image)), np.array([1, 16, 6]), False)
    token = op.multiply(op.reduce_mean(patches, np.array([1]), True), np.float32(2))
    registers = op.constant(np.full((1, 4, 6), 7, np.float32))
    parts = {0: [patches], 1: [token, patches], 5: [token, registers, patches]}[before]
    graph = model({"last_hidden_state": op.concat(parts, 1) if before else patches}, image)
    anatomy, answers = run(graph, PICTURE)
    assert (anatomy.feature.form, anatomy.feature.how) == ("tokens", f"output, {which}")
    close(answers["features"], POOLED * (2 if before else 1))


def test_class_tokens_are_recognised_by_the_number_of_tokens() -> None:
    with_one = [50, 145, 197, 201, 205, 257, 261, 577, 785]
    without = [49, 144, 196, 256, 576, 784, 206, 210]
    assert [n for n in with_one + without if has_class_token(n)] == with_one


def test_a_tensor_of_five_dimensions_is_refused() -> None:
    image = pictures(1, 4, 4, 3)
    out = op.reshape(body(image), np.array([1, 2, 3, 4, 4]), False)
    with pytest.raises(BackboneError, match=r"toy outputs a tensor of shape \(1, 2, 3, 4, 4\).\nExpected \(n, dim\)"):
        dissect(model({"out": out}, image), Hints(), "toy")


def test_of_several_outputs_the_one_with_a_usual_name_is_chosen() -> None:
    image = pictures(1, 4, 4, 3)
    tokens = op.reshape(channels_last(body(image)), np.array([1, 16, 6]), False)
    pooler = op.tanh(op.reduce_mean(tokens, np.array([1]), False))
    anatomy, answers = run(model({"last_hidden_state": tokens, "pooler_output": pooler}, image), PICTURE)
    assert anatomy.feature.form == "vector"
    close(answers["features"], np.tanh(POOLED))


@pytest.mark.parametrize("name", ["features", "module/features:0", "Features_1", "StatefulPartitionedCall/features"])
def test_names_are_known_in_the_forms_that_exporters_give_them(name: str) -> None:
    image = pictures(1, 4, 4, 3)
    vector = pooled(body(image))
    _, answers = run(model({"a": op.negative(vector), name: vector, "z": op.exp(vector)}, image), PICTURE)
    close(answers["features"], POOLED)


def test_a_publishers_word_for_features_counts_more_than_the_order_of_names() -> None:
    image = pictures(1, 4, 4, 3)
    vector = pooled(body(image))
    graph = model({"classifier": op.negative(vector), "features": vector}, image)
    _, answers = run(graph, PICTURE, Hints(kind="feature_vector"))
    close(answers["features"], POOLED)


# --- class scores ---

HEAD, BIAS = numbers(6, 5), numbers(5)
LOGITS = POOLED @ HEAD + BIAS


def logits(image: Any, weights: np.ndarray = HEAD, bias: np.ndarray | None = BIAS) -> Any:
    return dense(pooled(body(image)), weights, bias)


def test_a_softmax_gives_classes_and_what_enters_the_layer_before_it_is_the_feature() -> None:
    image = pictures(1, 4, 4, 3)
    anatomy, answers = run(model({"out": op.softmax(logits(image), 1)}, image), PICTURE)
    assert anatomy.scores is not None
    assert (anatomy.scores.classes, anatomy.scores.scale) == (5, "probabilities")
    assert (anatomy.feature.dim, anatomy.feature.how) == (6, "before the classifier")
    close(answers["features"], POOLED)
    close(answers["scores"], softmax(LOGITS))


def test_a_log_softmax_gives_probabilities() -> None:
    image = pictures(1, 4, 4, 3)
    anatomy, answers = run(model({"out": op.log_softmax(logits(image), 1)}, image), PICTURE)
    assert anatomy.scores is not None
    assert anatomy.scores.scale == "log probabilities"
    close(answers["features"], POOLED)
    close(answers["scores"], softmax(LOGITS))


@pytest.mark.parametrize("classes", [1000, 1001])
def test_logits_of_a_published_list_are_classes_whatever_their_name(classes: int) -> None:
    image = pictures(1, 4, 4, 3)
    head = numbers(6, classes)
    anatomy, answers = run(model({"Identity": dense(pooled(body(image)), head)}, image), PICTURE)
    assert anatomy.scores is not None
    assert (anatomy.scores.classes, anatomy.scores.scale) == (classes, "logits")
    close(answers["features"], POOLED)
    close(answers["scores"], softmax(POOLED @ head))


@pytest.mark.parametrize(
    ("name", "hints", "found"),
    [
        ("out", Hints(), False),
        ("logits", Hints(), True),
        ("predictions", Hints(), True),
        ("out", Hints(labels=("a", "b", "c", "d", "e")), True),
        ("out", Hints(labels=("a", "b", "c", "d")), False),
        ("out", Hints(kind="classification"), True),
        ("logits", Hints(kind="feature_vector"), False),
    ],
)
def test_logits_of_any_number_need_a_name_a_list_or_a_word_of_the_publisher(
    name: str, hints: Hints, found: bool
) -> None:
    image = pictures(1, 4, 4, 3)
    anatomy, answers = run(model({name: logits(image)}, image), PICTURE, hints)
    assert (anatomy.scores is not None) == found
    assert ("scores" in answers) == found
    close(answers["features"], POOLED if found else LOGITS)


def test_the_hubs_name_default_may_stand_for_scores() -> None:
    image = pictures(1, 4, 4, 3)
    _, answers = run(model({"default": logits(image)}, image), PICTURE, Hints(kind="classification"))
    close(answers["features"], POOLED)
    close(answers["scores"], softmax(LOGITS))


def test_a_softmax_for_each_pixel_gives_no_classes_of_the_picture() -> None:
    image = pictures(1, 4, 4, 3)
    anatomy, answers = run(model({"segments": op.softmax(channels_last(conv(body(image), HEAD.T)), 3)}, image), PICTURE)
    assert anatomy.scores is None
    close(answers["features"], softmax(MAP @ HEAD).mean(axis=(1, 2)))


def test_a_thousand_numbers_are_a_feature_vector_if_the_publisher_declares_it() -> None:
    image = pictures(1, 4, 4, 3)
    head = numbers(6, 1000)
    graph = model({"out": dense(pooled(body(image)), head)}, image)
    anatomy, answers = run(graph, PICTURE, Hints(kind="feature_vector"))
    assert anatomy.scores is None
    close(answers["features"], POOLED @ head, 1e-4)


@pytest.mark.parametrize("classes", [1, 5])
def test_independent_scores_are_not_classes_but_show_where_the_feature_is(classes: int) -> None:
    image = pictures(1, 4, 4, 3)
    anatomy, answers = run(model({"out": op.sigmoid(logits(image, HEAD[:, :classes], None))}, image), PICTURE)
    assert anatomy.scores is not None
    assert anatomy.scores.scale == "independent"
    assert list(answers) == ["features"]
    close(answers["features"], POOLED)


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_1x1_convolution_is_a_classifier_with_pooling_on_either_side(place: str) -> None:
    image = pictures(1, 4, 4, 3)
    x = body(image)
    last = conv(pooled(x, keep=True), HEAD.T) if place == "before" else pooled(conv(x, HEAD.T), keep=True)
    out = op.softmax(op.reshape(last, np.array([1, 5]), False), 1)
    anatomy, answers = run(model({"out": out}, image), PICTURE)
    assert anatomy.feature.form == ("vector" if place == "before" else "map")
    close(answers["features"], POOLED)
    close(answers["scores"], softmax(POOLED @ HEAD))


def test_a_convolution_as_large_as_the_map_is_a_classifier() -> None:
    image = pictures(1, 4, 4, 3)
    whole = numbers(5, 6, 4, 4)
    out = op.softmax(op.squeeze(conv(body(image), whole), np.array([2, 3])), 1)
    anatomy, answers = run(model({"out": out}, image), PICTURE)
    assert anatomy.feature.how == "before the classifier, mean of the map"
    close(answers["features"], POOLED)
    close(answers["scores"], softmax(np.einsum("nhwc,dchw->nd", MAP, whole)), 1e-4)


def mlp(x: Any, widths: tuple[int, ...], activation: Any = op.relu) -> Any:
    """Layers 6 -> widths..., the activation between, softmax at the end."""
    sides = (6, *widths)
    for i, (a, b) in enumerate(pairwise(sides)):
        x = dense(x if i == 0 else activation(x), numbers(a, b, seed=i), numbers(b, seed=i))
    return op.softmax(x, 1)


@pytest.mark.parametrize(
    ("widths", "dim"),
    [
        ((4, 2), 6),  # 6 -> 4 -> 2, a small head that narrows: what enters the 4
        ((5, 4, 2), 6),
        ((6, 2), 6),  # as wide: its own feature
        ((9, 2), 9),  # MobileNetV3: 960 -> 1,280 -> 1,000
        ((8, 8, 5), 8),  # VGG: 4,096 -> 4,096 -> 1,000
        ((9, 4, 2), 9),
    ],
)
def test_of_a_head_of_several_layers_those_that_narrow_are_left_out(widths: tuple[int, ...], dim: int) -> None:
    image = pictures(1, 4, 4, 3)
    anatomy, answers = run(model({"out": mlp(pooled(body(image)), widths)}, image), PICTURE)
    expected = POOLED
    if dim != 6 or widths[0] == 6:
        for i, (a, b) in enumerate(pairwise((6, *widths))):
            expected = relu(expected @ numbers(a, b, seed=i) + numbers(b, seed=i))
            if b == dim and (i + 2 >= len(widths) or widths[i + 1] < dim):
                break
    assert anatomy.feature.dim == dim
    close(answers["features"], expected, 1e-4)


ACTIVATIONS: dict[str, Any] = {
    "clamp": lambda x: op.clamp(x, 0.0, 6.0),
    "gelu": lambda x: op.gelu(x, "erf"),
    "hswish": op.hswish,
    "swish": op.swish,
    "batch norm": lambda x: op.relu(op.add(op.multiply(x, numbers(1, 4)), numbers(1, 4))),
    "swish in two": lambda x: op.multiply(x, op.sigmoid(x)),
    "hard swish in parts": lambda x: op.multiply(
        x, op.multiply(op.clamp(op.add(x, np.float32(3)), 0.0, 6.0), np.float32(1 / 6))
    ),
    "gelu in parts": lambda x: op.multiply(
        op.multiply(x, np.float32(0.5)), op.add(op.erf(op.divide(x, np.float32(2**0.5))), np.float32(1))
    ),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_small_head_is_left_out_whatever_its_activation(name: str) -> None:
    image = pictures(1, 4, 4, 3)
    _, answers = run(model({"out": mlp(pooled(body(image)), (4, 2), ACTIVATIONS[name])}, image), PICTURE)
    close(answers["features"], POOLED)


def test_a_widening_1x1_convolution_after_the_pooling_belongs_to_the_backbone() -> None:
    # MobileNetV3: pooled 960 -> 1x1 convolution to 1,280 -> h-swish -> 1x1 convolution to 1,000.
    image = pictures(1, 4, 4, 3)
    wide, head = numbers(9, 6), numbers(5, 9)
    x = op.hswish(conv(pooled(body(image), keep=True), wide))
    anatomy, answers = run(model({"logits": op.reshape(conv(x, head), np.array([1, 5]), False)}, image), PICTURE)
    y = POOLED @ wide.T
    assert anatomy.feature.dim == 9
    close(answers["features"], y * np.clip(y + 3, 0, 6) / 6)


def test_features_by_name_beside_scores_are_taken_as_they_are() -> None:
    image = pictures(1, 4, 4, 3)
    vector = pooled(body(image))
    graph = model({"features": op.negative(vector), "logits": dense(vector, HEAD, BIAS)}, image)
    _, answers = run(graph, PICTURE)
    close(answers["features"], -POOLED)
    close(answers["scores"], softmax(LOGITS))


def test_few_raw_scores_without_names_are_cut_off_and_a_long_embedding_is_not() -> None:
    image = pictures(1, 4, 4, 3)
    vector = pooled(body(image))
    width = POOLED.shape[1]
    few, answers = run(model({"out": dense(vector, numbers(width, width // 2))}, image), PICTURE)
    assert few.scores is not None
    assert few.scores.classes == width // 2
    close(answers["features"], POOLED)
    embedding, _ = run(model({"out": dense(vector, numbers(width, 128))}, image), PICTURE)
    assert embedding.scores is None
    assert embedding.feature.dim == 128


def test_a_map_that_is_laid_out_before_the_classifier_is_averaged() -> None:
    image = pictures(1, 4, 4, 3)
    flat = op.reshape(channels_last(body(image)), np.array([1, 96]), False)
    anatomy, answers = run(model({"out": op.softmax(dense(flat, numbers(96, 5)), 1)}, image), PICTURE)
    assert anatomy.feature.dim == POOLED.shape[1]
    close(answers["features"], POOLED)


# --- quantised tails ---


def quantised(x: Any, low: float, high: float) -> Any:
    """As OpenVINO reads TensorFlow Lite's uint8 outputs: 256 steps from low to high become 0..255."""
    steps = op.fake_quantize(x, np.float32(low), np.float32(high), np.float32(0), np.float32(255), 256)
    return op.convert(steps, "u8")


def test_probabilities_of_a_quantised_model_are_probabilities() -> None:
    image = pictures(1, 4, 4, 3)
    _, answers = run(model({"out": quantised(op.softmax(logits(image), 1), 0, 255 / 256)}, image), PICTURE)
    close(answers["features"], POOLED)
    close(answers["scores"], softmax(LOGITS))


def test_logits_of_a_quantised_model_are_read_in_their_own_unit() -> None:
    # Steps of 0.1: a softmax over the steps themselves would be ten times too sure.
    image = pictures(1, 4, 4, 3)
    _, answers = run(model({"logits": quantised(logits(image), -12.7, 12.8)}, image), PICTURE)
    close(answers["features"], POOLED)
    close(answers["scores"], softmax(LOGITS), 0.05)


def test_features_of_a_quantised_model_are_read_in_their_own_unit() -> None:
    # Zero is step 127: taken as 127 it would hide the sign that power normalisation needs.
    image = pictures(1, 4, 4, 3)
    out = channels_last(quantised(op.negative(pooled(body(image), keep=True)), -12.7, 12.8))
    _, answers = run(model({"out": out}, image), PICTURE)
    close(answers["features"], -POOLED, 0.05)


def test_quantised_layers_are_walked_through() -> None:
    # As ONNX Runtime writes it: FakeQuantize to int8 steps, Convert, back to floats; the weights in int8, too.
    def there_and_back(x: Any) -> Any:
        steps = op.fake_quantize(x, np.float32(-12.8), np.float32(12.7), np.float32(-128), np.float32(127), 256)
        floats = op.convert(op.convert(steps, "i8"), "f32")
        return op.multiply(floats, np.float32(0.1))

    image = pictures(1, 4, 4, 3)
    weights = np.round(HEAD * 20).astype(np.int8)
    kernel = op.multiply(op.convert(op.constant(weights), "f32"), np.float32(0.05))
    x = op.matmul(there_and_back(pooled(body(image))), kernel, False, False)
    anatomy, answers = run(model({"logits": there_and_back(x)}, image), PICTURE)
    assert anatomy.scores is not None
    close(answers["features"], POOLED, 0.06)
    close(answers["scores"], softmax(POOLED @ (weights * 0.05)), 0.2)


# --- stages ---


def block(x: Any, wide: np.ndarray, narrow: np.ndarray, residual: bool) -> Any:
    """MobileNetV2's: a 1x1 convolution that widens, ReLU, one that narrows; the picture past it where it may."""
    y = conv(op.relu(conv(x, wide)), narrow)
    return op.add(x, y) if residual else y


def mobile(x: np.ndarray, wide: np.ndarray, narrow: np.ndarray, residual: bool) -> np.ndarray:
    y = relu(x @ wide.T) @ narrow.T
    return x + y if residual else y


#: Width in, width between, width out, residual: four stages.
CHAIN = [(4, 8, 4, True), (4, 8, 5, False), (5, 10, 5, True), (5, 10, 6, False), (6, 12, 6, True), (6, 12, 7, False)]


def joined(vectors: list[np.ndarray]) -> np.ndarray:
    """Stages, each brought to `STAGE_SHARE` of the length of the feature, and the feature, which is the last."""
    *stages, feature = vectors
    length = STAGE_SHARE * np.linalg.norm(feature)
    return np.concatenate([*(stage / np.linalg.norm(stage) * length for stage in stages), feature], axis=1)


def test_stages_of_a_mobilenet_end_where_the_widening_begins() -> None:
    image = pictures(1, 4, 4, 3)
    x, y = conv(channels_first(image), numbers(4, 3)), PICTURE @ numbers(4, 3).T
    expected = []
    for i, (a, b, c, residual) in enumerate(CHAIN):
        if not residual:
            expected.append(y.mean(axis=(1, 2)))
        weights = numbers(b, a, seed=i), numbers(c, b, seed=i)
        x, y = block(x, *weights, residual), mobile(y, *weights, residual)
    expected.append(y.mean(axis=(1, 2)))
    x, y = op.relu(conv(x, numbers(9, 7))), relu(y @ numbers(9, 7).T)
    expected.append(y.mean(axis=(1, 2)))
    graph = model({"out": op.softmax(dense(pooled(x), numbers(9, 5)), 1)}, image)
    anatomy, answers = run(graph, PICTURE, layers="several")
    # Five ends, of 4, 5, 6, 7 channels and the feature of 9; the last three maps and the feature are joined.
    assert anatomy.feature.dim == 9
    close(answers["features"], joined(expected[-4:]), 1e-3)
    assert answers["features"].shape == (1, 5 + 6 + 7 + 9)
    assert answers["scores"].shape == (1, 5)


def test_stages_of_a_resnet_end_before_its_projections() -> None:
    image = pictures(1, 4, 4, 3)
    x, y = op.relu(conv(channels_first(image), numbers(4, 3))), relu(PICTURE @ numbers(4, 3).T)
    expected = []
    for i, (a, b) in enumerate([(4, 4), (4, 6), (6, 6), (6, 8)]):
        first, second, across = numbers(b, a, seed=i), numbers(b, b, seed=i + 9), numbers(b, a, seed=i + 99)
        past, beside = (x, y) if a == b else (conv(x, across), y @ across.T)
        if a != b:
            expected.append(y.mean(axis=(1, 2)))
        x = op.relu(op.add(past, conv(op.relu(conv(x, first)), second)))
        y = relu(beside + relu(y @ first.T) @ second.T)
    expected.append(y.mean(axis=(1, 2)))
    graph = model({"out": op.softmax(dense(pooled(x), numbers(8, 5)), 1)}, image)
    _, answers = run(graph, PICTURE, layers="several")
    close(answers["features"], joined(expected), 1e-3)


def test_a_model_of_one_width_has_no_stages() -> None:
    image = pictures(1, 4, 4, 3)
    x = channels_first(image)
    for i in range(4):
        x = op.relu(conv(x, numbers(6, 6 if i else 3, seed=i)))
    graph = model({"out": pooled(x)}, image)
    with pytest.raises(BackboneError, match=r"no stages that could be joined(?s:.*)Use --layers last"):
        run(graph, PICTURE, layers="several")


def test_a_small_head_is_not_a_stage() -> None:
    # What comes after the pooling is no map; the feature alone is left, beside one map.
    image = pictures(1, 4, 4, 3)
    x = op.relu(conv(op.relu(conv(channels_first(image), numbers(4, 3))), BODY[:, :1].repeat(4, 1)))
    _, answers = run(model({"out": mlp(pooled(x), (4, 2))}, image), PICTURE, layers="several")
    first = relu(PICTURE @ numbers(4, 3).T)
    second = relu(first @ BODY[:, :1].repeat(4, 1).T)
    close(answers["features"], joined([m.mean(axis=(1, 2)) for m in (first, second)]), 1e-4)


def test_a_pooled_map_is_not_a_stage() -> None:
    # MobileNetV3: the widening 1x1 convolution takes a map of one pixel.
    image = pictures(1, 4, 4, 3)
    first, wide = op.relu(conv(channels_first(image), numbers(4, 3))), numbers(9, 6)
    x = op.relu(conv(pooled(op.relu(conv(first, numbers(6, 4))), keep=True), wide))
    _, answers = run(model({"out": x}, image), PICTURE, layers="several")
    y = relu(PICTURE @ numbers(4, 3).T)
    feature = relu(relu(y @ numbers(6, 4).T).mean(axis=(1, 2)) @ wide.T)
    close(answers["features"], joined([y.mean(axis=(1, 2)), feature]), 1e-4)


def test_stages_of_a_model_in_half_precision_are_joined() -> None:
    image = pictures(1, 4, 4, 3, kind="f16")
    narrow, wide = numbers(4, 3).astype(np.float16), numbers(6, 4).astype(np.float16)
    first = op.relu(conv(channels_first(image), narrow))
    _, answers = run(
        model({"out": pooled(op.relu(conv(first, wide)))}, image), PICTURE.astype(np.float16), layers="several"
    )
    y = relu(PICTURE @ narrow.T)
    close(answers["features"], joined([m.mean(axis=(1, 2)) for m in (y, relu(y @ wide.T))]), 0.02)


def test_a_stage_that_sees_nothing_stays_nothing() -> None:
    image = pictures(1, 4, 4, 3)
    dark = op.relu(conv(channels_first(image), -np.ones((4, 3), np.float32)))
    bright = op.add(conv(dark, numbers(6, 4)), np.ones((1, 6, 1, 1), np.float32))
    _, answers = run(model({"out": pooled(bright)}, image), PICTURE, layers="several")
    assert answers["features"].tolist() == [[0] * 4 + [1] * 6]
