"""headstart: from folders of photos to a classifier you can trust, on top of a frozen pre-trained model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from headstart.classifier.exporting import export_with
from headstart.evaluation.shown import present_with

if TYPE_CHECKING:
    from pathlib import Path

    from headstart.backbones import Options
    from headstart.backbones.catalogue import search
    from headstart.classifier.as_is import classify
    from headstart.classifier.checking import check
    from headstart.classifier.classifier import Classifier
    from headstart.classifier.comparing import compare
    from headstart.classifier.exporting import Exporter
    from headstart.classifier.inbox.inbox import Inbox
    from headstart.classifier.inbox.watching import watch
    from headstart.classifier.similar import similar
    from headstart.classifier.training import train
    from headstart.errors import HeadstartError, HeadstartWarning
    from headstart.evaluation.shown import Presenter
    from headstart.features.embedder import embed, load_backbone
    from headstart.sklearn import FeatureExtractor as FeatureExtractor
    from headstart.sklearn import HeadstartClassifier as HeadstartClassifier
    from headstart.sklearn import HeadstartHead as HeadstartHead

# Those of headstart.sklearn are not listed, nor in `dir`: without their extra, `import *` and `help` would fail.
__all__ = [
    "Classifier", "HeadstartError", "HeadstartWarning", "Inbox", "Options", "check", "classify", "compare", "embed",
    "load", "load_backbone", "search", "similar", "train", "watch",
]  # fmt: skip
__version__ = "0.1.0"

# Imported on first use: `import headstart` stays light, and so does `headstart --help`.
_HOMES = {
    "Classifier": "headstart.classifier.classifier",
    "FeatureExtractor": "headstart.sklearn",
    "HeadstartClassifier": "headstart.sklearn",
    "HeadstartError": "headstart.errors",
    "HeadstartWarning": "headstart.errors",
    "HeadstartHead": "headstart.sklearn",
    "Inbox": "headstart.classifier.inbox.inbox",
    "Options": "headstart.backbones",
    "check": "headstart.classifier.checking",
    "classify": "headstart.classifier.as_is",
    "compare": "headstart.classifier.comparing",
    "embed": "headstart.features.embedder",
    "load_backbone": "headstart.features.embedder",
    "search": "headstart.backbones.catalogue",
    "similar": "headstart.classifier.similar",
    "train": "headstart.classifier.training",
    "watch": "headstart.classifier.inbox.watching",
}


def _presenter() -> Presenter:
    return import_module("headstart.report.presenter")


def _exporter() -> Exporter:
    return import_module("headstart.export.job")


present_with(_presenter)
export_with(_exporter)


def load(folder: str | Path, *, backbone: str = "", fetch: bool = False) -> Classifier:
    """Load a saved classifier; see `Classifier.load`.

    Args:
        folder: the folder in which it is saved.
        backbone: where its backbone is now, if it has moved.
        fetch: whether its backbone may be downloaded from the address that the classifier names, if it is not here.

    Raises:
        BundleError: it is not as it was saved.
        NotFetchedError: its backbone is not here, and `fetch` is False.

    Examples:
        >>> import headstart
        >>> headstart.train("photos").save("trees")
        >>> headstart.load("trees")
        Classifier(builtin:efficientnet-lite0, logistic, 2 classes)
    """
    from headstart.classifier.classifier import Classifier

    return Classifier.load(folder, backbone=backbone, fetch=fetch)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'headstart' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
