"""Core ML packages: read by coremltools, which checks every operation. Nothing here can run them."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import toy_exports
from headstart.export.formats import coreml as writer
from toys import op, ov


def written(tmp_path: Path, name: str, precision: str = "float32") -> Path:
    checks = list(zip(toy_exports.pictures(), toy_exports.answers(name), strict=True))
    writer.write(toy_exports.subject(name, precision), tmp_path / "model.mlpackage", checks)
    return tmp_path / "model.mlpackage"


def spec(package: Path) -> Any:
    """The package's Model message."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        utils = pytest.importorskip("coremltools").utils
    return utils.load_spec(str(package))


def program(package: Path) -> Any:
    """The package's function as coremltools reads it: each operation is made anew and checked."""
    model = spec(package)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from coremltools.converters.mil.frontend.milproto.load import load

        made = load(model, model.specificationVersion, str(package / "Data/com.apple.CoreML/weights"))
    (main,) = made.functions.values()
    return main


def answers(main: Any, pictures: np.ndarray) -> np.ndarray:
    """What the program means, by the reference of its operators: computed with OpenVINO, one picture at a time."""
    image = op.parameter([1, 3, *pictures.shape[1:3]], np.float32)
    known: dict[str, Any] = {"image": image}
    for one in main.operations:
        if one.op_type == "classify":
            result = known[one.inputs["probabilities"].name]
        elif one.op_type in ("const", "constexpr_cast"):
            value = one.outputs[0].val if one.op_type == "const" else one.source_val.val.astype(np.float32)
            known[one.outputs[0].name] = value if isinstance(value, str | bool) else np.asarray(value)
        else:
            given = {k: v if isinstance(v, list | tuple) else known[v.name] for k, v in one.inputs.items()}
            known[one.outputs[0].name] = computed(one.op_type, given, known)
    model = ov.Core().compile_model(ov.Model([result], [image]), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    rows = [np.array(model(one.transpose(2, 0, 1)[None].astype(np.float32))[0]) for one in pictures]
    return np.concatenate(rows)


def computed(kind: str, given: dict[str, Any], known: dict[str, Any]) -> Any:
    x, y = given.get("x"), given.get("y")
    ends = given["pad"].reshape(-1, 2).T if "pad" in given else None
    match kind:
        case "transpose":
            return op.transpose(x, given["perm"])
        case "reshape":
            return op.reshape(x, given["shape"], False)
        case "cast":
            return op.convert(x, "f32")
        case "clip":
            return op.clamp(x, float(given["alpha"]), float(given["beta"]))
        case "gelu":
            return op.gelu(x, {"EXACT": "erf", "TANH_APPROXIMATION": "tanh"}[given["mode"]])
        case "round":
            return op.round(x, "half_to_even")
        case "real_div" | "mul" | "sub" | "pow":
            return {"real_div": op.divide, "mul": op.multiply, "sub": op.subtract, "pow": op.power}[kind](x, y)
        case "add" | "maximum" | "minimum" | "greater_equal":
            return getattr(op, kind)(x, y)
        case "conv":
            groups, weights = int(given["groups"]), given["weight"]
            weights = weights.reshape(groups, len(weights) // groups, *weights.shape[1:])
            made = op.group_convolution(x, weights, given["strides"], *ends, given["dilations"])
            return op.add(made, given["bias"].reshape(1, -1, 1, 1)) if "bias" in given else made
        case "max_pool":
            return op.max_pool(x, given["strides"], [1, 1], *ends, given["kernel_sizes"], "floor").output(0)
        case "avg_pool":
            return op.avg_pool(x, given["strides"], *ends, given["kernel_sizes"], True, "floor")
        case "pad":
            return op.pad(x, *ends, "constant", np.float32(given["constant_val"]))
        case "matmul":
            return op.matmul(x, y, bool(given["transpose_x"]), bool(given["transpose_y"]))
        case "reduce_mean" | "reduce_sum" | "reduce_max" | "reduce_min":
            return getattr(op, kind)(x, given["axes"], bool(given["keep_dims"]))
        case "softmax":
            return op.softmax(x, int(given["axis"]))
        case "concat":
            return op.concat([known[one.name] for one in given["values"]], int(given["axis"]))
        case "slice_by_size":
            stop = given["begin"] + given["size"]
            return op.slice(x, given["begin"], stop, np.ones_like(stop))
        case "topk":
            return op.topk(x, np.int64(given["k"]), int(given["axis"]), "max", "value").output(0)
        case _:
            return getattr(op, kind)(x)


@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_the_operations_as_coremltools_reads_them_give_the_same_answers(name: str, tmp_path: Path) -> None:
    main = program(written(tmp_path, name))
    assert main.opset_version.name == "iOS16"
    found = answers(main, toy_exports.pictures())
    assert np.abs(found - toy_exports.answers(name)).max() < 1e-5


@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_no_value_has_more_axes_than_core_ml_takes(name: str, tmp_path: Path) -> None:
    found = [one for one in program(written(tmp_path, name)).operations if one.op_type != "const"]
    assert max(one.outputs[0].rank for one in found) <= 5


@pytest.mark.parametrize("name", ["attention", "quantised"])
def test_small_numbers_are_stored_as_float16(name: str, tmp_path: Path) -> None:
    main = program(written(tmp_path, name, "float16"))
    constants = toy_exports.subject(name, "float16").first.constants
    small = [one for one in constants if one.array.dtype != np.float32 and one.array.size >= 10]
    stored = [one.source_val.val for one in main.operations if one.op_type == "constexpr_cast"]
    assert len(small) > 0
    assert all(np.array_equal(a, b.array) and a.dtype == np.float16 for a, b in zip(stored, small, strict=True))
    assert np.abs(answers(main, toy_exports.pictures()) - toy_exports.answers(name)).max() < 1e-2


def test_weights_are_where_the_program_looks_for_them(tmp_path: Path) -> None:
    package = written(tmp_path, "convolutions")
    content = (package / "Data/com.apple.CoreML/weights/weight.bin").read_bytes()
    count, version = struct.unpack_from("<II", content)
    at, found = 64, []
    for _ in range(count):
        sentinel, kind, size, start = struct.unpack_from("<IIQQ", content, at)
        assert (sentinel, start % 64, kind) == (0xDEADBEEF, 0, 2)
        found.append(np.frombuffer(content, np.float32, size // 4, start))
        at = start + -(-size // 64) * 64
    assert (version, at) == (2, len(content))
    program = toy_exports.subject("convolutions").first
    expected = [one.array.ravel() for one in program.constants if one.array.size >= 10]
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_it_takes_an_image_and_gives_class_names(tmp_path: Path) -> None:
    description = spec(written(tmp_path, "pools")).description
    (image,) = description.input
    assert (image.name, image.type.imageType.width, image.type.imageType.height) == ("image", 16, 16)
    assert image.type.imageType.ColorSpace.Name(image.type.imageType.colorSpace) == "RGB"
    assert [one.name for one in description.output] == ["classLabel", "classLabel_probs"]
    assert description.predictedFeatureName == "classLabel"
    assert description.predictedProbabilitiesName == "classLabel_probs"


def test_class_names_are_in_the_program(tmp_path: Path) -> None:
    program = spec(written(tmp_path, "pools")).mlProgram
    classify = program.functions["main"].block_specializations["CoreML6"].operations[-1]
    names = classify.inputs["classes"].arguments[0].value.immediateValue.list.values
    assert tuple(one.immediateValue.tensor.strings.values[0] for one in names) == toy_exports.CLASSES


def test_the_package_lists_its_parts(tmp_path: Path) -> None:
    package = written(tmp_path, "pools")
    manifest = json.loads((package / "Manifest.json").read_text("utf-8"))
    parts = {key: package / "Data" / one["path"] for key, one in manifest["itemInfoEntries"].items()}
    assert parts[manifest["rootModelIdentifier"]].name == "model.mlmodel"
    assert all(part.exists() for part in parts.values())


STAND_IN = """
import sys, types, numpy as np
from pathlib import Path
file = np.load("reference.npz")
answers = {picture.tobytes(): row for picture, row in zip(file["pixels"], file["probabilities"])}
class MLModel:
    def __init__(self, path):
        assert Path(path).is_dir()
    def predict(self, given):
        row = answers[np.asarray(given["image"]).tobytes()] + OFF
        return {"classLabel_probs": dict(zip(file["classes"].tolist(), row.tolist()))}
sys.modules["coremltools"] = types.SimpleNamespace(models=types.SimpleNamespace(MLModel=MLModel))
exec(compile(Path("check.py").read_text("utf-8"), "check.py", "exec"), {"__file__": "check.py"})
"""


@pytest.mark.parametrize(("off", "code"), [(0, 0), (0.02, 1), (float("nan"), 1)])
def test_the_program_for_a_mac_compares_with_stored_answers(off: float, code: int, tmp_path: Path) -> None:
    written(tmp_path, "pools")
    script = STAND_IN.replace("OFF", repr(off) if off == off else "float('nan')")
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == code, result.stderr
    assert "5 pictures, largest difference of a probability: " in result.stdout
