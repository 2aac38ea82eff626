"""Models that only TensorFlow can read are converted once, in a child process, and the result is kept.

These are Keras files, TensorFlow Hub modules from before TensorFlow 2, and SavedModels that OpenVINO cannot read. One
child process (this file, run as a program) freezes the graph with TensorFlow, another saves it in OpenVINO's format:

    HEADSTART_HOME/
      converted/<weights hash>.xml, .bin     OpenVINO's own format, in full precision
      converted/<weights hash>.json          their SHA-256, written last; without it the others are ignored
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from headstart.backbones.graph import reading, sandbox
from headstart.backbones.runtimes.openvino.compiled import engine
from headstart.disk import locks
from headstart.disk.hashes import sha256
from headstart.disk.home import home
from headstart.errors import BackboneError, reason

PIP = "pip install 'headstart[tensorflow]'"
_MINUTES = 20


def converted(path: Path, weights: str, handle: str, why: str) -> Path:
    """The path of a model that OpenVINO cannot read, in OpenVINO's own format.

    Args:
        weights: its hash, by which an earlier conversion is found without TensorFlow.
        why: the kind of model, for messages.

    Raises:
        BackboneError: TensorFlow is not installed, or cannot read it either.
    """
    target = home() / "converted" / f"{weights}.xml"
    if _sound(target):
        return target
    if importlib.util.find_spec("tensorflow") is None:
        raise BackboneError(
            f"{handle} is {why}: TensorFlow is needed once, to convert it.\nInstall the extra: {PIP}. The converted "
            "model is kept, and is used without TensorFlow."
        )
    try:
        lock = locks.locked(target.with_suffix(".lock"), keep=False)
        with lock, tempfile.TemporaryDirectory(dir=target.parent) as folder:
            if _sound(target):  # another process or thread has just converted it
                return target
            frozen = Path(folder) / "frozen.pb"
            _run(path, frozen, handle)
            _keep(frozen, target, Path(folder), handle)
    except OSError as error:
        raise BackboneError(f"{handle} cannot be converted in {target.parent}: {error.strerror or error}.") from error
    return target


def _run(path: Path, frozen: Path, handle: str) -> None:
    command = [sys.executable, "-P", "-m", "headstart.backbones.graph.convert", str(path), str(frozen)]
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": "-1"}
    try:
        done = subprocess.run(
            command, env=quiet, capture_output=True, text=True, errors="replace", timeout=60 * _MINUTES, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BackboneError(f"TensorFlow did not convert {handle} within {_MINUTES} minutes.") from error
    if done.returncode or not frozen.is_file():
        lines = done.stderr.strip().splitlines()
        why = reason(lines[-1]) if lines else "it ended without a message"
        raise BackboneError(
            f"{handle} cannot be read by TensorFlow either: {why}\n"
            "Expected a complete Keras model, a Hub module or a SavedModel with a signature."
        )


def _keep(frozen: Path, target: Path, folder: Path, handle: str) -> None:
    """Let a child convert the frozen graph, then move the files into place, the checksums last."""
    new = folder / target.name
    question = {"frozen": str(frozen), "new": str(new), "handle": handle}
    sandbox.ask("headstart.backbones.graph.convert:save", question, handle, frozen.stat().st_size)
    # Checksums of this process's files: a mixture with files of another process is not accepted.
    new.with_suffix(".json").write_text(json.dumps(_sums(new)), "utf-8")
    for extension in (".bin", ".xml", ".json"):
        os.replace(new.with_suffix(extension), target.with_suffix(extension))


def save(data: bytes) -> bytes:
    """Convert from TensorFlow's format to OpenVINO's own; runs in the child of `_keep`."""

    def work(question: dict[str, str]) -> None:
        model = reading.read(Path(question["frozen"]), question["handle"])
        engine().save_model(model, question["new"], compress_to_fp16=False)

    return sandbox.answer(data, work)


def _sums(target: Path) -> dict[str, str]:
    return {extension: sha256(target.with_suffix(extension)) for extension in (".xml", ".bin")}


def _sound(target: Path) -> bool:
    """Whether there is an intact conversion."""
    try:
        return bool(json.loads(target.with_suffix(".json").read_text("utf-8")) == _sums(target))
    except (OSError, ValueError, RecursionError):
        return False


# --- the child: the only code that knows TensorFlow ---


def _freeze(path: Path, frozen: Path) -> None:
    """Write the model as one frozen graph."""
    if path.is_dir() and (path / "tfhub_module.pb").is_file():
        graph = _hub_module(path)
    elif path.is_dir():
        graph = _saved_model(path)
    else:
        graph = _keras(path)
    frozen.write_bytes(graph.SerializeToString())


def _keras(path: Path) -> Any:
    import tensorflow as tf

    if not path.is_dir() and path.suffix.lower() in (".h5", ".hdf5") and (config := _keras_2(path)) is not None:
        # Keras 3 refuses some options and nested models that Keras 2 wrote.
        import tf_keras as keras

        if '"class_name": "Lambda"' in json.dumps(config):
            raise ValueError("the model has a Lambda layer, which is Python code inside the file and is not run")
        model = keras.models.load_model(path, compile=False)
    else:
        model = tf.keras.models.load_model(path, compile=False, safe_mode=True)
    shape = [None, *model.input_shape[1:]]
    call = tf.function(lambda image: model(image, training=False))
    return _frozen(call.get_concrete_function(tf.TensorSpec(shape, tf.float32, name="image")))


def _keras_2(path: Path) -> Any:
    """The architecture in an HDF5 file of Keras 1 or 2; None for other files."""
    import h5py  # TensorFlow brings it

    with h5py.File(path) as file:
        version, config = (file.attrs.get(name) for name in ("keras_version", "model_config"))
    version, config = (word.decode() if isinstance(word, bytes) else word for word in (version, config))
    return None if config is None or str(version).startswith("3.") else json.loads(config)


def _saved_model(path: Path) -> Any:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    signatures = getattr(loaded, "signatures", {})
    if "serving_default" in signatures:
        return _frozen(signatures["serving_default"])
    if len(signatures) == 1:
        return _frozen(next(iter(signatures.values())))
    call = tf.function(lambda image: loaded(image))
    return _frozen(call.get_concrete_function(tf.TensorSpec([None, None, None, 3], tf.float32, name="image")))


def _frozen(concrete: Any) -> Any:
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(concrete).graph.as_graph_def()


def _hub_module(path: Path) -> Any:
    """A module in TensorFlow Hub's first format, where the graph for inference has no tags."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        meta = v1.saved_model.load(session, [], str(path))
        for name in ("image_feature_vector", "image_classification", "default"):
            if name in meta.signature_def:
                signature = meta.signature_def[name]
                break
        else:
            raise ValueError(f"the module has the signatures {', '.join(meta.signature_def)}; none is for pictures")
        outputs = dict(signature.outputs)
        output = outputs.get("default") or next(iter(outputs.values()))
        name = output.name.split(":")[0]
        return v1.graph_util.convert_variables_to_constants(session, session.graph_def, [name])


if __name__ == "__main__":
    _freeze(Path(sys.argv[1]), Path(sys.argv[2]))
