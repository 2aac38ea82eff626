"""Classifiers of every kind of source and head in every format: how far the answers are from headstart's, size, time.

    python benchmarks/export.py            # the table; minutes, most of them in the browser and in Keras
    python benchmarks/export.py --time     # the built-in backbone to ONNX, proof on 100 photos included

Formats whose runtime is not installed are left out. Photos: every third of `phone-fruit`, and of `clothing10/test`.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import headstart
from common import DATA
from headstart.export.known import FORMATS

LITE = "builtin:efficientnet-lite0"
KINDS = [
    *((LITE, "last", head) for head in ("logistic", "ridge", "centroid", "knn")),
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


def table() -> None:
    folder = DATA / "phone-fruit"
    photos = sorted(folder.rglob("*.jpg"))[::3]
    print(f"{len(photos)} photos; largest difference of a probability on photos, blends and made-up pictures")
    for source, layers, head in KINDS:
        backbone = source if source == LITE else str(DATA / "backbones" / source)
        options = headstart.Options(layers=layers)
        classifier = headstart.train(folder, backbone=backbone, head=head, options=options, progress=False).classifier
        formats = [one.name for one in FORMATS.values() if not one.unproven and not one.unwritable]
        with tempfile.TemporaryDirectory() as out:
            found = classifier.export(Path(out) / "out", formats, photos=photos, progress=False)
        print(f"{source[:40]:40} {layers:7} {head:8}", end="")
        for one in found.written:
            same = one.proof.photos.same_class == one.proof.photos.pictures
            print(f"  {one.format.name} {one.proof.largest:.1e}{'' if same else ' CLASS'}", end="")
        print(flush=True)


def timed() -> None:
    classifier = headstart.train(DATA / "clothing10", progress=False).classifier
    photos = sorted((DATA / "clothing10" / "test").rglob("*.jpg"))[::20][:100]
    with tempfile.TemporaryDirectory() as out:
        started = time.perf_counter()
        found = classifier.export(Path(out) / "out", "onnx", photos=photos, progress=False)
        seconds = time.perf_counter() - started
    sizes = [resource.getrusage(who).ru_maxrss / 1e3 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"ONNX, {found.photos} photos: {seconds:.1f} s; MB here and in the process of the proof: {sizes}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--time", action="store_true")
    timed() if parser.parse_args().time else table()
