"""The formats that a model can be in: one table for files on this disk, downloads and archives."""

from __future__ import annotations

from typing import Literal

Format = Literal["savedmodel", "tflite", "onnx", "openvino", "keras", "tf1hub"]
#: Format of a model in one file, by file name extension. An `.xml` needs its `.bin` beside it.
EXTENSIONS: dict[str, Format] = {
    ".tflite": "tflite",
    ".onnx": "onnx",
    ".xml": "openvino",
    ".h5": "keras",
    ".hdf5": "keras",
    ".keras": "keras",
}
#: Extensions of models that are complete in one file.
SINGLE_FILES = tuple(extension for extension in EXTENSIONS if extension != ".xml")
#: A folder with one of these is a SavedModel, or a module in TensorFlow Hub's older format.
SAVED_MODEL = ("saved_model.pb", "tfhub_module.pb")
READABLE = "a SavedModel folder, or a file .tflite, .onnx, .xml (OpenVINO), .h5, .hdf5 or .keras"
