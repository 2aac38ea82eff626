"""TFLite files in LiteRT's interpreter answer as OpenVINO does."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import toy_exports
from headstart.backbones.graph.metadata import hints_of
from headstart.backbones.ranges.feeds import Feed
from headstart.export.formats import tflite as writer
from headstart.export.formats.tflite.operators import Graph
from headstart.export.graph.builder import UnwritableError
from headstart.export.graph.steps import (
    Binary,
    Cast,
    Clamp,
    Constant,
    Convolution,
    MatMul,
    Pool,
    Program,
    Reshape,
    Softmax,
    Step,
    Unary,
    Value,
)
from headstart.export.judges import tflite as judge
from toys import ov

interpreters = pytest.importorskip("ai_edge_litert.interpreter")


def written(tmp_path: Path, name: str, precision: Any = "float32") -> judge.Judge:
    target = tmp_path / "model.tflite"
    writer.write(toy_exports.subject(name, precision), target)
    return judge.Judge(target)


def operators(name: str, precision: Any = "float32") -> Counter[str]:
    return Counter(one.kind for one in Graph(toy_exports.subject(name, precision).last).operators)


@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_every_kind_of_step_gives_the_same_answers(name: str, tmp_path: Path) -> None:
    found = written(tmp_path, name).run(toy_exports.pictures())
    assert np.abs(found - toy_exports.answers(name)).max() < 1e-5


@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_a_picture_does_not_depend_on_its_batch(name: str, tmp_path: Path) -> None:
    found = written(tmp_path, name)
    alone = np.concatenate([found.run(one[None]) for one in toy_exports.pictures()])
    assert np.abs(found.run(toy_exports.pictures()[:3]) - alone[:3]).max() < 1e-6


@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_openvino_reads_the_file_too(name: str, tmp_path: Path) -> None:
    written(tmp_path, name)
    model = ov.Core().compile_model(str(tmp_path / "model.tflite"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert np.abs(model(toy_exports.pictures())[0] - toy_exports.answers(name)).max() < 1e-5


@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_weights_in_float16_change_answers_little(name: str, tmp_path: Path) -> None:
    found = written(tmp_path, name, "float16").run(toy_exports.pictures())
    assert np.abs(found - toy_exports.answers(name)).max() < 1e-3


def test_weights_in_float16_halve_the_file(tmp_path: Path) -> None:
    wide, half = (writer.encoded(toy_exports.subject("attention", one).last, ()) for one in ("float32", "float16"))
    program = toy_exports.subject("attention").last
    assert len(wide) - len(half) > 0.3 * program.bytes


@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_numbers_start_at_multiples_of_16_bytes(name: str) -> None:
    program = toy_exports.subject(name).last
    content = writer.encoded(program, ())
    stored = [one.array.tobytes() for one in Graph(program).tensors if one.array is not None and one.array.any()]
    assert {content.index(one) % 16 for one in stored if content.count(one) == 1} == {0}


def test_input_and_output_have_names_and_a_free_batch(tmp_path: Path) -> None:
    written(tmp_path, "pools")
    interpreter = interpreters.Interpreter(model_path=str(tmp_path / "model.tflite"))
    (given,), (found,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (given["name"], given["dtype"]) == ("image", np.uint8)
    assert (found["name"], found["dtype"]) == ("probabilities", np.float32)
    assert given["shape"].tolist() == [1, 16, 16, 3]
    assert given["shape_signature"].tolist() == [-1, 16, 16, 3]
    assert found["shape_signature"].tolist() == [-1, 3]
    assert interpreter.get_signature_list() == {"serving_default": {"inputs": ["image"], "outputs": ["probabilities"]}}


def test_the_batch_may_be_resized_without_a_signature(tmp_path: Path) -> None:
    written(tmp_path, "shapes")
    interpreter = interpreters.Interpreter(model_path=str(tmp_path / "model.tflite"))
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], [3, 16, 16, 3], strict=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], toy_exports.pictures()[:3])
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert np.abs(found - toy_exports.answers("shapes")[:3]).max() < 1e-5


@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_shapes_in_the_file_are_those_of_one_picture(name: str, tmp_path: Path) -> None:
    graph = Graph(toy_exports.subject(name).last)
    written(tmp_path, name)
    resolver = interpreters.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    path = str(tmp_path / "model.tflite")
    interpreter = interpreters.Interpreter(model_path=path, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    shapes = {one["name"]: tuple(one["shape"]) for one in interpreter.get_tensor_details()}
    assert {one.name: one.shape for one in graph.tensors} == {one.name: shapes[one.name] for one in graph.tensors}


def test_class_names_are_in_the_file(tmp_path: Path) -> None:
    assert written(tmp_path, "pools").classes() == toy_exports.CLASSES


def test_the_metadata_are_those_that_headstart_reads_from_other_files(tmp_path: Path) -> None:
    written(tmp_path, "pools")
    hints = hints_of(tmp_path / "model.tflite", "tflite")
    assert hints.labels == toy_exports.CLASSES
    assert hints.feed == Feed((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "RGB", "metadata")


def test_activations_are_part_of_convolutions_and_dense_layers() -> None:
    x, y = Value("x", (None, 4, 4, 3)), Value("y", (None, 4, 4, 2))
    weights = Constant("weights", np.ones((2, 3, 1, 1), np.float32))
    conv = Convolution(y, x, weights, None, (1, 1), (1, 1), (0, 0), (0, 0), 1)
    clamped, flat, scores = Value("clamped", y.shape), Value("flat", (None, 32)), Value("scores", (None, 3))
    dense = MatMul(scores, flat, Constant("dense", np.ones((32, 3), np.float32)))
    biased, rectified = Value("biased", scores.shape), Value("rectified", scores.shape)
    add = Binary(biased, "add", scores, Constant("bias", np.ones((1, 3), np.float32)))
    steps = [conv, Clamp(clamped, y, 0.0, 6.0), Reshape(flat, clamped), dense, add, Unary(rectified, "relu", biased)]
    assert kinds(steps, x, rectified) == ["CAST", "CONV_2D", "RESHAPE", "FULLY_CONNECTED"]


def test_an_activation_stays_where_something_else_uses_what_it_clips() -> None:
    x, y = Value("x", (None, 4, 4, 3)), Value("y", (None, 4, 4, 3))
    clamped, both = Value("clamped", y.shape), Value("both", y.shape)
    double = Binary(y, "add", x, x)
    steps = [double, Clamp(clamped, y, 0.0, 6.0), Binary(both, "mul", y, clamped)]
    assert kinds(steps, x, both) == ["CAST", "ADD", "RELU6", "MUL"]


def kinds(steps: list[Step], x: Value, result: Value) -> list[str]:
    picture = Value("picture", x.shape, "uint8")
    return [one.kind for one in Graph(Program(picture, (Cast(x, picture), *steps), result, "NHWC")).operators]


def test_borders_that_litert_adds_itself_are_no_operators() -> None:
    assert operators("convolutions")["PAD"] == 3  # "same" with more at the top, and the two that differ


def test_operators_have_the_oldest_version_that_can_do_it() -> None:
    found = {name: Graph(toy_exports.subject(name).last).operators for name in ("grouped", "shapes", "convolutions")}
    assert {one.version for one in found["grouped"] if one.kind == "CONV_2D"} == {1, 6}
    assert {one.version for one in found["shapes"] if one.kind == "TRANSPOSE"} == {1, 4, 6}
    assert {one.version for one in found["convolutions"]} == {1}


def test_seven_axes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnwritableError, match=r"Reshape .*at most 6 axes"):
        answered(tmp_path, lambda x: [Reshape(Value("y", (None, 4, 4, 4, 2, 2, 3)), x)])


def test_erf_is_good_to_a_millionth(tmp_path: Path) -> None:
    found = answered(tmp_path, lambda x: [Unary(Value("y", x.shape), "erf", x)])
    expected = np.array([math.erf(one) for one in GIVEN.ravel()])
    assert np.abs(found - expected).max() < 1e-6


def test_softmax_may_be_over_any_axis(tmp_path: Path) -> None:
    found = answered(tmp_path, lambda x: [Softmax(Value("y", x.shape), x, 1)])
    powers = np.exp(GIVEN)
    assert np.abs(found - (powers / powers.sum(axis=0)).ravel()).max() < 1e-6


@pytest.mark.parametrize(("low", "high"), [(0, 6), (-1, 1), (0, math.inf), (-math.inf, 3), (-2, 2.5)])
def test_bounds_are_kept_as_part_of_another_operator_and_alone(low: float, high: float, tmp_path: Path) -> None:
    def doubled(x: Value) -> list[Step]:
        y = Value("y", x.shape)
        return [Binary(y, "add", x, x), Clamp(Value("z", x.shape), y, low, high)]

    assert np.array_equal(answered(tmp_path, doubled), np.clip(2 * GIVEN, low, high).ravel())
    alone = answered(tmp_path, lambda x: [Clamp(Value("y", x.shape), x, low, high)])
    assert np.array_equal(alone, np.clip(GIVEN, low, high).ravel())


def test_one_number_added_to_all_is_no_bias(tmp_path: Path) -> None:
    weights = np.eye(3, 2, dtype=np.float32)

    def moved(x: Value) -> list[Step]:
        y = Value("y", (None, 16, 16, 2))
        number = Constant("number", np.array([1], np.float32))
        return [MatMul(y, x, Constant("weights", weights)), Binary(Value("z", y.shape), "add", y, number)]

    assert np.array_equal(answered(tmp_path, moved), (GIVEN @ weights + 1).ravel())


@pytest.mark.parametrize("kind", ["max", "mean"])
def test_windows_may_be_wider_than_high(kind: Any, tmp_path: Path) -> None:
    found = answered(tmp_path, lambda x: [Pool(Value("y", (None, 8, 4, 3)), kind, x, (2, 4), (2, 4))])
    windows = GIVEN.reshape(8, 2, 4, 4, 3)
    assert np.abs(found - getattr(windows, kind)(axis=(1, 3)).ravel()).max() < 1e-6


#: What `answered` is given, -4..4, and the picture that it is made of.
PICTURE = np.random.default_rng(0).permutation(np.arange(256).repeat(3)).reshape(1, 16, 16, 3).astype(np.uint8)
GIVEN = PICTURE[0] / np.float32(32) - np.float32(4)


def answered(tmp_path: Path, build: Callable[[Value], list[Step]]) -> np.ndarray:
    """All numbers that a few steps make of `GIVEN`, in one row."""
    shape = (None, *GIVEN.shape)
    picture, wide, scaled, x = Value("picture", shape, "uint8"), *(Value(name, shape) for name in ("a", "b", "x"))
    first = [
        Cast(wide, picture),
        Binary(scaled, "div", wide, Constant("size", np.array(32, np.float32))),
        Binary(x, "sub", scaled, Constant("middle", np.array(4, np.float32))),
    ]
    steps = build(x)
    made = steps[-1].output
    result = Value("result", (None, math.prod(made.shape[1:])))
    program = Program(picture, (*first, *steps, Reshape(result, made)), result, "NHWC")
    target = tmp_path / "model.tflite"
    target.write_bytes(writer.encoded(program, toy_exports.CLASSES))
    return judge.Judge(target).run(PICTURE)[0]
