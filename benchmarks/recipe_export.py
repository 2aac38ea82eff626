"""Write the built-in network as a TensorFlow Hub feature vector (TF2 SavedModel, input [0, 1]).

Runs in the recipe's own environment: python recipe_export.py WEIGHTS.npz STAGES.json FOLDER

The layers stay as in the models of TensorFlow Hub: batch normalisation is an operation of its own, with its
variables; nothing is folded in advance.
"""

import json
import sys

import numpy as np
import tensorflow as tf


class FeatureVector(tf.Module):
    def __init__(self, weights, stages):
        super().__init__()
        self.stages = stages
        self.weights = {}
        for name, value in weights.items():
            if name.startswith("_fc") or name.endswith("num_batches_tracked"):
                continue
            if value.ndim == 4:  # torch: output, input, height, width
                value = value.transpose(2, 3, 0, 1) if "depthwise" in name else value.transpose(2, 3, 1, 0)
            key = name.replace(".", "/")
            self.weights[key] = tf.Variable(value, trainable=False, name="v" + name.replace(".", "_"))
        # What hub.KerasLayer looks for in a reusable SavedModel.
        self.variables_ = list(self.weights.values())
        self.trainable_variables_ = []
        self.regularization_losses = []

    def _conv(self, x, name, norm, stride=1, depthwise=False, relu=True):
        kernel = self.weights[f"{name}/weight"]
        if depthwise:
            x = tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "SAME")
        else:
            x = tf.nn.conv2d(x, kernel, stride, "SAME")
        scale, offset, mean, variance = (
            self.weights[f"{norm}/{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        x = tf.compat.v1.nn.fused_batch_norm(x, scale, offset, mean, variance, epsilon=1e-3, is_training=False)[0]
        return tf.nn.relu6(x) if relu else x

    @tf.function(input_signature=[tf.TensorSpec([None, 224, 224, 3], tf.float32, name="inputs")])
    def __call__(self, inputs):
        x = self._conv((inputs * 255.0 - 127.0) / 128.0, "_conv_stem", "_bn0", 2)
        block = 0
        for blocks, _, first_stride, expansion, _ in self.stages:
            for i in range(blocks):
                name = f"_blocks/{block}"
                y = self._conv(x, f"{name}/_expand_conv", f"{name}/_bn0") if expansion > 1 else x
                y = self._conv(y, f"{name}/_depthwise_conv", f"{name}/_bn1", first_stride if i == 0 else 1, True)
                y = self._conv(y, f"{name}/_project_conv", f"{name}/_bn2", relu=False)
                x = y + x if i > 0 else y
                block += 1
        return tf.reduce_mean(self._conv(x, "_conv_head", "_bn1"), [1, 2])


if __name__ == "__main__":
    with open(sys.argv[2]) as file:
        network = FeatureVector(dict(np.load(sys.argv[1])), json.load(file))
    tf.saved_model.save(network, sys.argv[3])
    picture = np.linspace(0, 1, 224 * 224 * 3, dtype=np.float32).reshape(1, 224, 224, 3)
    np.save(f"{sys.argv[3]}/check.npy", network(picture).numpy())
