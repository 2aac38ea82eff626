"""Networks on this disk: their formats and hashes, what is known of them, their labels, and saved cards."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headstart
from fakes import FakeBackbone, write_photos
from headstart import backbones
from headstart.backbones import labels, local
from headstart.backbones import plugins as sources
from headstart.backbones.base import Backbone
from headstart.backbones.card import Card
from headstart.backbones.graph import files
from headstart.backbones.graph.metadata import hints_of
from headstart.backbones.hints import Hints, Options
from headstart.backbones.local import LocalModel
from headstart.backbones.ranges import known
from headstart.backbones.ranges.feeds import RANGES, Feed, feed_of
from headstart.backbones.runtimes.openvino.backbone import OpenVINOBackbone
from headstart.classifier.as_is import classify
from headstart.classifier.classifier import Classifier
from headstart.errors import BackboneError
from headstart.progress import Silent
from headstart.sklearn import FeatureExtractor
from toys import channels_first, conv, dense, model, numbers, op, pictures, pooled, save, softmax

pytestmark = pytest.mark.usefixtures("toys_need_no_child")
PICTURES = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
#: What the toys here compute: each picture's mean red, green and blue, as they come in, mixed by this.
MIX = numbers(5, 3)


def toy(
    path: Path, kind: str = "f32", layout: str = "NHWC", mix: np.ndarray = MIX, name: str = "out", classes: int = 0
) -> Path:
    """Save a toy of 4x4 pictures: `pooled(picture) @ mix.T`, and a layer of `classes` logits on it."""
    image = pictures(1, 4, 4, 3, kind=kind) if layout == "NHWC" else pictures(1, 3, 4, 4, kind=kind)
    x = op.convert(image, "f32")
    x = pooled(conv(channels_first(x) if layout == "NHWC" else x, mix))
    return save(model({name: dense(x, numbers(len(mix), classes)) if classes else x}, image), path)


def load(path: Path, options: Options | None = None, hints: Hints | None = None) -> OpenVINOBackbone:
    return local.open_model(LocalModel(str(path), path, hints or Hints()), options or Options(), "float32", None)


def expected(mean: Any, scale: Any, mix: np.ndarray = MIX, reverse: bool = False) -> np.ndarray:
    x = (PICTURES.astype(np.float64) - np.array(mean)) / np.array(scale)
    return x[..., :: -1 if reverse else 1].mean(axis=(1, 2)) @ mix.T


# --- files ---


def test_formats_are_told_by_ending_and_content(tmp_path: Path) -> None:
    for name, kind in {
        "a.tflite": "tflite",
        "b.ONNX": "onnx",
        "c.xml": "openvino",
        "d.h5": "keras",
        "e.hdf5": "keras",
        "f.keras": "keras",
    }.items():
        (tmp_path / name).write_bytes(b"x")
        assert files.format_of(tmp_path / name) == kind
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"x")
    assert files.format_of(folder) == "savedmodel"
    (folder / "tfhub_module.pb").write_bytes(b"x")
    assert files.format_of(folder) == "tf1hub"


def test_what_is_no_network_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "folder").mkdir()
    for name, words in {
        "nothing.onnx": r"There is no model .*nothing.onnx.\nExpected a SavedModel folder, or a file .tflite, .onnx",
        "notes.txt": "notes.txt is not a model of a known format.\nExpected a SavedModel folder",
        "folder": "folder .* contains no SavedModel.\nExpected saved_model.pb in it; it contains nothing",
        ".": "contains no SavedModel.\nExpected saved_model.pb in it; it contains folder, notes.txt",
    }.items():
        with pytest.raises(BackboneError, match=words):
            backbones.load(str(tmp_path / name))


def test_a_file_that_is_not_what_its_ending_says_is_told(tmp_path: Path) -> None:
    for name in ("a.onnx", "a.xml"):
        for content in (b"", b"<html>not found</html>" * 9):
            path = tmp_path / name
            path.write_bytes(content)
            with pytest.raises(BackboneError, match=r"cannot be read by OpenVINO: .*\nExpected a complete model"):
                backbones.load(str(path))


def test_a_renamed_network_has_the_same_hash_and_a_changed_one_another(tmp_path: Path) -> None:
    first = toy(tmp_path / "first.xml")
    other = tmp_path / "elsewhere" / "other.xml"
    other.parent.mkdir()
    shutil.copy(first, other)
    shutil.copy(first.with_suffix(".bin"), other.with_suffix(".bin"))
    assert files.weights_hash(other) == files.weights_hash(first)
    weights = bytearray(other.with_suffix(".bin").read_bytes())
    weights[0] ^= 1
    other.with_suffix(".bin").write_bytes(weights)
    assert files.weights_hash(other) != files.weights_hash(first)


def test_of_a_savedmodel_graph_and_variables_count_and_nothing_else(tmp_path: Path) -> None:
    def write(name: str) -> Path:
        folder = tmp_path / name
        for part in ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"):
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            (folder / part).write_bytes(part.encode() * 9)
        return folder

    first, second = write("first"), write("second")
    assert files.weights_hash(first) == files.weights_hash(second)
    (second / "assets").mkdir()
    (second / "assets" / "notes.txt").write_text("a note")
    (second / "keras_metadata.pb").write_text("more")
    assert files.weights_hash(first) == files.weights_hash(second)
    for part in files.parts(second):
        good = part.read_bytes()
        part.write_bytes(good[:-1] + b"?")
        assert files.weights_hash(first) != files.weights_hash(second)
        part.write_bytes(good)
    part = second / "variables" / "variables.index"
    part.rename(part.with_name("variables.other"))
    assert files.weights_hash(first) != files.weights_hash(second)


def external(name: str) -> bytes:
    """What an ONNX file holds of a tensor that lies in another file: StringStringEntryProto("location", name)."""
    size = len(name.encode())
    length = bytes([size]) if size < 128 else bytes([128 | size & 127, size >> 7])
    return b"\x0a\x08location\x12" + length + name.encode()


@pytest.mark.parametrize("name", ["weights.bin", "conv1.weight", "model.onnx_data", "w" * 200])
def test_an_onnx_files_external_data_count_whatever_their_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x07 before " + external(name) + b" after")
    alone = files.weights_hash(path)
    (tmp_path / name).write_bytes(b"1")
    first = files.weights_hash(path)
    (tmp_path / name).write_bytes(b"2")
    assert len({alone, first, files.weights_hash(path)}) == 3
    assert files.parts(path) == (path, tmp_path / name)


def test_what_lies_beside_an_onnx_file_by_chance_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"a graph that speaks of data.bin and metadata")
    alone = files.weights_hash(path)
    for name in ("data.bin", "metadata", "other.onnx_data"):
        (tmp_path / name).write_bytes(b"x")
    assert files.weights_hash(path) == alone


# --- TFLite metadata ---


def vector(element: str, items: list[Any]) -> bytes:
    return struct.pack(f"<I{len(items)}{element}", len(items), *items)


class Flat:
    """Writes a flatbuffer: tables after those that name them, each with its vtable before it."""

    def __init__(self) -> None:
        self.data = bytearray(b"\0\0\0\0TFL3")

    def put(self, blob: bytes) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        at = len(self.data)
        self.data += blob
        return at

    def table(self, fields: dict[int, tuple[str, Any]]) -> int:
        """Fields by number: ("B", 1) a byte, ("I", 1) a number, ("ref", place) an offset to fill in."""
        places, body = {}, bytearray(4)
        for number, (form, value) in fields.items():
            body += b"\0" * (-len(body) % 4)
            places[number] = len(body)
            body += struct.pack("<B", value) if form == "B" else bytes(4) if form == "ref" else struct.pack("<I", value)
        count = max(fields, default=-1) + 1
        vtable = struct.pack(f"<{2 + count}H", 4 + 2 * count, len(body), *(places.get(i, 0) for i in range(count)))
        start = self.put(vtable)
        at = self.put(bytes(body))
        struct.pack_into("<i", self.data, at, at - start)
        for number, (form, value) in fields.items():
            if form == "ref":
                self.later.append((at + places[number], value))
        return at

    later: list[tuple[int, Callable[[], int]]]

    def finish(self, root: Callable[[], int]) -> bytes:
        self.later = [(0, root)]
        while self.later:
            place, make = self.later.pop()
            struct.pack_into("<I", self.data, place, make() - place)
        return bytes(self.data)

    def text(self, words: str) -> Callable[[], int]:
        return lambda: self.put(vector("B", list(words.encode())))

    def blob(self, data: bytes) -> Callable[[], int]:
        return lambda: self.put(vector("B", list(data)))

    def floats(self, items: list[float]) -> Callable[[], int]:
        return lambda: self.put(vector("f", items))

    def tables(self, *fields: dict[int, tuple[str, Any]]) -> Callable[[], int]:
        def write() -> int:
            at = self.put(vector("I", [0] * len(fields)))
            for i, one in enumerate(fields):
                self.later.append((at + 4 + 4 * i, lambda one=one: self.table(one)))
            return at

        return write


def described(mean: list[float], scale: list[float], licence: str = "Apache-2.0") -> bytes:
    """A TFLite file's first bytes with metadata: `ModelMetadata` in a buffer of `Model`, named TFLITE_METADATA."""
    inner = Flat()
    options = {0: ("ref", inner.floats(mean)), 1: ("ref", inner.floats(scale))}
    unit = {0: ("B", 1), 1: ("ref", lambda: inner.table(options))}
    image = {4: ("ref", inner.tables(unit))}
    graph = {2: ("ref", inner.tables(image))}
    about = {3: ("ref", inner.tables(graph)), 5: ("ref", inner.text(licence))}
    metadata = inner.finish(lambda: inner.table(about))
    outer = Flat()
    name = {0: ("ref", outer.text("TFLITE_METADATA")), 1: ("I", 1)}
    buffers = outer.tables({}, {0: ("ref", outer.blob(metadata))})
    return outer.finish(lambda: outer.table({4: ("ref", buffers), 6: ("ref", outer.tables(name))}))


