"""The backbone in int8, its price, and files that hold it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import headstart
import toy_exports
from headstart.classifier.classifier import Classifier
from headstart.errors import ExportError
from headstart.export import int8
from headstart.export.formats import onnx as onnx_writer
from headstart.export.formats import openvino as openvino_writer
from headstart.export.graph.simpler import whole_weights
from headstart.export.graph.steps import Convolution, Quantize, Step
from headstart.export.int8 import Price, Share
from headstart.export.judges.onnx import Judge as OnnxJudge
from headstart.export.judges.openvino import Judge as OpenVINOJudge
from headstart.export.subject import Subject
from headstart.photos.images import load

BACKBONE = "mobilenet_v1_0.25_224_float.tflite"


@pytest.fixture(autouse=True)
def _engine_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge blocks the telemetry of its whole process; other tests get it back."""
    monkeypatch.setitem(sys.modules, "openvino_telemetry", None)


@pytest.fixture(scope="module")
def fruit(shared: Path, graphs: Path) -> Classifier:
    backbone = str(shared / "backbones" / BACKBONE)
    return headstart.train(shared / "phone-fruit", backbone=backbone, store=graphs, progress=False).classifier


@pytest.fixture(scope="module")
def photos(shared: Path) -> list[Path]:
    return sorted((shared / "phone-fruit").rglob("*.jpg"))


@pytest.fixture(scope="module")
def pixels(fruit: Classifier, photos: list[Path]) -> np.ndarray:
    return np.stack([load(photo, fruit.card.view) for photo in photos])


@pytest.fixture(scope="module")
def small(fruit: Classifier, pixels: np.ndarray) -> Subject:
    pytest.importorskip("nncf")
    return int8.quantised(Subject(fruit), pixels[::2])


@pytest.fixture(scope="module")
def cost(fruit: Classifier, small: Subject, pixels: np.ndarray, photos: list[Path]) -> Price:
    return int8.price(Subject(fruit), small, pixels[1::2], [photo.parent.name for photo in photos[1::2]])


