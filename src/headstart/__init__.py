"""headstart: from folders of photos to a classifier you can trust, on top of a frozen pre-trained network."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from headstart.as_is import classify
    from headstart.backbones import Options
    from headstart.classifier import Classifier
    from headstart.comparing import compare
    from headstart.errors import HeadstartError
    from headstart.extractor import FeatureExtractor as FeatureExtractor
    from headstart.training import train

# FeatureExtractor is not listed, nor in `dir`: without its extra, `import *` and `help` would raise its error.
__all__ = ["Classifier", "HeadstartError", "Options", "classify", "compare", "load", "train"]
__version__ = "0.1.0"

# Imported on first use: `import headstart` stays light, and so does `headstart --help`.
_HOMES = {
    "Classifier": "headstart.classifier",
    "FeatureExtractor": "headstart.extractor",
    "HeadstartError": "headstart.errors",
    "Options": "headstart.backbones",
    "classify": "headstart.as_is",
    "compare": "headstart.comparing",
    "train": "headstart.training",
}


def load(folder: str | Path, *, backbone: str = "", fetch: bool = False) -> Classifier:
    """Read a saved classifier. See `Classifier.load`.

    Args:
        folder: of the classifier.
        backbone: where its network lies now, if not where it was.
        fetch: whether its network may be downloaded from where the classifier says, if it is not here.
    """
    from headstart.classifier import Classifier

    return Classifier.load(folder, backbone=backbone, fetch=fetch)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'headstart' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