def test_tflite_metadata_tell_range_licence_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(described([127.5], [127.5]))
    hints = hints_of(path, "tflite")
    assert hints == Hints(Feed(*RANGES["-1..1"], origin="metadata"), licence="Apache-2.0")
    path.write_bytes(described([123.675, 116.28, 103.53], [58.395, 57.12, 57.375], "MIT\n  licence"))
    found = hints_of(path, "tflite")
    assert found.feed is not None
    np.testing.assert_allclose(found.feed.mean, RANGES["imagenet"][0], rtol=1e-6)
    assert found.licence == "MIT licence"
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "cat\ndog\n")
    assert hints_of(path, "tflite").labels == ("cat", "dog")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels_de.txt", "Katze\nHund\n")
    assert hints_of(path, "tflite").labels == ()  # which of the two is not for us to say


def test_a_tflite_file_without_metadata_tells_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    flat = Flat()
    path.write_bytes(flat.finish(lambda: flat.table({4: ("ref", flat.tables({}))})))
    assert hints_of(path, "tflite") == Hints()


@pytest.mark.parametrize("scale", [[], [0.0], [1.0, 2.0], [1.0, 2.0, float("nan")]])
def test_a_range_that_is_none_is_told(tmp_path: Path, scale: list[float]) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(described([127.5], scale))
    with pytest.raises(BackboneError, match=r"model.tflite is damaged: .*\nDownload it again"):
        hints_of(path, "tflite")


