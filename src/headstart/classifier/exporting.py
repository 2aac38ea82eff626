"""How a classifier is exported: `export/` comes later and knows classifiers, so `headstart/__init__` passes it in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

#: Of the weights in a file.
Precision = Literal["float32", "float16", "int8"]


class Exported(Protocol):
    """What an export is, see `headstart.export.exported.Exported`."""

    @property
    def folder(self) -> Path:
        """Where it is."""

    def path(self, name: str) -> Path:
        """The file or folder of a format."""

    def to_json(self) -> dict[str, Any]:
        """The document that `headstart export --json` prints."""


class Exporter(Protocol):
    """What `export/` does for classifiers."""

    def export(self, classifier: Any, out: Any, formats: Any, **settings: Any) -> Any:
        """Write and prove files, see `Classifier.export`."""


_find: list[Callable[[], Exporter]] = []


def export_with(find: Callable[[], Exporter]) -> None:
    """Set what exports classifiers; called once, when the package is imported."""
    _find[:] = [find]


def exporter() -> Exporter:
    """What exports classifiers."""
    return _find[0]()
