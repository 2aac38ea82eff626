"""Cut a graph at its feature: the result gives vectors and, where there are classes, probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart.backbones.graph.anatomy import Anatomy, Feature
from headstart.backbones.graph.stages import stage_maps
from headstart.backbones.hints import Layers
from headstart.backbones.runtimes.openvino.compiled import engine

#: Length of each earlier stage's part of a vector, relative to the feature's. Without this, stages are up to ten times
#: as long and dominate the feature, which cost 2.5 points with the built-in backbone (`benchmarks/layers.py`).
STAGE_SHARE = 0.25


def cut(model: Any, anatomy: Anatomy, layers: Layers) -> Any:
    """The graph that a `OpenVINOBackbone` runs: outputs `features` and, where there are classes, `scores`.

    Args:
        model: after `anatomy.dissect`.
        anatomy: of the model.
        layers: the feature alone, or joined with the pooled stages before it.
    """
    ov = engine()
    op = ov.opset13
    vectors = [_vector(anatomy.feature)]
    if layers == "several":
        maps = stage_maps(model, anatomy.feature.tensor)
        pooled = [op.reduce_mean(value, np.array([2, 3]), False) for value in maps]
        *stages, feature = (op.convert(value, "f32") for value in [*pooled, *vectors])  # some graphs are in float16
        vectors = [*(_as_long(value, feature) for value in stages), feature.output(0)]
    joined = op.concat(vectors, 1) if len(vectors) > 1 else vectors[0]
    results = [op.result(joined, name="features")]
    if anatomy.scores is not None and anatomy.scores.scale != "independent":
        scores = op.reshape(anatomy.scores.tensor, np.array([-1, anatomy.scores.classes]), False)
        if anatomy.scores.scale == "logits":
            scores = op.softmax(scores, 1)
        elif anatomy.scores.scale == "log probabilities":
            scores = op.exp(scores)
        results.append(op.result(scores, name="scores"))
    parameter = model.get_parameters()[anatomy.input.index]
    parameter.layout = ov.Layout(anatomy.input.layout)
    return ov.Model(results, [parameter], model.friendly_name)


def _as_long(value: Any, feature: Any) -> Any:
    """Scale each row of `value` to `STAGE_SHARE` times the length of the same row of `feature`."""
    op = engine().opset13
    own, wanted = (op.reduce_l2(x, np.array([1]), True) for x in (value, feature))
    factor = op.divide(op.multiply(wanted, np.float32(STAGE_SHARE)), op.maximum(own, np.float32(1e-12)))
    return op.multiply(value, factor).output(0)


def _vector(feature: Feature) -> Any:
    op = engine().opset13
    value = feature.tensor
    if feature.form == "map":
        axes = [axis for axis in (1, 2, 3) if axis != feature.axis]
        return op.reduce_mean(value, np.array(axes), False).output(0)
    if feature.form == "tokens":
        if feature.how.endswith("class token"):
            return op.gather(value, np.array(0), np.array(1)).output(0)
        return op.reduce_mean(value, np.array([1]), False).output(0)
    return op.reshape(value, np.array([-1, feature.dim]), False).output(0)