def test_damaged_metadata_are_told_and_never_crash(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    good = described([127.5], [127.5])
    rng = np.random.default_rng(0)
    told = 0
    for cut in range(0, len(good), 7):
        path.write_bytes(good[:cut])
        with pytest.raises(BackboneError, match=r"is damaged: .*\nDownload it again"):
            hints_of(path, "tflite")
    for _ in range(500):
        damaged = bytearray(good)
        for place in rng.integers(0, len(good), 3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            hints_of(path, "tflite")
        except BackboneError:
            told += 1
    assert told > 100


def test_an_offset_before_the_file_is_damage_and_not_its_end(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(struct.pack("<I4si", 8, b"TFL3", 100) + bytes(200))
    with pytest.raises(BackboneError, match="is damaged: an offset points outside"):
        hints_of(path, "tflite")


def test_damaged_labels_are_told(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(described([127.5], [127.5]))
    start = path.stat().st_size
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.txt", "\n".join(f"class {i}" for i in range(99)))
    good = path.read_bytes()
    for place in range(start + 40, start + 60):
        path.write_bytes(good[:place] + bytes([good[place] ^ 255]) + good[place + 1 :])
        with pytest.raises(BackboneError, match=r"labels in .* cannot be read"):
            hints_of(path, "tflite")


def test_the_shared_tflite_networks_tell_nothing_wrong(shared: Path) -> None:
    found = {path.name: hints_of(path, "tflite") for path in (shared / "backbones").glob("*.tflite")}
    assert {name: (hints.feed and hints.feed.name, len(hints.labels)) for name, hints in found.items()} == {
        "mobilenet_v1_0.25_224_float.tflite": (None, 0),
        "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite": (None, 0),
        "mobilenet_v2_1.0_224_quant.tflite": ("-1..1", 1001),
    }


# --- Hugging Face ---


def hugging_face(folder: Path, pre: Any = None, config: Any = None) -> Hints:
    """What `preprocessor_config.json` and `config.json` beside an ONNX file say."""
    for name, content in (("preprocessor_config.json", pre), ("config.json", config)):
        (folder / name).unlink(missing_ok=True)
        if content is not None:
            (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return hints_of(folder / "model.onnx", "onnx")


IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}


@pytest.mark.parametrize(
    ("pre", "name"),
    [
        ({"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, **IMAGENET}, "imagenet"),
        ({"do_normalize": True, **HALF}, "-1..1"),  # ViT's feature extractor of 2021: rescaling is not mentioned
        ({"do_rescale": True, "do_normalize": False, **HALF}, "0..1"),
        ({"do_rescale": False, "do_normalize": False}, "0..255"),
        ({"do_rescale": True, "do_flip_channel_order": True}, "0..1, BGR"),  # MobileViT
        ({"do_rescale": False, "do_normalize": True, "image_mean": [127.5] * 3, "image_std": [127.5] * 3}, "-1..1"),
        ({"do_rescale": True, "rescale_factor": 1 / 127.5, "image_mean": [1, 1, 1], "image_std": [1, 1, 1]}, "-1..1"),
        ({"image_mean": [0.5], "image_std": [0.5]}, "-1..1"),
    ],
)
def test_the_range_of_hugging_faces_processors_is_read(tmp_path: Path, pre: Any, name: str) -> None:
    feed = hugging_face(tmp_path, pre).feed
    assert feed is not None
    assert (feed.name, feed.origin) == (name, "metadata")


@pytest.mark.parametrize(
    ("pre", "size", "crop"),
    [
        ({"size": 224}, (224, 224), None),
        ({"size": {"height": 192, "width": 256}}, (192, 256), None),
        ({"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": 224}, (224, 224), 0.875),
        ({"size": 256, "do_center_crop": True, "crop_size": {"height": 224, "width": 224}}, (224, 224), 0.875),
        ({"size": {"shortest_edge": 224}, "do_center_crop": True, "crop_size": 224}, (224, 224), 1.0),
        ({"size": 256, "do_center_crop": False, "crop_size": 224}, (256, 256), None),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.9}, (224, 224), 0.9),  # ConvNeXt
        ({"do_resize": False}, None, None),
    ],
)
def test_size_and_crop_of_hugging_faces_processors_are_read(
    tmp_path: Path, pre: Any, size: tuple[int, int] | None, crop: float | None
) -> None:
    hints = hugging_face(tmp_path, pre)
    assert (hints.size, hints.crop) == (size, crop)
    assert hints.feed is None


def test_names_kind_and_licence_are_read_from_the_config(tmp_path: Path) -> None:
    config = {
        "id2label": {"1": "dog", "0": "cat", "2": "bird"},
        "architectures": ["ViTForImageClassification"],
        "license": "apache-2.0",
    }
    hints = hugging_face(tmp_path, None, config)
    assert hints == Hints(labels=("cat", "dog", "bird"), kind="classification", licence="apache-2.0")
    assert hugging_face(tmp_path, None, {"architectures": ["ViTModel"]}) == Hints()
    assert hugging_face(tmp_path) == Hints()


def test_the_files_above_the_folder_onnx_count_too(tmp_path: Path) -> None:
    hugging_face(tmp_path, {"do_normalize": True, **HALF})
    assert hints_of(tmp_path / "onnx" / "model.onnx", "onnx").feed == feed_of("-1..1", "metadata")
    assert hints_of(tmp_path / "other" / "model.onnx", "onnx") == Hints()


@pytest.mark.parametrize(
    "pre",
    [
        {"do_normalize": True},
        {"do_normalize": True, "image_mean": [0.5, 0.5], "image_std": [0.5, 0.5]},
        {"do_normalize": True, "image_mean": [0.5], "image_std": [0]},
        {"do_rescale": True, "rescale_factor": 0},
        {"do_rescale": True, "rescale_factor": "a half"},
        {"size": {"longest_edge": 224}},
        {"size": [224, 224]},
        {"size": float("inf")},
    ],
)
def test_what_is_not_understood_is_told_with_a_way_on(tmp_path: Path, pre: Any) -> None:
    with pytest.raises(BackboneError, match=r"cannot be used: (?s:.*)Pass --input-range"):
        hugging_face(tmp_path, pre)


def test_json_that_is_none_is_told(tmp_path: Path) -> None:
    for damaged in ("{", "<html>", "\x00"):
        with pytest.raises(BackboneError, match=r"preprocessor_config.json cannot be read: .*\nDownload it again"):
            hugging_face(tmp_path, damaged)
    with pytest.raises(BackboneError, match="cannot be used"):
        hugging_face(tmp_path, None, {"id2label": {"0": "cat", "2": "dog"}})


# --- how pixels enter ---


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("-1..1", "-1..1"), ("[-1, 1]", "-1..1"), ("-1,1", "-1..1"), ("[-1,1],bgr", "-1..1, BGR"), ("0..1", "0..1"),
        ("(0, 1)", "0..1"), ("0 to 255", "0..255"), ("imagenet", "imagenet"), ("imagenet,BGR", "imagenet, BGR"),
        ("ImageNet, bgr", "imagenet, BGR"), ("0..255, RGB", "0..255"),
    ],
)  # fmt: skip
def test_input_ranges_are_read_as_people_write_them(text: str, name: str) -> None:
    assert feed_of(text).name == name
    assert feed_of(text) == feed_of(name)
    assert Options(text).feed == feed_of(text)
    assert feed_of(text).origin == "given"


@pytest.mark.parametrize("text", ["0..2", "imagenet,GRB", "BGR", ",BGR", "-1", "1..-1", "nonsense", " "])
def test_nonsense_as_an_input_range_is_refused(text: str) -> None:
    with pytest.raises(BackboneError, match=r"There is no input range '.*'.\nExpected 0..1, -1..1, 0..255, imagenet"):
        Options(text)


def test_other_layers_are_refused() -> None:
    with pytest.raises(BackboneError, match=r"There is no choice of layers 'all'.\nExpected last or several"):
        Options(layers="all")  # type: ignore[arg-type]


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("name", RANGES)
def test_pixels_enter_as_the_range_says_and_means_follow_their_channel(
    tmp_path: Path, name: str, order: str, layout: str
) -> None:
    network = load(toy(tmp_path / "toy.xml", layout=layout), Options(f"{name},{order}"))
    assert network.card.channels == order
    assert (network.card.mean, network.card.scale) == RANGES[name]
    answer = expected(*RANGES[name], reverse=order == "BGR")
    np.testing.assert_allclose(network.embed(PICTURES), answer, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize(("kind", "mean"), [("u8", 0), ("i8", 128)])
def test_a_quantised_network_gets_pixels_as_they_are_or_moved_by_128(
    tmp_path: Path, kind: str, mean: int, order: str
) -> None:
    network = load(toy(tmp_path / "toy.xml", kind=kind), Options("" if order == "RGB" else "0..255,BGR"))
    assert network.card.range_from == "network"
    assert network.card.doubt == ""
    answer = expected(mean, 1, reverse=order == "BGR")
    np.testing.assert_allclose(network.embed(PICTURES), answer, rtol=1e-4, atol=1e-3)
    with pytest.raises(
        BackboneError,
        match=r"is quantised: it takes pixels 0..255 as they are.\nExpected --input-range 0..255 or 0..255,BGR;",
    ):
        load(tmp_path / "toy.xml", Options("-1..1"))


def test_half_precision_inputs_work(tmp_path: Path) -> None:
    network = load(toy(tmp_path / "toy.xml", kind="f16"), Options("-1..1"))
    np.testing.assert_allclose(network.embed(PICTURES), expected(*RANGES["-1..1"]), rtol=1e-2, atol=1e-2)


def test_who_knows_best_decides_the_range(tmp_path: Path) -> None:
    path = toy(tmp_path / "toy.xml")
    weights = files.weights_hash(path)

    def feed(options: Options | None = None, hints: Hints | None = None) -> tuple[str, str]:
        card = load(path, options, hints).card
        assert (card.doubt == "") == (card.range_from != "assumed")
        return card.feed.name, card.range_from

    assert feed() == ("-1..1", "assumed")
    hub = Hints(feed=feed_of("0..1", "hub"))
    assert feed(None, hub) == ("0..1", "hub")
    known.keep(weights, feed_of("0..255"), {})
    assert feed(None, hub) == ("0..255", "probe")
    assert feed(Options("imagenet,BGR"), hub) == ("imagenet, BGR", "given")


def test_what_the_file_says_counts_more_than_what_its_publisher_says_of_all() -> None:
    hub = Hints(feed_of("0..1", "hub"), (9, 9), 0.5, ("a",), "feature_vector", "MIT")
    own = Hints(feed_of("-1..1", "metadata"), (8, 8), 1.0, ("b",), "classification", "BSD")
    assert own.completed_by(hub) == replace(own, kind="feature_vector")
    assert Hints().completed_by(hub) == hub


def test_where_nobody_knows_the_commonest_of_its_kind_is_assumed_and_said(tmp_path: Path) -> None:
    last, first = load(toy(tmp_path / "last.xml")), load(toy(tmp_path / "first.xml", layout="NCHW"))
    assert (last.card.feed.name, first.card.feed.name) == ("-1..1", "imagenet")
    for card in (last.card, first.card):
        assert card.range_from == "assumed"
        assert "is not known" in card.doubt
        assert f"headstart backbones probe {card.handle} PHOTOS" in card.doubt
        assert "--input-range" in card.doubt


def test_the_built_in_network_takes_no_range() -> None:
    with pytest.raises(BackboneError, match="The input range of builtin:efficientnet-lite0 is known"):
        backbones.load(options=Options("0..1"))


def test_the_order_of_a_quantised_network_that_was_probed_is_used(tmp_path: Path) -> None:
    path = toy(tmp_path / "toy.xml", kind="u8")
    known.keep(files.weights_hash(path), feed_of("0..255,BGR"), {})
    card = load(path).card
    assert (card.channels, card.range_from) == ("BGR", "network")


@pytest.mark.parametrize(
    "damage",
    [
        "", "{", "[]", '{"feed": {}}', '{"feed": null}',
        '{"feed": {"mean": [0, 0], "scale": [1, 1, 1], "channels": "RGB"}}',
        '{"feed": {"mean": [0, 0, 0], "scale": [1, 0, 1], "channels": "RGB"}}',
        '{"feed": {"mean": [0, 0, 0], "scale": [1, 1, 1], "channels": "GRB"}}',
        '{"feed": {"mean": [0, 0, 0], "scale": ["a", 1, 1], "channels": "RGB"}}',
    ],
)  # fmt: skip
def test_a_damaged_range_that_was_kept_is_told(tmp_path: Path, damage: str) -> None:
    path = toy(tmp_path / "toy.xml")
    known.keep(files.weights_hash(path), feed_of("0..255"), {}).write_text(damage)
    with pytest.raises(BackboneError, match=r"kept input range .* cannot be read: .*\nRemove it and run headstart"):
        load(path)
    assert load(path, Options("0..1")).card.range_from == "given"


# --- classes ---


@pytest.mark.parametrize("classes", [1000, 1001])
def test_lists_of_1000_and_1001_are_never_off_by_one(tmp_path: Path, classes: int) -> None:
    path = toy(tmp_path / "toy.xml", classes=classes)
    network = load(path, Options("0..1"))
    assert (network.card.classes, len(network.labels)) == (classes, classes)
    assert network.labels[-1000:] == labels.imagenet()
    assert network.labels[classes - 1000 + 985] == "daisy"
    assert (network.labels[0] == "background") == (classes == 1001)
    p = softmax(expected(*RANGES["0..1"]) @ numbers(5, classes))
    np.testing.assert_allclose(network.classify(PICTURES), p, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(network.embed(PICTURES), expected(*RANGES["0..1"]), rtol=1e-4, atol=1e-5)


def test_names_that_came_with_a_network_are_its_own_if_their_number_is_right(tmp_path: Path) -> None:
    path = toy(tmp_path / "toy.xml", classes=4, name="logits")
    assert load(path, hints=Hints(labels=("a", "b", "c", "d"))).labels == ("a", "b", "c", "d")
    assert load(path, hints=Hints(labels=("a", "b", "c"))).labels == ()
    thousand = toy(tmp_path / "thousand.xml", classes=1000)
    own = tuple(f"class {i}" for i in range(1000))
    assert load(thousand, hints=Hints(labels=own)).labels == own
    assert load(thousand, hints=Hints(labels=own[1:])).labels == labels.imagenet()


def test_a_number_of_classes_without_names_leaves_features(tmp_path: Path) -> None:
    network = load(toy(tmp_path / "toy.xml", classes=7, name="logits"), Options("0..1"))
    assert (network.card.classes, network.labels) == (0, ())
    np.testing.assert_allclose(network.embed(PICTURES), expected(*RANGES["0..1"]), rtol=1e-4, atol=1e-5)
    with pytest.raises(BackboneError, match=r"toy.xml has no classes of its own(?s:.*)Expected a classifier"):
        network.classify(PICTURES)


def test_an_assumed_range_is_a_warning_where_nobody_watches(tmp_path: Path) -> None:
    path = toy(tmp_path / "toy.xml", classes=1000)
    (photo,) = write_photos(tmp_path, {"red": 1})
    with pytest.warns(UserWarning, match=r"input range of .*toy.xml is not known; -1..1 is assumed"):
        answer = classify([photo], str(path), top=2)
    assert len(answer.photos[0].guesses) == 2
    with pytest.warns(UserWarning, match=r"-1..1 is assumed"):
        FeatureExtractor(str(path)).transform([photo])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classify([photo], str(path), options=Options("0..1"))


def test_a_watcher_is_told_of_an_assumed_range_and_nobody_warned(tmp_path: Path) -> None:
    path = toy(tmp_path / "toy.xml")
    said: list[str] = []

    class Ear(Silent):
        def message(self, text: str) -> None:
            said.append(text)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        backbones.load(str(path), progress=Ear())
    assert len(said) == 1
    assert "-1..1 is assumed" in said[0]


# --- cards ---


def test_a_card_survives_json_with_how_its_range_is_known_and_its_layers(tmp_path: Path) -> None:
    card = load(toy(tmp_path / "toy.xml")).card
    for one in (card, replace(card, range_from="probe", layers="several"), replace(card, channels="BGR")):
        assert Card.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_a_key_depends_on_layers_and_range_but_not_on_how_it_is_known(tmp_path: Path) -> None:
    card = load(toy(tmp_path / "toy.xml")).card
    assert replace(card, range_from="given").key == card.key
    assert load(tmp_path / "toy.xml", Options("-1..1")).card.key == card.key
    assert replace(card, layers="several").key != card.key
    assert load(tmp_path / "toy.xml", Options("0..1")).card.key != card.key


def test_a_saved_card_finds_its_network_where_it_was_and_where_it_is_now(tmp_path: Path) -> None:
    path = toy(tmp_path / "toy.xml")
    first = backbones.load(str(path), options=Options("imagenet,BGR"))
    vectors = first.embed(PICTURES)
    again = backbones.load_card(first.card)
    assert (again.card, again.card.key) == (first.card, first.card.key)
    assert np.array_equal(again.embed(PICTURES), vectors)
    moved = tmp_path / "elsewhere" / "other.xml"
    moved.parent.mkdir()
    shutil.move(path, moved)
    shutil.move(path.with_suffix(".bin"), moved.with_suffix(".bin"))
    with pytest.raises(BackboneError, match=r"(?s)The model .*toy.xml .* is no longer there.*-b PATH"):
        backbones.load_card(first.card)
    found = backbones.load_card(first.card, elsewhere=str(moved))
    assert found.card.key == first.card.key
    assert np.array_equal(found.embed(PICTURES), vectors)


def test_a_saved_card_refuses_another_network(tmp_path: Path) -> None:
    card = backbones.load(str(toy(tmp_path / "toy.xml"))).card
    other = toy(tmp_path / "other.xml", mix=MIX + 1)
    with pytest.raises(
        BackboneError, match=r"other.xml is not the backbone that this classifier was trained on: it has other w"
    ):
        backbones.load_card(card, elsewhere=str(other))
    with pytest.raises(BackboneError, match=r"builtin:efficientnet-lite0 is not the (?s:.*)Expected the same weights"):
        backbones.load_card(card, elsewhere=backbones.DEFAULT)
    with pytest.raises(BackboneError, match="this version reads graphs or photos differently"):
        backbones.load_card(replace(card, revision=0))


def test_a_network_moved_away_from_its_names_still_gives_its_vectors(tmp_path: Path) -> None:
    # Seven logits are classes by their names alone; without them the cut would be after the last layer.
    path = toy(tmp_path / "toy.xml", classes=7)
    first = load(path, hints=Hints(labels=tuple("abcdefg")))
    assert (first.card.dim, first.card.classes) == (5, 7)
    found = local.reopen(LocalModel(str(path), path), first.card, None)
    assert np.array_equal(found.embed(PICTURES), first.embed(PICTURES))
    assert found.card.key == first.card.key
    assert (found.labels, found.card.classes) == ((), 0)


def test_a_network_of_any_size_moved_away_from_what_told_it_keeps_its_size(tmp_path: Path) -> None:
    image = pictures(1, -1, -1, 3)
    path = save(model({"out": pooled(conv(channels_first(image), MIX))}, image), tmp_path / "toy.xml")
    first = load(path, hints=Hints(size=(4, 4)))
    assert first.card.view.height == 4
    found = local.reopen(LocalModel(str(path), path), first.card, None)
    assert np.array_equal(found.embed(PICTURES), first.embed(PICTURES))


def test_a_network_that_is_cut_elsewhere_than_its_card_says_is_refused(tmp_path: Path) -> None:
    path = toy(tmp_path / "toy.xml", classes=1000)
    card = load(path, hints=Hints(kind="feature_vector")).card
    assert card.output == "output"
    with pytest.raises(
        BackboneError,
        match=r"another feature than its card states.\nExpected output, 1000 .*; received before the classifier, 5",
    ):
        local.reopen(LocalModel(str(path), path), card, None).embed(PICTURES)


def test_what_a_loaded_network_gave_it_gives_again_after_its_graph_was_freed(tmp_path: Path) -> None:
    network = load(toy(tmp_path / "toy.xml"))
    before = network.embed(PICTURES)
    network._graphs.close()
    assert np.array_equal(network.embed(PICTURES), before)


def test_a_classifier_follows_its_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = write_photos(tmp_path / "photos", {"red": 6, "blue": 6})
    work = tmp_path / "work"
    toy(work / "toy.xml")
    monkeypatch.chdir(work)
    training = headstart.train(
        tmp_path / "photos", backbone="toy.xml", options=Options("0..1"), output=tmp_path / "model"
    )
    trained = training.classifier
    answer = trained.predict_proba(photos)
    monkeypatch.chdir(tmp_path)
    assert np.array_equal(Classifier.load("model").predict_proba(photos), answer)
    for ending in (".xml", ".bin"):
        (work / f"toy{ending}").rename(tmp_path / f"moved{ending}")
    other = toy(tmp_path / "other.xml", mix=MIX + 1)

    def predict(*more: object) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("headstart")), "predict", "model", photos[0], "--json"]
        return subprocess.run([*command, *map(str, more)], capture_output=True, text=True, check=False)

    gone = predict()
    assert gone.returncode == 1
    assert "is no longer there" in gone.stderr
    assert "-b PATH" in gone.stderr
    wrong = predict("-b", other)
    assert wrong.returncode == 1
    assert "is not the backbone that this classifier was trained on: it has other weights." in wrong.stderr
    found = predict("-b", "moved.xml")
    assert found.returncode == 0, found.stderr
    document = json.loads(found.stdout)
    assert list(document["predictions"][0]["probabilities"].values()) == pytest.approx(answer[0].tolist())


# --- names and plugins ---


def test_a_name_that_fits_several_networks_lists_them() -> None:
    with pytest.raises(
        BackboneError, match=r"No backbone is called 'mobilenet_v2'(?s:.*)matches \d+: (?s:.*)List them with"
    ):
        backbones.load("mobilenet_v2")
    with pytest.raises(BackboneError, match=r"No backbone is called 'no-such-network'(?s:.*)headstart models WORDS"):
        backbones.load("no-such-network")


class Own(sources.BackboneSource):
    """What a stranger's package may hold."""

    def load(self, name: str) -> Backbone:
        if name == "none":
            raise BackboneError("There is no network 'none'.\nExpected mine:good.")
        if name == "broken":
            raise KeyError("good")
        if name == "nothing":
            return None  # type: ignore[return-value]
        network = FakeBackbone()
        network.card = replace(network.card, handle="mine:another" if name == "renamed" else f"mine:{name}")
        return network


class NoSource:
    pass


class Failing(sources.BackboneSource):
    def __init__(self) -> None:
        raise RuntimeError("no licence key")

    def load(self, name: str) -> Backbone:
        raise AssertionError


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("mine", f"{__name__}:Own", sources.GROUP),
        EntryPoint("nosource", f"{__name__}:NoSource", sources.GROUP),
        EntryPoint("failing", f"{__name__}:Failing", sources.GROUP),
        EntryPoint("missing", "no_such_package:Source", sources.GROUP),
    ]
    monkeypatch.setattr(sources, "entry_points", lambda group: points if group == sources.GROUP else [])


@pytest.mark.usefixtures("plugin")
def test_a_plugin_gives_networks_under_its_word() -> None:
    network = backbones.load("mine:good")
    assert network.card.handle == "mine:good"
    assert backbones.load_card(network.card).card == network.card
    with pytest.raises(BackboneError, match=r"comes from a plugin.\nExpected no --input-range"):
        backbones.load("mine:good", options=Options("0..1"))


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("handle", "words"),
    [
        ("mine:none", "^There is no network 'none'.\nExpected mine:good.$"),
        ("mine:broken", r"The source 'mine' \(.*:Own\) failed with mine:broken: KeyError\('good'\)"),
        ("mine:nothing", "The source 'mine' returned None for mine:nothing.\nExpected a Backbone"),
        ("mine:renamed", "The source 'mine' returned a backbone named mine:another.\nExpected .* mine:renamed"),
        ("nosource:x", r"The source 'nosource' \(.*:NoSource\) is not a headstart.backbones.plugins.BackboneSource"),
        ("failing:x", r"The source 'failing' \(.*\) cannot be loaded: RuntimeError\('no licence key'\)"),
        ("missing:x", "The source 'missing' .* cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_a_plugin_that_fails_is_named(handle: str, words: str) -> None:
    with pytest.raises(BackboneError, match=words):
        backbones.load(handle)
