"""Networks that only TensorFlow reads: what happens without it, what is kept, and (with it) that the vectors agree."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import backbones
from headstart.backbones.graph import convert, files, reading
from headstart.backbones.hints import Options
from headstart.errors import BackboneError
from headstart.photos import images
from toys import channels_first, conv, model, numbers, pictures, pooled, save

pytestmark = pytest.mark.usefixtures("toys_need_no_child")
PICTURES = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
MIX = numbers(5, 3)
#: What the toys answer to the range 0..1.
ANSWER = (PICTURES / 255).mean(axis=(1, 2)) @ MIX.T
RANGE = Options("0..1")

find_spec = importlib.util.find_spec


def have(monkeypatch: pytest.MonkeyPatch, tensorflow: bool) -> None:
    """Let TensorFlow seem to be installed, or not."""
    spec = object() if tensorflow else None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: spec if name == "tensorflow" else find_spec(name))


@pytest.fixture
def keras_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\nnot really")
    return path


def target(home: Path, path: Path) -> Path:
    return home / "converted" / f"{files.weights_hash(path)}.xml"


def toy(path: Path) -> Path:
    """A conversion as it is kept."""
    image = pictures(-1, 4, 4, 3)
    path = save(model({"out": pooled(conv(channels_first(image), MIX))}, image), path)
    sums = {file.suffix: hashlib.sha256(file.read_bytes()).hexdigest() for file in (path, path.with_suffix(".bin"))}
    path.with_suffix(".json").write_text(json.dumps(sums))
    return path


def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a shell script in the place of the process that knows TensorFlow; $3 is the network, $4 what to write."""
    have(monkeypatch, True)
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


@pytest.mark.parametrize("name", ["mine.h5", "mine.keras", "module"])
def test_without_tensorflow_the_error_gives_the_line_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path, name: str
) -> None:
    path = tmp_path / name
    if name == "module":
        path.mkdir()
        (path / "tfhub_module.pb").write_bytes(b"\x08\x03")
        path = path / "saved_model.pb"
    path.write_bytes(b"x")
    have(monkeypatch, False)
    with pytest.raises(BackboneError, match=r"TensorFlow is needed once(?s:.*)pip install 'headstart\[tensorflow\]'"):
        backbones.load(str(tmp_path / name))
    assert not (home / "converted").exists()


def test_a_savedmodel_that_openvino_refuses_is_for_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01 nothing that anyone reads")
    have(monkeypatch, False)
    with pytest.raises(BackboneError, match=r"that OpenVINO cannot read \(.*\): TensorFlow is needed once"):
        backbones.load(str(tmp_path))


