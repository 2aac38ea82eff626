"""Metadata of a LiteRT file, and its list of class names: what MediaPipe and Android Studio read from it.

Tables and field numbers: `metadata_schema.fbs` of https://github.com/google-ai-edge/mediapipe.
"""

from __future__ import annotations

import io
import zipfile

import numpy as np

from headstart.export.formats.tflite.flat import Flat, offset
from headstart.export.graph.joined import INPUT, OUTPUT

#: Name of the file with the class names in the archive at the end of the file.
LABELS = "labels.txt"
#: Numbers of the kinds of content, options and files in the schema's unions and enums.
_FEATURE, _IMAGE, _NORMALISATION, _AXIS_LABELS, _RGB = 1, 2, 1, 2, 1


def metadata() -> bytes:
    """The flatbuffer that describes the input, the output and the list of class names."""
    flat = Flat(4096)
    subgraph = flat.table(
        offset(0, flat.text("headstart")),
        offset(2, flat.offsets([_input(flat)])),
        offset(3, flat.offsets([_output(flat)])),
    )
    model = flat.table(
        offset(0, flat.text("headstart")),
        offset(1, flat.text("Classifies photos")),
        offset(3, flat.offsets([subgraph])),
        offset(7, flat.text("1.0.0")),  # the first version that has all of this
    )
    return flat.finished(model, b"M001")


def with_labels(model: bytes, classes: tuple[str, ...]) -> bytes:
    """A file with a zip archive of the class names behind it, one a line."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        file.writestr(zipfile.ZipInfo(LABELS), "\n".join(classes) + "\n")
    return model + archive.getvalue()


def _input(flat: Flat) -> int:
    colours = flat.table((0, "Int8", _RGB))
    content = flat.table((0, "Uint8", _IMAGE), offset(1, colours))
    zero, one = (flat.vector(np.array([number], np.float32)) for number in (0, 1))
    unit = flat.table((0, "Uint8", _NORMALISATION), offset(1, flat.table(offset(0, zero), offset(1, one))))
    return flat.table(
        offset(0, flat.text(INPUT)),
        offset(1, flat.text("A photo, fitted to this size: RGB, 0 to 255")),
        offset(3, content),
        offset(4, flat.offsets([unit])),
        offset(5, _range(flat, 255)),
    )


def _output(flat: Flat) -> int:
    labels = flat.table(offset(0, flat.text(LABELS)), (2, "Int8", _AXIS_LABELS))
    content = flat.table((0, "Uint8", _FEATURE), offset(1, flat.table()))
    return flat.table(
        offset(0, flat.text(OUTPUT)),
        offset(1, flat.text("Probability of each class")),
        offset(3, content),
        offset(5, _range(flat, 1)),
        offset(6, flat.offsets([labels])),
    )


def _range(flat: Flat, most: float) -> int:
    """Smallest (0) and largest number of a tensor."""
    high, low = (flat.vector(np.array([number], np.float32)) for number in (most, 0))
    return flat.table(offset(0, high), offset(1, low))
