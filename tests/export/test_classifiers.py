"""Classifiers of every kind of source and head, exported in every format and proven on real photos."""

from __future__ import annotations

from pathlib import Path

import pytest

import headstart
from headstart.export.known import FORMATS

pytestmark = pytest.mark.slow
pytest.importorskip("onnxruntime")

LITE = "builtin:efficientnet-lite0"
#: Backbone, layers, head.
KINDS = [
    (LITE, "last", "logistic"),
    (LITE, "last", "lda"),
    (LITE, "last", "ridge"),
    (LITE, "last", "centroid"),
    (LITE, "last", "knn"),
    (LITE, "several", "logistic"),
    ("mobilenet_v2_0.35_224_savedmodel", "last", "logistic"),
    ("mobilenet_v2_0.35_224_savedmodel", "several", "centroid"),
    ("mobilenet_v2_0.35_224.onnx", "last", "ridge"),
    ("mobilenet_v2_0.35_224.onnx", "last", "knn"),
    ("mobilenet_v1_0.25_224_float.tflite", "last", "logistic"),
    ("mobilenet_v1_0.25_224_float.tflite", "several", "ridge"),
    ("mobilenet_v1_1.0_224_quant_embedding_extractor.tflite", "last", "logistic"),
    ("mobilenet_v2_1.0_224_quant.tflite", "last", "centroid"),
    ("mobilenet_v2_1.0_224_quant.tflite", "several", "logistic"),
    ("mobilenet_v2_1.0_224_uint8_nchw.onnx", "last", "logistic"),
]
#: Keras and the browser take seconds to start: they are asked for one classifier of each kind of source.
SLOW = {"keras", "tfjs", "page"}
WHOLE = [KINDS[i] for i in (3, 5, 12)]


@pytest.mark.parametrize(("source", "layers", "head"), KINDS)
def test_every_format_gives_the_same_answers(source: str, layers: str, head: str, shared: Path, tmp_path: Path) -> None:
    folder = shared / "phone-fruit"
    backbone = source if source == LITE else str(shared / "backbones" / source)
    options = headstart.Options(layers=layers)  # type: ignore[arg-type]
    training = headstart.train(folder, backbone=backbone, head=head, options=options, progress=False)  # type: ignore[arg-type]
    photos = sorted(folder.rglob("*.jpg"))[::7]
    here = [one.name for one in FORMATS.values() if not one.unproven and not one.unwritable]
    formats = [name for name in here if name not in SLOW or (source, layers, head) in WHOLE]
    found = training.classifier.export(tmp_path / "out", formats, photos=photos, progress=False)
    assert {"openvino", "arrays"} <= {one.format.name for one in found.written}  # type: ignore[attr-defined]
    for one in found.written:  # type: ignore[attr-defined]
        assert one.proof is not None
        assert one.proof.faults == ()
        assert one.proof.photos.same_class == one.proof.photos.pictures
        if one.precision == "float32" and not source.endswith(("quant.tflite", "extractor.tflite", "uint8_nchw.onnx")):
            assert one.proof.largest <= 1e-5


@pytest.mark.tensorflow
@pytest.mark.parametrize(("source", "layers", "head"), [KINDS[i] for i in (3, 4, 5, 12)])
def test_savedmodel_gives_the_same_answers(source: str, layers: str, head: str, shared: Path, tmp_path: Path) -> None:
    test_every_format_gives_the_same_answers(source, layers, head, shared, tmp_path)
