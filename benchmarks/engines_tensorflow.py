"""Photos per second of a SavedModel in TensorFlow: python engines_tensorflow.py SAVEDMODEL PICTURES.npy SECONDS

Runs in TensorFlow's own environment. Prints one JSON object: batch size -> photos/s, graph mode, float32.
"""

import json
import sys
import time

import numpy as np
import tensorflow as tf

network = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
(name,) = network.structured_input_signature[1]
pictures = np.load(sys.argv[2])
seconds = float(sys.argv[3])

rates = {}
for batch in (1, 8, 32, 64):
    batches = [tf.constant(pictures[i : i + batch] / np.float32(127.5) - 1) for i in range(0, len(pictures), batch)]
    for given in batches[:2]:
        network(**{name: given})
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        for given in batches:
            for value in network(**{name: given}).values():
                value.numpy()
            done += len(given)
    rates[batch] = done / (time.perf_counter() - started)
print(json.dumps(rates))
