"""Classifiers of every kind of source and head, exported in every format and proven on real photos."""

from __future__ import annotations

from pathlib import Path

import pytest

import headstart
from headstart.export.known import FORMATS

pytestmark = pytest.mark.slow
pytest.importorskip("onnxruntime")

LITE = "builtin:efficientnet-lite0"
#: Backbone, layers, head: every backbone with the layers that it has, every head twice or more. A head is written as
#: the same steps behind every backbone, so not every pair is needed.
KINDS = [
    (LITE, "last", "logistic"),
    (LITE, "several", "lda"),
    ("mobilenet_v2_0.35_224_savedmodel", "last", "knn"),
    ("mobilenet_v2_0.35_224_savedmodel", "several", "centroid"),
    ("mobilenet_v2_0.35_224.onnx", "last", "ridge"),
    ("mobilenet_v1_0.25_224_float.tflite", "last", "knn"),
    ("mobilenet_v1_0.25_224_float.tflite", "several", "ridge"),
    ("mobilenet_v1_1.0_224_quant_embedding_extractor.tflite", "last", "logistic"),
    ("mobilenet_v2_1.0_224_quant.tflite", "last", "centroid"),
    ("mobilenet_v2_1.0_224_quant.tflite", "several", "logistic"),
    ("mobilenet_v2_1.0_224_uint8_nchw.onnx", "last", "lda"),
]
#: Keras and the browser take seconds to start: they are asked for one classifier of each kind of source.
SLOW = {"keras", "tfjs", "page"}
WHOLE = [KINDS[i] for i in (1, 3, 7)]
HERE = [one.name for one in FORMATS.values() if not one.unproven and not one.unwritable]


@pytest.mark.parametrize(("source", "layers", "head"), KINDS)
def test_every_format_gives_the_same_answers(
    source: str, layers: str, head: str, shared: Path, graphs: Path, tmp_path: Path
) -> None:
    formats = [name for name in HERE if name not in SLOW or (source, layers, head) in WHOLE]
    assert {"openvino", "arrays"} <= set(formats)
    check(formats, source, layers, head, shared / "phone-fruit", graphs, tmp_path)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("source", "layers", "head"), [KINDS[i] for i in (1, 2, 3, 7)])
def test_savedmodel_gives_the_same_answers(
    source: str, layers: str, head: str, shared: Path, graphs: Path, tmp_path: Path
) -> None:
    check(["savedmodel"], source, layers, head, shared / "phone-fruit", graphs, tmp_path)


def check(formats: list[str], source: str, layers: str, head: str, fruit: Path, store: Path, tmp_path: Path) -> None:
    """Train on photos of fruit, and write and prove these formats."""
    backbone = source if source == LITE else str(fruit.parent / "backbones" / source)
    options = headstart.Options(layers=layers)  # type: ignore[arg-type]
    training = headstart.train(fruit, backbone=backbone, head=head, options=options, store=store, progress=False)  # type: ignore[arg-type]
    photos = sorted(fruit.rglob("*.jpg"))[::7]
    found = training.classifier.export(tmp_path / "out", formats, photos=photos, progress=False)
    assert {one.format.name for one in found.written} == {*formats}  # type: ignore[attr-defined]
    for one in found.written:  # type: ignore[attr-defined]
        assert one.proof is not None
        assert one.proof.faults == ()
        assert one.proof.photos.same_class == one.proof.photos.pictures
        if one.precision == "float32" and not source.endswith(("quant.tflite", "extractor.tflite", "uint8_nchw.onnx")):
            assert one.proof.largest <= 1e-5
