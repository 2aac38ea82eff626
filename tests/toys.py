"""Tiny networks of OpenVINO's own operations: what they answer is computed in the tests by numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from headstart.backbones.runtimes.openvino.compiled import engine

ov = engine()
op = ov.opset13


def pictures(*shape: int, kind: str = "f32", name: str = "image") -> Any:
    """An input; -1: any."""
    parameter = op.parameter(ov.PartialShape(list(shape)), getattr(ov.Type, kind), name=name)
    parameter.output(0).get_tensor().set_names({name})
    return parameter


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Weights from a seed, float32, about as large as keeps the answers near 1."""
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def channels_first(x: Any) -> Any:
    return op.transpose(x, np.array([0, 3, 1, 2]))


def channels_last(x: Any) -> Any:
    return op.transpose(x, np.array([0, 2, 3, 1]))


def conv(x: Any, weights: np.ndarray, stride: int = 1) -> Any:
    """Convolution; weights (out, in, height, width) or, for 1x1, (out, in). No padding."""
    kernel = weights if weights.ndim == 4 else weights[:, :, None, None]
    return op.convolution(x, op.constant(kernel), [stride, stride], [0, 0], [0, 0], [1, 1])


def dense(x: Any, weights: np.ndarray, bias: np.ndarray | None = None) -> Any:
    """Fully connected; weights (in, out)."""
    y = op.matmul(x, op.constant(weights), False, False)
    return y if bias is None else op.add(y, op.constant(bias))


def pooled(x: Any, keep: bool = False) -> Any:
    return op.reduce_mean(x, np.array([2, 3]), keep)


def model(outputs: dict[str, Any], *inputs: Any) -> Any:
    """A graph with these outputs by name."""
    results = []
    for name, node in outputs.items():
        result = op.result(node, name=f"result of {name}")
        result.output(0).get_tensor().set_names({name})
        results.append(result)
    return ov.Model(results, list(inputs), "toy")


def save(graph: Any, path: Path) -> Path:
    """Write `path` (.xml) and its `.bin`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ov.save_model(graph, path, compress_to_fp16=False)
    return path


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)
