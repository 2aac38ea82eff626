"""Which formats can carry the resizing of photos."""

from __future__ import annotations

from headstart.errors import ExportError

#: Names of the formats whose runtimes resize as Pillow does.
RESIZING = ("onnx", "openvino")


def check_resizing(name: str, with_resize: bool) -> None:
    """Raise an error if a format is to resize photos and cannot.

    Raises:
        ExportError: it cannot.
    """
    if with_resize and name not in RESIZING:
        raise ExportError(f"{name} cannot resize photos: expected {' or '.join(RESIZING)}, or no --with-resize.")
