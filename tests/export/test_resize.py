"""Files that resize photos themselves answer as headstart does, for all ways to fit a photo."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

import headstart
import toy_exports
from headstart.backbones.card import Card
from headstart.classifier.classifier import Classifier
from headstart.export.formats import onnx as onnx_writer
from headstart.export.formats import openvino as openvino_writer
from headstart.export.judges.base import Judge
from headstart.export.judges.onnx import Judge as OnnxJudge
from headstart.export.judges.openvino import Judge as OpenVINOJudge
from headstart.export.subject import Subject
from headstart.photos.images import View, load
from headstart.photos.pixels import Fit
from toys import op, ov

FORMATS = ["onnx", "openvino"]
VIEWS = [View(24, 16), View(24, 16, "crop", 0.8), View(16, 24, "pad")]
#: Height and width of photos that headstart resizes in one step, and cuts between pixels: smaller than the view, as
#: large as the view, wide, tall.
NEAR = {
    "squash": [(9, 11), (24, 16), (70, 20), (25, 48)],
    "crop": [(60, 40), (60, 56), (80, 40)],
    "pad": [(9, 11), (24, 16), (30, 60), (47, 17)],
}
#: That are first reduced by a whole number.
FAR = [(300, 400), (90, 700), (401, 77)]


@pytest.fixture(autouse=True)
def _engine_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge blocks the telemetry of its whole process; other tests get it back."""
    monkeypatch.setitem(sys.modules, "openvino_telemetry", None)


def written(tmp_path: Path, name: str, subject: Subject) -> Judge:
    if name == "onnx":
        pytest.importorskip("onnxruntime")
        onnx_writer.write(subject, tmp_path / "model.onnx")
        return OnnxJudge(tmp_path / "model.onnx")
    openvino_writer.write(subject, tmp_path / "openvino" / "model.xml")
    return OpenVINOJudge(tmp_path / "openvino" / "model.xml")


@dataclass(frozen=True)
class Pixels(Subject):
    """Answers with the pixels of the fitted photo, so that each can be compared."""

    view: View = VIEWS[0]

    @property
    def card(self) -> Card:
        return replace(CARD, view=self.view)

    @property
    def classes(self) -> tuple[str, ...]:
        return toy_exports.CLASSES

    def graph(self) -> Any:
        size = self.view.height * self.view.width * 3
        parameter = op.parameter([1, self.view.height, self.view.width, 3], ov.Type.u8, name="image")
        result = op.result(op.reshape(op.convert(parameter, "f32"), np.array([1, size]), False))
        return ov.Model([result], [parameter], "pixels")


CARD = Card("toy", "0", 1, VIEWS[0], "RGB", (0.0,) * 3, (1.0,) * 3, "x", 4, "float32")


def picture(height: int, width: int) -> np.ndarray:
    """Edges and noise, not near 0 and 255: Pillow resizes one axis before the other, by cost, and clips in between."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    noise = np.random.default_rng(0).normal(size=(height, width, 3)) * 15
    edges = 40 * np.sign(np.sin(20 * x) + np.cos(13 * y))
    return np.clip(128 + edges[..., None] + noise, 0, 255).astype(np.uint8)


def differences(tmp_path: Path, name: str, view: View, size: tuple[int, int]) -> np.ndarray:
    given = picture(*size)
    Image.fromarray(given).save(tmp_path / "photo.png")
    subject = Pixels(None, with_resize=True, view=view)  # type: ignore[arg-type]
    found = written(tmp_path, name, subject).run(given[None]).reshape(view.height, view.width, 3)
    return np.abs(found - load(tmp_path / "photo.png", view))


@pytest.mark.parametrize(("view", "size"), [(view, size) for view in VIEWS for size in NEAR[view.fit]])
@pytest.mark.parametrize("name", FORMATS)
def test_pixels_are_those_of_headstart(name: str, view: View, size: tuple[int, int], tmp_path: Path) -> None:
    found = differences(tmp_path, name, view, size)
    if view.fit == "crop":
        found = found[2:-2, 2:-2]  # Pillow looks beyond the cut at its edges
    assert found.max() <= 1  # a level of rounding between the axes
    assert found.mean() < 0.4


@pytest.mark.parametrize("size", FAR)
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.fit)
@pytest.mark.parametrize("name", FORMATS)
def test_pixels_of_large_photos_hardly_differ(name: str, view: View, size: tuple[int, int], tmp_path: Path) -> None:
    assert differences(tmp_path, name, view, size).mean() < 1


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize("name", FORMATS)
def test_real_photos_get_the_same_class(
    name: str, fit: Fit, fruit: Classifier, photos: list[Path], tmp_path: Path
) -> None:
    classifier = replace(fruit, backbone=fruit.backbone.with_fit(fit))
    judge = written(tmp_path, name, Subject(classifier, with_resize=True))
    wanted = classifier.predict_proba(photos)
    found = np.concatenate([judge.run(upright(photo)[None]) for photo in photos])
    assert (found.argmax(1) == wanted.argmax(1)).all()
    assert np.abs(found - wanted).max() < 2e-2


def upright(photo: Path) -> np.ndarray:
    with Image.open(photo) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


@pytest.fixture(scope="module")
def fruit(shared: Path, graphs: Path) -> Classifier:
    return headstart.train(shared / "phone-fruit", store=graphs, progress=False).classifier


@pytest.fixture(scope="module")
def photos(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four as they are, four turned by their EXIF, a wide and a tall cut."""
    found = sorted((shared / "phone-fruit").rglob("*.jpg"))[::9][:6]
    folder = tmp_path_factory.mktemp("photos")
    for i, photo in enumerate(found[:4]):
        with Image.open(photo) as image:
            exif = Image.Exif()
            exif[0x0112] = (3, 6, 8, 5)[i]
            image.save(folder / f"turned{i}.jpg", exif=exif, quality=95)
            width, height = image.size
            image.crop((0, height // 4, width, 3 * height // 4)).save(folder / f"wide{i}.jpg", quality=95)
            image.crop((width // 4, 0, 3 * width // 4, height)).save(folder / f"tall{i}.jpg", quality=95)
    return [*found, *sorted(folder.iterdir())]


def test_the_input_of_onnx_has_any_height_and_width(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    onnx_writer.write(Pixels(None, with_resize=True), tmp_path / "model.onnx")  # type: ignore[arg-type]
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == [1, "height", "width", 3]


@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_operators_of_the_later_opset_give_the_same_answers(name: str, tmp_path: Path) -> None:
    """Pictures of the right size are left as they are by the resizing."""
    pytest.importorskip("onnxruntime")
    program = toy_exports.subject(name).first
    view = View(toy_exports.SIZE, toy_exports.SIZE)
    (tmp_path / "model.onnx").write_bytes(onnx_writer.encoded(program, toy_exports.CLASSES, view))
    judge = OnnxJudge(tmp_path / "model.onnx")
    found = np.concatenate([judge.run(one[None]) for one in toy_exports.pictures()])
    assert np.abs(found - toy_exports.answers(name)).max() < 1e-5
