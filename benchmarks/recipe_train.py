"""The course's recipe, as its notebook has it: python recipe_train.py SAVED_MODEL TRAIN TEST EPOCHS

Runs in the recipe's own environment (Keras 2 by TF_USE_LEGACY_KERAS=1, setuptools < 81). Prints one JSON line.
"""

import json
import os
import sys
import tempfile

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
import tensorflow_hub as hub
from tensorflow.keras import layers
from tensorflow.keras.preprocessing.image import ImageDataGenerator

model_folder, train_folder, test_folder, epochs = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
shape, batch = (224, 224), 32
train = ImageDataGenerator(rescale=1 / 255.0).flow_from_directory(
    train_folder, target_size=shape, batch_size=batch, class_mode="categorical"
)
test = ImageDataGenerator(rescale=1 / 255.0).flow_from_directory(
    test_folder, target_size=shape, batch_size=batch, class_mode="categorical"
)
model = tf.keras.Sequential(
    [
        hub.KerasLayer(model_folder, trainable=False, input_shape=(*shape, 3)),
        layers.Dense(train.num_classes, activation="softmax"),
    ]
)
model.compile(loss="categorical_crossentropy", optimizer=tf.keras.optimizers.Adam(), metrics=["accuracy"])
history = model.fit(
    train,
    epochs=epochs,
    steps_per_epoch=len(train),
    validation_data=test,
    validation_steps=len(test),
    callbacks=[tf.keras.callbacks.TensorBoard(tempfile.mkdtemp())],
    verbose=2,
)
print(json.dumps({"val_accuracy": history.history["val_accuracy"]}))