def test_what_was_converted_is_used_without_tensorflow(
    keras_file: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    have(monkeypatch, False)
    toy(target(home, keras_file))
    network = backbones.load(str(keras_file), "float32", options=RANGE)
    assert network.card.weights == files.weights_hash(keras_file)
    np.testing.assert_allclose(network.embed(PICTURES), ANSWER, rtol=1e-4, atol=1e-4)
    renamed = keras_file.rename(keras_file.with_name("renamed.h5"))
    assert backbones.load_card(network.card, elsewhere=str(renamed)).card == network.card


@pytest.mark.parametrize("damaged", [".xml", ".bin", ".json"])
def test_a_damaged_conversion_is_not_used(
    keras_file: Path, home: Path, monkeypatch: pytest.MonkeyPatch, damaged: str
) -> None:
    have(monkeypatch, False)
    file = toy(target(home, keras_file)).with_suffix(damaged)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(BackboneError, match="TensorFlow is needed once"):
        backbones.load(str(keras_file))


@pytest.mark.parametrize("missing", [".xml", ".bin", ".json"])
def test_half_a_conversion_is_not_used(
    keras_file: Path, home: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    have(monkeypatch, False)
    path = toy(target(home, keras_file))
    path.with_suffix(missing).unlink()
    with pytest.raises(BackboneError, match="TensorFlow is needed once"):
        backbones.load(str(keras_file))


def test_the_last_line_of_a_child_that_fails_is_reported(
    keras_file: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child(tmp_path, monkeypatch, "echo 'Traceback' >&2; echo 'ValueError: it is a poem' >&2; echo >&2; exit 1")
    with pytest.raises(BackboneError, match=r"mine.h5 cannot be read by TensorFlow either: ValueError: it is a poem\n"):
        backbones.load(str(keras_file))
    assert list((home / "converted").iterdir()) == []


@pytest.mark.parametrize("script", ["kill -9 $$", "exit 0", "exit 1"])
def test_a_child_that_ends_without_a_message_is_reported(
    keras_file: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    child(tmp_path, monkeypatch, script)
    with pytest.raises(BackboneError, match="cannot be read by TensorFlow either: it ended without a message"):
        backbones.load(str(keras_file))
    assert list((home / "converted").iterdir()) == []


@pytest.mark.parametrize("script", ['printf half > "$4"; kill -9 $$', 'printf half > "$4"', ': > "$4"'])
def test_a_half_written_conversion_is_never_used(
    keras_file: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    child(tmp_path, monkeypatch, script)
    for _ in range(2):
        with pytest.raises(BackboneError, match="cannot be read by"):
            backbones.load(str(keras_file))
    assert list((home / "converted").iterdir()) == []


def test_a_child_that_never_ends_is_ended(
    keras_file: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child(tmp_path, monkeypatch, "exec sleep 60")
    monkeypatch.setattr(convert, "_MINUTES", 0.005)
    with pytest.raises(BackboneError, match=r"TensorFlow did not convert .*mine.h5 within 0.005 minutes"):
        backbones.load(str(keras_file))
    assert list((home / "converted").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_reported(
    keras_file: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child(tmp_path, monkeypatch, "exit 1")
    (home / "converted").write_text("a file")
    with pytest.raises(BackboneError, match=r"mine.h5 cannot be converted in .*converted: "):
        backbones.load(str(keras_file))


# --- with TensorFlow ---


@pytest.fixture
def tensorflow() -> Any:
    """TensorFlow itself, whose import warns of many things."""
    import warnings

    if find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed: pip install 'headstart[tensorflow]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow

        return tensorflow


def agrees(path: Path) -> None:
    network = backbones.load(str(path), "float32", options=RANGE)
    np.testing.assert_allclose(network.embed(PICTURES), ANSWER, rtol=1e-4, atol=1e-4)


@pytest.mark.tensorflow
@pytest.mark.slow
def test_the_shared_models_agree_in_all_three_formats(shared: Path, tensorflow: Any, home: Path) -> None:
    paths = sorted((shared / "imagenet100").iterdir())[:50]
    vectors = []
    for name in ("mobilenet_v2_0.35_224_keras.h5", "mobilenet_v2_0.35_224_savedmodel", "mobilenet_v2_0.35_224.onnx"):
        network = backbones.load(str(shared / "backbones" / name), "float32", options=Options("-1..1"))
        pictures = np.stack([images.load(path, network.card.view) for path in paths])
        found = network.embed(pictures)
        vectors.append(found / np.linalg.norm(found, axis=1, keepdims=True))
    assert len(list((home / "converted").glob("*"))) == 3  # the .h5 alone was converted: .xml, .bin, .json
    for other in vectors[1:]:
        assert (vectors[0] * other).sum(axis=1).min() >= 0.9999


def keras_model(keras: Any) -> Any:
    """The toy in Keras 2 or 3."""
    image = keras.Input((4, 4, 3))
    layer = keras.layers.Conv2D(5, 1, use_bias=False)
    network = keras.Model(image, keras.layers.GlobalAveragePooling2D()(layer(image)))
    layer.set_weights([MIX.T[None, None]])
    return network


@pytest.mark.tensorflow
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_keras_files_are_converted(tmp_path: Path, tensorflow: Any, ending: str) -> None:
    path = tmp_path / f"mine{ending}"
    keras_model(tensorflow.keras).save(path)
    agrees(path)


@pytest.mark.tensorflow
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_files_of_keras_2_are_converted(tmp_path: Path, tensorflow: Any) -> None:
    keras = pytest.importorskip("tf_keras")
    path = tmp_path / "mine.h5"
    # Words and nesting that Keras 3 refuses, as in files of Teachable Machine.
    same = keras.layers.DepthwiseConv2D(1, depthwise_initializer="ones", use_bias=False)
    nested = keras.Sequential([keras.Input((4, 4, 3)), keras.Sequential([same]), keras_model(keras)])
    nested.save(path)
    agrees(path)


@pytest.mark.tensorflow
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("version", [2, 3])
def test_code_inside_a_keras_file_is_not_run(tmp_path: Path, tensorflow: Any, version: int) -> None:
    keras = pytest.importorskip("tf_keras") if version == 2 else tensorflow.keras
    proof, path = tmp_path / "proof", tmp_path / "mine.h5"
    code = f"lambda x, p={str(proof)!r}: (open(p, 'w').close(), x)[1]"
    keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Lambda(eval(code))]).save(path)
    proof.unlink(missing_ok=True)
    with pytest.raises(BackboneError, match=r"Lambda|lambda"):
        backbones.load(str(path), options=RANGE)
    assert not proof.exists()


@pytest.mark.tensorflow
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_savedmodel_that_openvino_refuses_is_converted(
    tmp_path: Path, tensorflow: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tf = tensorflow

    class Module(tf.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.mix = tf.Variable(MIX.T)

        @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 3], tf.float32, name="image")])
        def __call__(self, image: Any) -> Any:
            return tf.reduce_mean(image, [1, 2]) @ self.mix

    made = Module()
    tf.saved_model.save(made, str(tmp_path / "signed"), signatures=made.__call__)
    tf.saved_model.save(made, str(tmp_path / "unsigned"))
    read = reading.read

    def refuse(path: Path, handle: str) -> Any:
        if path.is_dir():
            raise reading.UnreadableError("OpenVINO refuses it")
        return read(path, handle)

    monkeypatch.setattr(reading, "read", refuse)
    agrees(tmp_path / "signed")
    agrees(tmp_path / "unsigned")
    assert len(list((home / "converted").glob("*.xml"))) == 2


@pytest.mark.tensorflow
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("signature", ["default", "image_feature_vector"])
def test_a_module_of_the_hubs_first_format_is_converted(tmp_path: Path, tensorflow: Any, signature: str) -> None:
    v1 = tensorflow.compat.v1
    folder = tmp_path / "module"
    with v1.Graph().as_default(), v1.Session() as session:
        image = v1.placeholder(v1.float32, [None, 4, 4, 3], name="image")
        mix = v1.get_variable("mix", initializer=MIX.T)
        vector = v1.matmul(v1.reduce_mean(image, [1, 2]), mix)
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(folder))
        info = v1.saved_model.build_tensor_info
        signatures = {
            signature: v1.saved_model.build_signature_def({"images": info(image)}, {"default": info(vector)}),
            "unrelated": v1.saved_model.build_signature_def({"images": info(image)}, {"default": info(image)}),
        }
        # First with tags for training, as Hub modules hold both; the graph for inference has none.
        builder.add_meta_graph_and_variables(session, ["train"], signature_def_map=signatures)
        builder.add_meta_graph([], signature_def_map=signatures)
        builder.save()
    (folder / "tfhub_module.pb").write_bytes(b"\x08\x03")
    agrees(folder)


@pytest.mark.tensorflow
@pytest.mark.slow
def test_a_file_that_tensorflow_cannot_read_either_is_reported(keras_file: Path, tensorflow: Any, home: Path) -> None:
    with pytest.raises(BackboneError, match=r"mine.h5 cannot be read by TensorFlow either: OSError"):
        backbones.load(str(keras_file))
    assert list((home / "converted").iterdir()) == []