def answers(subject: Subject, pixels: np.ndarray) -> np.ndarray:
    model = toy_exports.ov.Core().compile_model(subject.graph(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([np.array(model(one[None])[0]) for one in pixels])


def test_every_convolution_is_quantised_and_the_head_is_not(small: Subject, fruit: Classifier) -> None:
    graph = small.graph()
    kinds = {node.get_friendly_name(): node.get_type_name() for node in graph.get_ops()}
    for node in graph.get_ops():
        if node.get_type_name() in ("Convolution", "GroupConvolution"):
            before = node.input_value(0).get_node().get_type_name()
            assert before in ("FakeQuantize", "Transpose"), before
    assert list(kinds.values()).count("FakeQuantize") >= 27
    head = [node for node in graph.get_ops() if node.get_type_name() == "MatMul"]
    assert [node.input_value(1).get_node().get_type_name() for node in head] == ["Constant"]
    assert small.precision == "int8"
    assert small.classes == fruit.classes


def test_weights_stay_within_seven_bits(small: Subject) -> None:
    """Older processors saturate sums of larger ones. Depthwise convolutions have too few products to matter."""
    found = [whole_weights(step.weights.array) for step in small.raw.steps if _is_plain_convolution(step)]
    assert len(found) == 14
    assert max(int(np.abs(one[0].astype(int)).max()) for one in found if one) <= 64
    assert None not in found


def _is_plain_convolution(step: Step) -> bool:
    return isinstance(step, Convolution) and not step.depthwise


def test_the_price_has_all_figures(cost: Price, pixels: np.ndarray) -> None:
    assert cost.photos == len(pixels[1::2])
    assert cost.bytes[1] < 0.4 * cost.bytes[0]
    assert min(cost.rate) > 0
    assert cost.accuracy is not None
    for share in (*cost.accuracy, cost.agreement):
        assert 0 <= share.interval[0] < share.value <= share.interval[1] <= 1
    assert cost.agreement.value > 0.9
    assert cost.loss == pytest.approx(100 * (cost.accuracy[0].value - cost.accuracy[1].value))


def test_without_classes_agreement_counts(fruit: Classifier, small: Subject, pixels: np.ndarray) -> None:
    found = int8.price(Subject(fruit), small, pixels[:6])
    wanted = answers(Subject(fruit), pixels[:6]).argmax(1) == answers(small, pixels[:6]).argmax(1)
    assert found.accuracy is None
    assert found.agreement.value == wanted.mean()
    assert found.loss == pytest.approx(100 * (1 - wanted.mean()))
    assert found.to_json()["accuracy"] is None


PRICE = Price(
    photos=100,
    agreement=Share(0.96, (0.90, 0.98)),
    accuracy=(Share(0.9, (0.83, 0.94)), Share(0.87, (0.79, 0.92))),
    bytes=(13_500_000, 3_500_000),
    rate=(30.0, 45.0),
)


def test_too_large_a_loss_is_refused_with_the_figures() -> None:
    with pytest.raises(ExportError) as refused:
        int8.check(PRICE)
    assert str(refused.value) == (
        "int8 loses 3.0 points of accuracy: the same class for 96.0% (90.0% to 98.0%) of 100 photos; "
        "accuracy 90.0% (83.0% to 94.0%) in float32, 87.0% (79.0% to 92.0%) in int8; "
        "weights 13.5 MB in float32, 3.5 MB in int8; 30 photos a second in float32, 45 in int8.\n"
        "Expected at most 2. Use float16, which changes far less, or a larger --max-loss."
    )
    int8.check(PRICE, max_loss=3.1)
    int8.check(replace(PRICE, accuracy=None))  # 4 points of agreement
    with pytest.raises(ExportError, match=r"loses 4\.0 points of agreement"):
        int8.check(replace(PRICE, accuracy=None), max_loss=3)


def test_openvino_files_hold_int8(small: Subject, pixels: np.ndarray, tmp_path: Path) -> None:
    openvino_writer.write(small, tmp_path / "openvino" / "model.xml")
    assert (tmp_path / "openvino" / "model.bin").stat().st_size < 400_000
    judge = OpenVINOJudge(tmp_path / "openvino" / "model.xml")
    assert np.abs(judge.run(pixels[:8]) - answers(small, pixels[:8])).max() < 1e-5


def test_onnx_runtime_computes_with_whole_numbers(small: Subject, pixels: np.ndarray, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    onnx_writer.write(small, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").stat().st_size < 400_000
    found = OnnxJudge(tmp_path / "model.onnx").run(pixels[:8])
    wanted = answers(small, pixels[:8])
    assert (found.argmax(1) == wanted.argmax(1)).all()
    assert np.abs(found - wanted).max() < 6e-2
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "as-run.onnx")
    onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "as-run.onnx").graph.node]
    convolutions = sum(type(step).__name__ == "Convolution" for step in small.raw.steps)
    assert kinds.count("QLinearConv") == convolutions


def test_int8_goes_with_the_resizing(small: Subject, pixels: np.ndarray, tmp_path: Path) -> None:
    """Pictures of the backbone's size are left as they are."""
    pytest.importorskip("onnxruntime")
    both = replace(small, with_resize=True)
    openvino_writer.write(both, tmp_path / "openvino" / "model.xml")
    onnx_writer.write(both, tmp_path / "model.onnx")
    wanted = answers(small, pixels[:3])
    assert np.abs(OpenVINOJudge(tmp_path / "openvino" / "model.xml").run(pixels[:3]) - wanted).max() < 1e-5
    judge = OnnxJudge(tmp_path / "model.onnx")
    found = np.concatenate([judge.run(one[None]) for one in pixels[:3]])
    assert np.abs(found - wanted).max() < 6e-2


@pytest.mark.parametrize("size", [64, 100, 127, 200])
def test_weights_of_any_size_are_the_same_numbers_in_onnx(size: int, tmp_path: Path) -> None:
    """int8, uint8 around 128, and uint8 around another zero."""
    pytest.importorskip("onnxruntime")
    subject = toy_exports.ToySubject(None, "int8", build=lambda x: _rounded(x, size))  # type: ignore[arg-type]
    assert any(isinstance(step, Quantize) for step in subject.raw.steps)
    onnx_writer.write(subject, tmp_path / "model.onnx")
    found = OnnxJudge(tmp_path / "model.onnx").run(toy_exports.pictures())
    assert np.abs(found - answers(subject, toy_exports.pictures())).max() < 1e-3


def _rounded(x: object, size: int) -> object:
    """Activations of 256 levels, and weights from -40 to `size` with a scale for each output."""
    op = toy_exports.op
    whole = np.random.default_rng(0).integers(-40, size, (8, 3, 3, 3))
    whole[:, 0, 0, 0] = size
    whole[:, 0, 0, 1] = 1
    weights = whole * np.linspace(0.001, 0.002, 8).reshape(8, 1, 1, 1)
    x = op.fake_quantize(x, np.float32(0), np.float32(2.55), np.float32(0), np.float32(2.55), 256)
    x = toy_exports.conv(x, weights.astype(np.float32))
    return op.add(x, toy_exports.numbers(1, 8, 1, 1))


def test_a_model_that_is_quantised_already_stays_as_it_is(shared: Path, graphs: Path, pixels: np.ndarray) -> None:
    backbone = str(shared / "backbones" / "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite")
    classifier = headstart.train(shared / "phone-fruit", backbone=backbone, store=graphs, progress=False).classifier
    with pytest.raises(ExportError, match="is quantised already, and stays so in float32 files"):
        int8.quantised(Subject(classifier), pixels[:2])


def test_quantising_reaches_for_no_network_and_prints_nothing(tmp_path: Path) -> None:
    """In a process of its own: NNCF notices pytest, and reports nothing there anyway."""
    pytest.importorskip("nncf")
    code = (
        "import sys, socket, logging, numpy as np\n"
        "def refuse(*_): raise SystemExit('a socket was opened')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "import toys\nfrom headstart.export import int8\nfrom headstart.export.subject import Subject\n"
        "x = toys.pictures(1, 8, 8, 3, kind='u8'); y = toys.channels_first(toys.op.convert(x, 'f32'))\n"
        "y = toys.pooled(toys.conv(y, toys.numbers(4, 3, 3, 3)))\n"
        "graph = toys.model({'features': y}, x)\n"
        "int8.features = lambda _: graph\n"
        "new = int8.quantised(Subject(None), np.zeros((2, 8, 8, 3), np.uint8) + 9).quantised\n"
        "assert any(node.get_type_name() == 'FakeQuantize' for node in new.get_ops())\n"
        "assert logging.getLoggerClass() is logging.Logger\n"
        "assert not [name for name in sys.modules if name.startswith('openvino_telemetry.')]\n"
    )
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(home.iterdir()) == []
