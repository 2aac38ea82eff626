"""Read a model file with OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headstart.backbones.runtimes.openvino.compiled import engine
from headstart.errors import BackboneError, reason


class UnreadableError(BackboneError):
    """OpenVINO cannot read a model; TensorFlow may be able to."""


def read(path: Path, handle: str) -> Any:
    """The graph, an `openvino.Model`.

    Raises:
        UnreadableError: OpenVINO cannot read it.
        MemoryError: there is not enough memory.
    """
    try:
        return engine().Core().read_model(path)
    except MemoryError:
        raise
    except Exception as error:  # of many types, even UnicodeDecodeError where the message is not UTF-8
        raise UnreadableError(
            f"{handle} cannot be read by OpenVINO: {reason(error)}\nExpected a complete model without training parts. "
            "Save or download it again."
        ) from error
